using Tokonomics.Domain.Metering;

namespace Tokonomics.Domain.Budgets;

/// <summary>What a request itself settles of what its price depends on; all else may turn out as the dearest.</summary>
[Flags]
public enum PriceHints : byte
{
    None = 0,
    ServiceTier = 1,
    InferenceGeo = 2,
    Speed = 4,
    SearchContext = 8,
    Image = 16,
}

/// <summary>Why a cost has no bound. The names go to the caller and to the log: see <see cref="UpperBound.Code"/>.</summary>
public enum NoBound : byte
{
    None = 0,

    /// <summary>The model, or something that the call is sure to use, has no price.</summary>
    Unpriced,

    /// <summary>The input is not (all) in the request and no sheet says how long the model's input may be.</summary>
    Input,

    /// <summary>Neither the request nor a sheet limits the output, or the provider is known not to keep the request's limit.</summary>
    Output,

    /// <summary>Tools that the provider runs, as often as the model likes, and charges for.</summary>
    ServerTools,

    /// <summary>Another model than the one that is asked for may answer, or be asked in between.</summary>
    OtherModels,

    /// <summary>The rest of the request is stored at the provider: a prompt, an assistant, an agent.</summary>
    StoredRequest,

    /// <summary>The call may read and sum up its own context as often as it finds need to.</summary>
    Compaction,

    /// <summary>The model works on the request several times over, and bills each time; how often, nobody says.</summary>
    ManyRuns,

    /// <summary>It runs on, and is charged, outside of the exchange that starts it.</summary>
    Background,

    /// <summary>What is billed can't be told from the request: a recording's length, the tokens of an image to be made.</summary>
    Pieces,
}

/// <summary>The most that one call can use, as far as its request tells. What it doesn't tell is null, and the model's own limit takes its place.</summary>
public readonly record struct MostUse
{
    public MostUse()
    {
    }

    /// <summary>Not null: nothing below matters.</summary>
    public NoBound Unbounded { get; init; }

    /// <summary>Input tokens of text, at most. Null: some of the input isn't in the request, so that only the model's window bounds it.</summary>
    public long? InputTokens { get; init; }

    /// <summary>Input tokens of images, besides the text.</summary>
    public long ImageTokens { get; init; }

    /// <summary>How often the model may run within this call: once, and once more after each round of tools that the provider runs. Each
    /// further run may fill the model's window.</summary>
    public int Runs { get; init; } = 1;

    /// <summary>The request's output limit, tokens for each choice (and each run, where the provider counts so); null where it sets none.</summary>
    public long? OutputLimit { get; init; }

    /// <summary>The limit holds for each run, not for the call.</summary>
    public bool LimitIsPerRun { get; init; }

    /// <summary>Output tokens that the limit does not cover, for each choice: a predicted output, a thinking budget beside the limit.</summary>
    public long OutputBesides { get; init; }

    /// <summary>Reasoning is billed beyond the limit, up to whatever the model can put out.</summary>
    public bool ReasonsBeyondLimit { get; init; }

    /// <summary>Nothing but vectors, scores or pieces comes out.</summary>
    public bool NoOutput { get; init; }

    /// <summary>Answers asked for; at least 1.</summary>
    public long Choices { get; init; } = 1;

    /// <summary>The prompt cache may be written with a lifetime of an hour.</summary>
    public bool WritesCacheFor1h { get; init; }

    /// <summary>Fees at their most: searches, code runs. <see cref="long.MaxValue"/>: as often as the model likes.</summary>
    public TokenUsage Fees { get; init; }

    /// <summary>Pieces that are billed instead of tokens, or besides, where the model is priced so: images, characters, milliseconds. <see cref="long.MaxValue"/>: not to be told.</summary>
    public TokenUsage Pieces { get; init; }

    /// <summary>What the request says of its price, in the ledger's form: <c>service_tier=flex</c>.</summary>
    public string Hints { get; init; } = "";

    /// <summary>The hints that can't turn out otherwise than the request says, or leaves unsaid.</summary>
    public PriceHints Settled { get; init; }
}
