namespace Tokonomics.Application.Jobs;

/// <summary>How a run ended.</summary>
public enum JobOutcome
{
    /// <summary>It did what there was to do.</summary>
    Done,

    /// <summary>It did, and found what somebody should look at.</summary>
    Attention,

    Failed,

    /// <summary>Nothing was heard of its worker any more. Another run takes up what it left.</summary>
    Lost,

    /// <summary>Its worker was told to stop; another run takes up what it left.</summary>
    Stopped,
}

/// <summary>Why a run was started.</summary>
public enum JobCause
{
    Schedule,

    /// <summary>The worker of the run before died or stopped.</summary>
    Recovery,

    /// <summary>Somebody asked for it.</summary>
    Request,
}

/// <param name="EndedAt">Null while it runs.</param>
/// <param name="Outcome">Null while it runs.</param>
/// <param name="Did">What it did, in words.</param>
/// <param name="Failure">Why it failed, in one short line.</param>
public sealed record JobRun(string Id, string Worker, JobCause Cause, DateTimeOffset StartedAt, DateTimeOffset? EndedAt, JobOutcome? Outcome, string? Did, string? Failure);

/// <summary>A job as it stands.</summary>
/// <param name="NextAt">When it is due; null before a worker has planned it.</param>
/// <param name="IsLate">It was due a while ago and nobody runs it: no worker does.</param>
/// <param name="FailingSince">When the first of the failed runs since the last that did not fail was started; null where the last run did not.</param>
/// <param name="AttentionSince">The same of runs that found something to look at.</param>
/// <param name="AskedAt">When somebody asked for a run that has not ended yet.</param>
/// <param name="Runs">The newest first, one that runs included.</param>
public sealed record JobLine(JobPlan Plan, DateTimeOffset? NextAt, bool IsLate, DateTimeOffset? FailingSince, DateTimeOffset? AttentionSince, DateTimeOffset? AskedAt, IReadOnlyList<JobRun> Runs)
{
    public JobRun? Running => Runs.Count > 0 && Runs[0].Outcome is null ? Runs[0] : null;

    /// <summary>The last that has ended.</summary>
    public JobRun? Last => Runs.FirstOrDefault(r => r.Outcome is not null);
}
