namespace Tokonomics.Application.Jobs;

/// <summary>How an attempt to begin a run ended.</summary>
/// <param name="RunId">The run that began; null where none did.</param>
/// <param name="IsBusy">Another run of the job is under way, or its worker has not been silent for long enough.</param>
public sealed record JobStart(string? RunId, bool IsBusy)
{
    public static readonly JobStart Busy = new(null, true);

    /// <summary>It ran not long ago: whoever had it due has a clock that is ahead.</summary>
    public static readonly JobStart NotDue = new(null, false);
}

/// <summary>
/// The record of runs, and what keeps two workers from one job: of each job one run at a time, by the store's clock alone. A run whose worker has said nothing for
/// <see cref="Silence"/> is lost, and another may begin.
/// </summary>
public interface IJobRuns
{
    /// <summary>How often a worker says that it lives.</summary>
    static readonly TimeSpan SayEvery = TimeSpan.FromSeconds(5);

    /// <summary>After how long a worker that says nothing is taken for dead. Short of it, it stops by itself.</summary>
    static readonly TimeSpan Silence = TimeSpan.FromSeconds(20);

    /// <summary>Notes when jobs are due.</summary>
    Task PlanAsync(IReadOnlyList<(string Job, DateTimeOffset? At)> due, CancellationToken cancellationToken);

    /// <summary>Begins a run if none is under way.</summary>
    /// <param name="notWithin">Where a run by the schedule that ended well was started less than this ago, none begins. Null: whenever that was.</param>
    Task<JobStart> StartAsync(string job, string worker, JobCause cause, TimeSpan? notWithin, CancellationToken cancellationToken);

    /// <summary>Says that the run's worker lives.</summary>
    /// <returns>False where the run is not under way any more: it was taken for lost.</returns>
    Task<bool> SayAsync(string runId, CancellationToken cancellationToken);

    /// <summary>Notes how a run ended, and forgets the oldest of the job.</summary>
    /// <param name="requestId">The request that it answers.</param>
    Task EndAsync(string runId, JobOutcome outcome, string? did, string? failure, string? requestId, CancellationToken cancellationToken);

    /// <summary>Notes which runs are lost.</summary>
    /// <returns>The jobs that somebody wants run now, with the request's id.</returns>
    Task<IReadOnlyList<(string Job, string RequestId)>> LookAsync(CancellationToken cancellationToken);

    /// <summary>Leaves a job to a worker of another version, if nobody has asked for it already.</summary>
    Task LeaveAsync(string job, string by, CancellationToken cancellationToken);

    /// <summary>When each job last ended well; of one whose last good run is forgotten, since when it fails. What never ran is left out.</summary>
    Task<IReadOnlyDictionary<string, DateTimeOffset>> LastEndedWellAsync(CancellationToken cancellationToken);

    /// <summary>Every job of the plan, with its last runs.</summary>
    Task<IReadOnlyList<JobLine>> LinesAsync(CancellationToken cancellationToken);
}
