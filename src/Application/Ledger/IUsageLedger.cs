using Tokonomics.Domain.Ledger;

namespace Tokonomics.Application.Ledger;

/// <summary>The store of usage events and of their hourly rollups.</summary>
public interface IUsageLedger
{
    /// <summary>
    /// Appends events and adds them to their rollups, all in one transaction. An event whose request id and attempt already stand there is
    /// left out, rollups included, so that a repeated batch changes nothing.
    /// </summary>
    /// <returns>How many were new.</returns>
    Task<int> AppendAsync(IReadOnlyList<UsageEvent> events, CancellationToken cancellationToken);
}

/// <summary>Where the hot path leaves an event: a queue in memory, written to the <see cref="IUsageLedger"/> in batches behind it.</summary>
public interface IUsageRecorder
{
    /// <summary>False when the queue is so long that nothing more should be admitted: the store is away or too slow.</summary>
    bool Accepting { get; }

    /// <summary>Takes an event. Never blocks and never loses it while the process lives.</summary>
    void Record(UsageEvent usage);
}
