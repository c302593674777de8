using Tokonomics.Application.Providers;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Dialects;

/// <summary>
/// A wire format and how usage is read out of it. There are few and each is code; an OpenAI-compatible provider is a row of data.
/// </summary>
public abstract class Dialect
{
    /// <summary>The name that the ledger and the providers' data use: <c>openai-chat</c>.</summary>
    public abstract string Name { get; }

    /// <summary>The shape of an error in this dialect, which its SDKs turn into their own exceptions.</summary>
    public abstract ErrorShape Errors { get; }

    /// <summary>Reads what the proxy needs of a request. Never throws: a request that can't be read says so in <see cref="RequestPeek.Problem"/>.</summary>
    /// <param name="request">What is known besides the body.</param>
    /// <param name="body">The whole body, decoded.</param>
    public abstract RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body);

    /// <summary>The field that sets the output limit of a request which has none; null where the dialect knows no such limit.</summary>
    /// <param name="provider">The provider's name: OpenAI's own chat takes another field than those who copy it.</param>
    public virtual LimitField? OutputLimit(string provider) => null;

    /// <summary>A reader for one answer to that request.</summary>
    public abstract ResponseReader Read(in RequestFacts request, RequestPeek peek, in ResponseFacts response);
}

/// <summary>What a dialect may know of a request besides its body.</summary>
/// <param name="PathModel">The model (Azure: the deployment) where the path names it.</param>
/// <param name="ContentType">As sent, null where absent.</param>
/// <param name="PathStreams">The path or query itself asks for a stream (Gemini's <c>:streamGenerateContent</c>).</param>
/// <param name="Quirks">What the provider does differently, from its data.</param>
/// <param name="InjectUsage">The provider reports usage in a stream only on demand and accepts <c>stream_options</c>.</param>
public readonly record struct RequestFacts(string? PathModel, string? ContentType, bool PathStreams, ProviderQuirks Quirks, bool InjectUsage)
{
    /// <summary>Of a request whose route is known, and perhaps its provider.</summary>
    public static RequestFacts Of(RouteMatch match, Provider? provider, string? contentType) =>
        new(match.PathModel, contentType, match.PathStreams, provider?.Quirks ?? ProviderQuirks.None, provider?.StreamUsageOnDemand ?? false);
}

/// <summary>What a dialect may know of an answer before its body.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="ContentType">As sent, null where absent.</param>
public readonly record struct ResponseFacts(int Status, string? ContentType);

/// <summary>A replacement of some bytes of the request's body by others; everything around them stays as it was.</summary>
/// <param name="Offset">Where, from the body's start.</param>
/// <param name="Length">How many bytes are taken out; 0 for a pure insertion.</param>
/// <param name="Replacement">What takes their place.</param>
public readonly record struct Splice(int Offset, int Length, ReadOnlyMemory<byte> Replacement);

/// <summary>What the proxy needs to know of a request before it forwards it.</summary>
public sealed record RequestPeek
{
    /// <summary>Of a call whose body was not read.</summary>
    public static readonly RequestPeek None = new();

    /// <summary>Null when all is well; otherwise a sentence that says what is wrong and how to mend it, for a 400.</summary>
    public string? Problem { get; init; }

    public string? Model { get; init; }

    /// <summary>Where the body names the model, quotes included, so that an alias can be spliced in; length 0 where it doesn't.</summary>
    public (int Offset, int Length) ModelAt { get; init; }

    public bool Stream { get; init; }

    /// <summary>The splice that makes the provider report usage in its stream; the extra chunk is then swallowed. Null where none is due.</summary>
    public Splice? UsageSplice { get; init; }

    /// <summary>The output limit that the request sets, tokens for each choice; null where it sets none.</summary>
    public long? MaxOutputTokens { get; init; }

    /// <summary>How many answers are asked for (<c>n</c>, <c>candidateCount</c>); at least 1.</summary>
    public int Choices { get; init; }

    /// <summary>Bytes of the prompt's text.</summary>
    public long PromptBytes { get; init; }

    /// <summary>Messages that the prompt is made of, as far as they say their role.</summary>
    public int Messages { get; init; }

    /// <summary>Bytes and values of the tools' declarations that are not text: names of fields, numbers.</summary>
    public long ToolBytes { get; init; }

    /// <summary>The prompt's likely tokens, where the provider hasn't told them: four bytes of text each, and what a chat's template puts around each message and before the answer.</summary>
    public long PromptTokens => ((PromptBytes + ToolBytes + 3) / 4) + (Messages > 0 ? (Messages * TokensPerMessage) + TokensBeforeAnswer : 0);

