namespace Tokonomics.Domain.Metering;

/// <summary>
/// What a provider can bill. The units are disjoint: a cached audio token is counted in <see cref="CacheReadAudio"/> and nowhere else,
/// so that totals are sums and a cost is a sum of products.
/// </summary>
/// <remarks>The numbers are never reused and never renumbered: the ledger stores the names, the journal stores the numbers.</remarks>
public enum UsageUnit : byte
{
    /// <summary>Input tokens that are neither cached nor of a modality that is counted apart.</summary>
    Input = 0,
    InputAudio = 1,
    InputImage = 2,
    InputVideo = 3,

    /// <summary>Input tokens read from a prompt cache.</summary>
    CacheRead = 4,
    CacheReadAudio = 5,
    CacheReadImage = 6,

    /// <summary>Input tokens written to a prompt cache with the provider's default lifetime (Anthropic: five minutes).</summary>
    CacheWrite = 7,

    /// <summary>Input tokens written to a prompt cache that lives for an hour.</summary>
    CacheWrite1h = 8,

    /// <summary>Output tokens that are neither reasoning nor of a modality that is counted apart.</summary>
    Output = 9,

    /// <summary>Output tokens of the model's hidden or shown reasoning.</summary>
    Reasoning = 10,
    OutputAudio = 11,
    OutputImage = 12,
    OutputVideo = 13,

    /// <summary>Output tokens of citations, where a provider bills them apart (Perplexity).</summary>
    Citation = 14,

    /// <summary>Calls of a provider's web-search tool.</summary>
    WebSearch = 15,

    /// <summary>Calls of a provider's file-search tool.</summary>
    FileSearch = 16,

    /// <summary>Runs (OpenAI: containers) of a provider's code tool.</summary>
    CodeExecution = 17,

    /// <summary>Prompts grounded on a search engine (Gemini).</summary>
    GroundedPrompt = 18,

    /// <summary>Rerank searches.</summary>
    SearchUnit = 19,

    /// <summary>Images made, where they are billed by the piece.</summary>
    Image = 20,

    /// <summary>Milliseconds of audio heard. Rates are per hour; the count is in milliseconds so that it is whole.</summary>
    AudioMilliseconds = 21,

    /// <summary>Characters of text to speak.</summary>
    Character = 22,

    /// <summary>Pages of documents read.</summary>
    Page = 23,

    /// <summary>The call itself, where a provider bills a fee per request.</summary>
    Request = 24,
}
