using System.Buffers;
using System.Collections.Frozen;
using System.Text.Json;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Translation;

/// <summary>
/// Between a client of one dialect and a provider of another. A request and its answer go through one neutral form, so that each dialect is read and
/// written once and not once for each other. What can't be carried is refused by its name; hints that change nothing are left out, and said so.
/// Calls of one dialect never come here: their bytes are sacred.
/// </summary>
/// <remarks>Has no state; one serves all calls of its pair. See docs/routing/translation.md for what is carried.</remarks>
public sealed class Translator
{
    internal static readonly FrozenDictionary<string, IClientWire> Clients = new Dictionary<string, IClientWire>
    {
        ["openai-chat"] = new ChatWire(),
        ["anthropic-messages"] = new AnthropicWire(),
        ["gemini-generate"] = new GeminiWire(),
        ["openai-responses"] = new ResponsesWire(),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    internal static readonly FrozenDictionary<string, IProviderWire> Providers = new Dictionary<string, IProviderWire>
    {
        ["openai-chat"] = new ChatWire(),
        ["anthropic-messages"] = new AnthropicWire(),
        ["gemini-generate"] = new GeminiWire(),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private readonly IClientWire _client;
    private readonly IProviderWire _provider;

    private Translator(string clientDialect, string providerDialect)
    {
        (ClientDialect, ProviderDialect) = (clientDialect, providerDialect);
        (_client, _provider) = (Clients[clientDialect], Providers[providerDialect]);
    }

    public string ClientDialect { get; }

    public string ProviderDialect { get; }

    /// <summary>By the dialects' names; null where there is none: the dialects are one, or one of them isn't translated.</summary>
    public static Translator? Between(string clientDialect, string providerDialect) =>
        clientDialect != providerDialect && Clients.ContainsKey(clientDialect) && Providers.ContainsKey(providerDialect) ? new(clientDialect, providerDialect) : null;

    /// <summary>The client's request in the provider's dialect. Never throws: a body that is no JSON is refused as such.</summary>
    public TranslatedRequest Request(ReadOnlyMemory<byte> body, in TranslationTarget target)
    {
        var carriage = new Carriage();
        try
        {
            using var document = JsonDocument.Parse(body);
            var request = _client.ReadRequest(document.RootElement, target.Stream, carriage);
            if (request.Turns.Count > 0 && request.Turns[^1].Speaker == Speaker.Assistant)
                carriage.Refuse(request.Turns[^1].Path, "an answer that is begun can't be continued by another model: end with the user's turn");
            var output = new ArrayBufferWriter<byte>(body.Length + 256);
            using (var json = Wires.Writer(output))
                _provider.WriteRequest(request, json, target, carriage);
            var (path, query, header) = _provider.Route(target);
            return new TranslatedRequest(carriage.Refused.Count == 0 ? output.WrittenMemory : default, path, query, header, request.UsageInStream, request.Thoughts, carriage.Refused, carriage.Notes);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            // Not UTF-8, not JSON, or lone surrogates, which no writer takes.
            carriage.Refuse("", "the body can't be read as JSON");
            return new TranslatedRequest(default, "", null, null, false, false, carriage.Refused, carriage.Notes);
        }
    }

    /// <summary>The provider's answer of status 200 in the client's dialect.</summary>
    /// <returns>Null where it can't be read as one, or is an error in spite of its status; <see cref="Error"/> makes an answer of it.</returns>
    public TranslatedAnswer? Answer(ReadOnlyMemory<byte> body, in AnswerWishes wishes)
    {
        var carriage = new Carriage();
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                return null;
            var answer = _provider.ReadAnswer(document.RootElement, wishes.Quirks, carriage);
            var output = new ArrayBufferWriter<byte>(body.Length + 256);
            using (var json = Wires.Writer(output))
                _client.WriteAnswer(answer, json, wishes);
            return new TranslatedAnswer(output.WrittenMemory, carriage.Notes);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>What the provider said with an error status, as the client's SDK understands it; with status 200, an error that came as an answer: 502 where it says no other.</summary>
    public (int Status, ReadOnlyMemory<byte> Body) Error(int status, ReadOnlySpan<byte> body)
    {
        var output = new ArrayBufferWriter<byte>();
        var error = Errors.Read(status, body);
        return (Errors.Write(error, ClientDialect, output), output.WrittenMemory);
    }

    /// <summary>A translation of one stream of server-sent events.</summary>
    public StreamTranslation Stream(in AnswerWishes wishes) => new(_provider, _client.WriteStream(wishes), wishes.Quirks);
}

/// <summary>Whom a request is translated for.</summary>
/// <param name="Model">The model's name at the provider.</param>
/// <param name="Provider">The provider's name: OpenAI's own chat names the limit of output otherwise than those who copy it.</param>
/// <param name="Stream">The client asks for a stream, in its body or (Gemini) by its path.</param>
/// <param name="DefaultMaxTokens">The output limit for a client that sets none, tokens: Anthropic's messages need one. Null where none is known.</param>
/// <param name="AskUsage">The provider's chat tells usage in a stream only on demand, and takes <c>stream_options</c>.</param>
public readonly record struct TranslationTarget(string Model, string Provider, bool Stream, long? DefaultMaxTokens, bool AskUsage = true);

/// <summary>What an answer is to look like, beyond what the provider says.</summary>
/// <param name="Model">The model's name that the answer tells; null: the one that the provider tells.</param>
/// <param name="At">When it is answered; OpenAI's dialects say so in their answers.</param>
/// <param name="UsageInStream">The client asked for usage in its stream (<see cref="TranslatedRequest.UsageInStream"/>).</param>
/// <param name="Thoughts">The client asked for thoughts (<see cref="TranslatedRequest.Thoughts"/>).</param>
/// <param name="JsonArray">A client of Gemini's dialect asked for its stream without <c>alt=sse</c>: one JSON array.</param>
/// <param name="Quirks">What the provider counts otherwise, from its data: usage is read as the meter reads it.</param>
public readonly record struct AnswerWishes(string? Model, DateTimeOffset At, bool UsageInStream = true, bool Thoughts = false, bool JsonArray = false, ProviderQuirks Quirks = ProviderQuirks.None);

/// <summary>A request in the provider's dialect, or why it can't be one.</summary>
/// <param name="Body">JSON; empty where something is refused.</param>
/// <param name="Path">What stands after the version prefix: <c>models/gemini-3-flash:generateContent</c>.</param>
/// <param name="Query">Without the question mark; null for none.</param>
/// <param name="Header">One that the provider's dialect needs: <c>anthropic-version: 2023-06-01</c>, since later ones take no temperature. What the client sent of its own dialect's headers doesn't belong to this request.</param>
/// <param name="UsageInStream">The client wants usage told in its stream.</param>
/// <param name="Thoughts">A client of Gemini's dialect wants to see what the model thinks.</param>
/// <param name="Refused">What can't be carried; the call must not be made where there is any.</param>
/// <param name="Notes">Hints that are left out.</param>
public sealed record TranslatedRequest(ReadOnlyMemory<byte> Body, string Path, string? Query, KeyValuePair<string, string>? Header, bool UsageInStream, bool Thoughts, IReadOnlyList<NotCarried> Refused, IReadOnlyList<NotCarried> Notes)
{
    public bool IsRefused => Refused.Count > 0;

    /// <summary>All refusals in one sentence for the client: <c>logprobs: the other dialects have no such figures; n: …</c>.</summary>
    public string Refusal => string.Join("; ", Refused);
}

/// <param name="Body">JSON in the client's dialect.</param>
/// <param name="Notes">What of the answer the client's dialect can't say.</param>
public sealed record TranslatedAnswer(ReadOnlyMemory<byte> Body, IReadOnlyList<NotCarried> Notes);
