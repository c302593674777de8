namespace Tokonomics.Application.Translation;

/// <summary>Why an answer ended.</summary>
internal enum Finish
{
    Stop,
    StopSequence,
    Length,
    ToolCalls,
    Filtered,

    /// <summary>For a reason of the provider's own: it ended, that is all that can be said elsewhere.</summary>
    Other,
}

/// <summary>What the provider counted; null where it didn't say.</summary>
/// <param name="Input">All input, cache reads and writes included.</param>
/// <param name="Output">All output, reasoning included.</param>
internal sealed record NeutralUsage(long? Input, long? CacheRead, long? CacheWrite, long? Output, long? Reasoning)
{
    public long Total => (Input ?? 0) + (Output ?? 0);
}

/// <summary>An answer in no dialect.</summary>
internal sealed record NeutralAnswer
{
    public string? Id { get; set; }

    public string? Model { get; set; }

    public List<Part> Parts { get; } = [];

    public Finish Finish { get; set; } = Finish.Other;

    /// <summary>The sequence that ended it, where the provider says which.</summary>
    public string? StopSequence { get; set; }

    public NeutralUsage? Usage { get; set; }
}

/// <summary>What a provider says instead of an answer.</summary>
/// <param name="Status">The HTTP status; 200 is never one.</param>
/// <param name="Code">The provider's word for it: <c>context_length_exceeded</c>, <c>overloaded_error</c>.</param>
internal sealed record NeutralError(int Status, string Code, string Message, string? RequestId);

/// <summary>One step of an answer that comes piece by piece.</summary>
internal abstract record Step
{
    /// <summary>The first of a stream.</summary>
    public sealed record Start(string? Id, string? Model) : Step;

    public sealed record Text(string Piece) : Step;

    public sealed record Thinking(string Piece) : Step;

    /// <param name="Call">0, 1, 2 … in the order in which they begin.</param>
    public sealed record CallStart(int Call, string Id, string Name) : Step;

    public sealed record Arguments(int Call, string Piece) : Step;

    /// <summary>The model has ended. Usage may still follow.</summary>
    public sealed record Finished(Finish Finish, string? StopSequence) : Step;

    /// <summary>What has been counted so far; a later one takes its place.</summary>
    public sealed record Counted(NeutralUsage Usage) : Step;

    public sealed record Failed(NeutralError Error) : Step;

    /// <summary>The provider said that nothing follows.</summary>
    public sealed record End : Step;
}