    // OpenAI's cookbook, "How to count tokens": 3 for each message, of which its role is one more, and 3 that begin the answer. Recorded calls agree: see
    // docs/reliability.md.
    private const int TokensPerMessage = 4;
    private const int TokensBeforeAnswer = 3;

    /// <summary>Units that the request itself fixes: characters to speak, images to make. Used where the answer reports none.</summary>
    public TokenUsage Units { get; init; }

    /// <summary>What the price depends on and the request says (<c>service_tier=flex</c>, <c>image=1024x1024/hd</c>), as in the ledger.</summary>
    public string PricingHints { get; init; } = "";

    /// <summary>How large the request is and what it allows, for the bound of its cost. Null where the body could not be read as a request.</summary>
    public RequestExtent? Extent { get; init; }
}

/// <summary>The field that limits an answer's output.</summary>
/// <param name="Holder">The object that it is in; null where that is the body itself.</param>
/// <param name="Name">Its name.</param>
public readonly record struct LimitField(string? Holder, string Name);

/// <summary>What one answer used, said once, at its end.</summary>
public readonly record struct MeteredResponse
{
    public TokenUsage Usage { get; init; }

    public UsageSource Source { get; init; }

    public string? Model { get; init; }

    public string? FinishReason { get; init; }

    public NanoUsd? ProviderCost { get; init; }

    /// <summary>Request's and answer's together; the answer wins.</summary>
    public string PricingHints { get; init; }

    /// <summary>The provider charges nothing for this answer although usage stands in it: a poll of an earlier one, a queued job.</summary>
    public bool NotBillable { get; init; }

    /// <summary>
    /// What other models used inside this answer, besides <see cref="Usage"/> (Anthropic's advisor tool); to be priced as those models. Null where none did.
    /// </summary>
    public IReadOnlyList<ModelUsage>? OtherModels { get; init; }
}

/// <summary>
/// Reads usage beside the relay, byte by byte as they come, in bounded memory. It can't hurt the client: it never throws, and on anything
/// unexpected it goes on with what it has.
/// </summary>
public abstract class ResponseReader
{
    /// <summary>The next bytes of the body, decompressed, cut anywhere.</summary>
    public abstract void Feed(ReadOnlySpan<byte> bytes);

    /// <summary>The result. Called once, after the last <see cref="Feed"/>.</summary>
    /// <param name="whole">The answer was read to its end; false makes the result partial or estimated.</param>
    public abstract MeteredResponse Finish(bool whole);

    /// <summary>The answer tells of an error, or an event of it isn't what its dialect has there, whatever its status says.</summary>
    public virtual bool Flawed => false;

    /// <summary>An estimate of the output tokens passed so far, from their text, for a relay that must stop a provider which ignores its limit.</summary>
    public virtual long EstimatedOutputTokens => 0;

    /// <summary>What estimates are corrected by; set before the answer is read, where anything is known.</summary>
    public virtual Correction Correction { get; set; } = Correction.None;

    /// <summary>What has passed so far, as tokens by its bytes alone.</summary>
    public virtual PassedTokens Passed => default;

    /// <summary>The usage as it would be told if the answer broke off here. Changes nothing.</summary>
    public virtual TokenUsage UsageSoFar => default;

    /// <summary>
    /// The most output tokens that what has passed so far can stand for, hidden reasoning left out: a token of text is at least one byte, and
    /// every event may hide one that has no text. For a hold that is extended while a stream runs.
    /// </summary>
    public virtual long OutputTokensAtMost => 0;
}

/// <summary>The error formats that SDKs know.</summary>
public enum ErrorShape
{
    OpenAi,
    Anthropic,
    Gemini,
    Cohere,
    Ollama,
}

/// <summary>What providers do differently inside a dialect. Each is proven by a recorded or constructed exchange.</summary>
[Flags]
public enum ProviderQuirks
{
    None = 0,

    /// <summary>Chat: <c>completion_tokens</c> leaves reasoning out (xAI).</summary>
    ReasoningOutsideCompletion = 1,

    /// <summary>Chat: <c>prompt_tokens</c> leaves audio out (Mistral).</summary>
    AudioOutsidePrompt = 2,

    /// <summary>Chat: hidden thinking shows only in <c>total_tokens</c> (Gemini's OpenAI-compatible endpoint).</summary>
    ThinkingOnlyInTotal = 4,

    /// <summary>Chat: Google models' reasoning is in neither completion nor total (Vercel AI Gateway).</summary>
    GoogleReasoningOutsideTotal = 8,
}
