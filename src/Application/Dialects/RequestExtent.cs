namespace Tokonomics.Application.Dialects;

/// <summary>Tools that the provider runs by itself, inside the call. The client's own tools are none of these.</summary>
[Flags]
public enum ServerTools : ushort
{
    None = 0,
    WebSearch = 1,
    WebFetch = 2,
    CodeExecution = 4,
    FileSearch = 8,
    Mcp = 16,
    ToolSearch = 32,
    ImageGeneration = 64,
    Advisor = 128,
    Maps = 256,

    /// <summary>A kind that isn't known here: it may do and cost anything.</summary>
    Other = 512,
}

/// <summary>Parts of a request that make others of its figures worthless as a bound.</summary>
[Flags]
public enum BeyondBody : ushort
{
    None = 0,

    /// <summary>Some input is at the provider: an earlier answer, a conversation, a cached prefix, an uploaded file.</summary>
    Input = 1,

    /// <summary>The provider keeps a prompt or an agent that says what is asked, and with which tools.</summary>
    StoredRequest = 2,

    /// <summary>Other models may answer in place of the one that is named, or plug-ins work on the request.</summary>
    OtherModels = 4,

    /// <summary>The context may be summed up within the call.</summary>
    Compaction = 8,

    /// <summary>The model works on the request several times over (<c>reasoning.mode: pro</c>) and bills each time.</summary>
    ManyRuns = 16,

    /// <summary>The call is only begun here: it runs on, and its usage is told, outside of this exchange (<c>background: true</c>).</summary>
    Background = 32,
}

/// <summary>
/// How large a request is and what it allows, as far as bounds are concerned: see <see cref="RequestPeek.Extent"/>. Counted so that it is
/// never too little: what is not understood counts as text, byte by byte.
/// </summary>
public sealed class RequestExtent
{
    /// <summary>Bytes of the body without what is surely no text: the base64 of media. A token of a byte-level vocabulary covers at least one byte.</summary>
    public long TextBytes { get; internal set; }

    /// <summary>JSON values inside tool schemas. Some templates print schemas anew with line breaks and indents, a token or two for each.</summary>
    public long ToolValues { get; internal set; }

    public int Images { get; internal set; }

    /// <summary>Audio, video, documents, files by reference or link: nothing in the request says how many tokens they are.</summary>
    public int OtherMedia { get; internal set; }

    public BeyondBody Beyond { get; internal set; }

    /// <summary>Tools that the client runs.</summary>
    public int ClientTools { get; internal set; }

    /// <summary>Of these the ones that the provider has defined, with instructions of its own (Anthropic's computer, shell, editor, memory).</summary>
    public int ProvidersOwnTools { get; internal set; }

    public ServerTools ServerTools { get; internal set; }

    /// <summary>The sum of the tools' own limits (<c>max_uses</c>).</summary>
    public long ToolUses { get; internal set; }

    /// <summary>Tools without such a limit.</summary>
    public ServerTools Unlimited { get; internal set; }

    /// <summary>A limit to all server tools together (<c>max_tool_calls</c>); null where none is set.</summary>
    public long? MaxToolCalls { get; internal set; }

    /// <summary>Bytes of a predicted output: what the model rejects of it is billed as output.</summary>
    public long PredictionBytes { get; internal set; }

    /// <summary>A lifetime for the prompt cache is said; that it isn't an hour isn't checked.</summary>
    public bool CacheLifetimeSaid { get; internal set; }

    /// <summary>A service tier is said, and not <c>auto</c>.</summary>
    public bool TierSettled { get; internal set; }

    public bool GeoSettled { get; internal set; }

    public bool SearchContextSettled { get; internal set; }

    /// <summary>Size and quality of images are said, neither of them <c>auto</c>.</summary>
    public bool ImageSettled { get; internal set; }

    /// <summary>Documents to be ranked.</summary>
    public int Documents { get; internal set; }

    /// <summary>Bytes of the query that they are ranked by.</summary>
    public long QueryBytes { get; internal set; }

    /// <summary>A limit for thinking: inside the output limit (Anthropic) or beside it, as the dialect has it.</summary>
    public long? ThinkingBudget { get; internal set; }

    /// <summary>Of an uploaded recording, the longest that its bytes can play, milliseconds; <see cref="long.MaxValue"/> where that can't be told; 0 without one.</summary>
    public long RecordingMilliseconds { get; internal set; }

    // Where the limit stands, for a splice.

    /// <summary>The values of all limits that the body has, <c>null</c> included: offset and length.</summary>
    internal List<(int Offset, int Length)> LimitsAt { get; } = [];

    /// <summary>The body's own brace: offset; -1 where the body is no JSON object.</summary>
    internal int Brace { get; set; } = -1;

    /// <summary>The body's object has no member.</summary>
    internal bool IsEmptyObject { get; set; }

    /// <summary>The object that the limit belongs into (<c>generationConfig</c>, <c>options</c>): offset of its brace, or of the <c>null</c> in its place; 0 where it is absent.</summary>
    internal int HolderAt { get; set; }

    internal bool HolderIsNull { get; set; }

    internal bool HolderIsEmpty { get; set; }

    internal (int Offset, int Length) ThinkingBudgetAt { get; set; }
}
