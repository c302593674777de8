using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Translation;

/// <summary>A dialect as clients speak it: what they ask is read, what they get is written.</summary>
internal interface IClientWire
{
    NeutralRequest ReadRequest(JsonElement body, bool stream, Carriage carriage);

    void WriteAnswer(NeutralAnswer answer, Utf8JsonWriter json, in AnswerWishes wishes);

    StepWriter WriteStream(in AnswerWishes wishes);
}

/// <summary>A dialect as providers are spoken to.</summary>
internal interface IProviderWire
{
    /// <summary>What the path says after the version prefix, its query, and a header that the dialect needs.</summary>
    (string Path, string? Query, KeyValuePair<string, string>? Header) Route(in TranslationTarget target);

    void WriteRequest(NeutralRequest request, Utf8JsonWriter json, in TranslationTarget target, Carriage carriage);

    NeutralAnswer ReadAnswer(JsonElement body, ProviderQuirks quirks, Carriage carriage);

    StepReader ReadStream(Action<Step> next, ProviderQuirks quirks, Carriage carriage);
}

/// <summary>Turns the events of a provider's stream into steps.</summary>
internal abstract class StepReader(Action<Step> next)
{
    protected Action<Step> Next { get; } = next;

    /// <summary>The data of one event.</summary>
    public abstract void Event(JsonElement data);

    /// <summary>The event <c>[DONE]</c>.</summary>
    public virtual void Done()
    {
    }

    /// <summary>No further byte comes. Where the model has ended, so does the answer; where it hasn't, nothing is made up.</summary>
    public virtual void Closed()
    {
    }
}

/// <summary>Turns steps into the events of a client's stream.</summary>
internal abstract class StepWriter
{
    public abstract void Write(Step step, IBufferWriter<byte> output);
}

/// <summary>Small things that several dialects need.</summary>
internal static class Wires
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Utf8JsonWriter Writer(IBufferWriter<byte> output) => new(output, Options);

    public static string? Text(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    public static long? Whole(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var whole) ? whole : null;

    /// <summary>The object of that name; <c>default</c> (undefined) where there is none.</summary>
    public static JsonElement Object(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object ? value : default;

    public static IEnumerable<JsonElement> Array(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : [];

    /// <summary>A field, where there is something to write.</summary>
    public static void Maybe(Utf8JsonWriter json, string name, Said<decimal>? number)
    {
        if (number is not null)
            json.WriteNumber(name, number.Value);
    }

    /// <summary>The call's arguments as an object: an empty text is an empty object; what is no object is refused.</summary>
    public static void WriteArguments(Utf8JsonWriter json, ToolCallPart call, Carriage carriage)
    {
        if (string.IsNullOrWhiteSpace(call.Arguments))
        {
            json.WriteStartObject();
            json.WriteEndObject();
        }
        else if (IsObject(call.Arguments))
        {
            json.WriteRawValue(call.Arguments);
        }
        else
        {
            json.WriteNullValue();
            carriage.Refuse(call.Path, "the arguments must be a JSON object");
        }
    }

    public static bool IsObject(string text)
    {
        if (!text.AsSpan().TrimStart().StartsWith("{"))
            return false;
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>The turns with neighbours of one speaker made one, and those that say nothing left out.</summary>
    public static List<Turn> Merged(IEnumerable<Turn> turns)
    {
        var merged = new List<Turn>();
        foreach (var turn in turns)
        {
            if (turn.Parts.Count == 0)
                continue;
            if (merged.Count > 0 && merged[^1].Speaker == turn.Speaker && turn.Speaker != Speaker.System)
                merged[^1].Parts.AddRange(turn.Parts);
            else
                merged.Add(turn with { Parts = [.. turn.Parts] });
        }

        return merged;
    }

    /// <summary>An id made of what is known, the same each time: <c>call_3f2a…</c>.</summary>
    public static string Id(string prefix, string of) => prefix + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(of)), 0, 12);

    /// <summary>A call's id as a dialect takes it; one that it wouldn't take is replaced, in the call and in its result alike.</summary>
    public static string CallId(string id, int most)
    {
        if (id.Length is 0 || id.Length > most)
            return Id("call_", id);
        foreach (var c in id)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-'))
                return Id("call_", id);
        return id;
    }

    /// <summary><c>data:image/png;base64,…</c> in its two halves; false for any other address.</summary>
    public static bool TryDataUrl(string url, out string mediaType, out string base64)
    {
        mediaType = base64 = "";
        if (!url.StartsWith("data:", StringComparison.OrdinalIgnoreCase))
            return false;
        var comma = url.IndexOf(',', StringComparison.Ordinal);
        if (comma < 0 || !url.AsSpan(0, comma).EndsWith(";base64", StringComparison.OrdinalIgnoreCase))
            return false;
        mediaType = url[5..(comma - ";base64".Length)];
        var parameters = mediaType.IndexOf(';', StringComparison.Ordinal);
        if (parameters >= 0)
            mediaType = mediaType[..parameters];
        base64 = url[(comma + 1)..];
        return mediaType.Length > 0;
    }

    public static Said<string>? Effort(Said<string>? said, Carriage carriage)
    {
        if (said is null || said.Value is "low" or "medium" or "high")
            return said;
        carriage.Refuse(said.Path, $"only low, medium and high mean the same elsewhere, not {said.Value}");
        return null;
    }

    /// <summary>A call's arguments in an answer, where they must be an object. A model that was cut off leaves half of one: it is handed on as text in the field that Anthropic's documentation names for it.</summary>
    public static void WriteAnswerArguments(Utf8JsonWriter json, string arguments)
    {
        if (IsObject(arguments))
        {
            json.WriteRawValue(arguments);
            return;
        }

        json.WriteStartObject();
        if (!string.IsNullOrWhiteSpace(arguments))
            json.WriteString("INVALID_JSON", arguments);
        json.WriteEndObject();
    }

    /// <summary>Text of an answer's or a turn's text parts, joined.</summary>
    public static string Joined(IEnumerable<Part> parts)
    {
        var text = new StringBuilder();
        foreach (var part in parts)
            if (part is TextPart said)
                text.Append(said.Text);
        return text.ToString();
    }
}
