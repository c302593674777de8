using Tokonomics.Domain.Ledger;

namespace Tokonomics.Application.Ledger;

/// <summary>
/// Counts calls that the proxy refused. They have no row in the ledger, since nothing was sent; what is kept of them is how many there were of each code and
/// key in each hour. Counting is a few nanoseconds in memory; the counts reach the store every few seconds and when the host stops.
/// </summary>
public interface IRefusalCounter
{
    /// <param name="code">Ours, stable, as in <c>x-tokonomics-error</c>.</param>
    void Count(string tenantId, KeyEnvironment environment, string keyId, string code);
}

/// <summary>How many calls of one key were refused with one code in one hour, as one run of a proxy counted them.</summary>
/// <param name="Hour">Its beginning.</param>
public readonly record struct RefusalCount(string TenantId, KeyEnvironment Environment, DateTimeOffset Hour, string Code, string KeyId, long Calls);

/// <summary>The store of refusals.</summary>
public interface IRefusals
{
    /// <summary>Writes a run's counts as they stand: each takes the place of the one that the run wrote before, so that writing them again changes nothing.</summary>
    Task WriteAsync(string run, IReadOnlyList<RefusalCount> counts, CancellationToken cancellationToken);

    /// <summary>The refusals of a tenant by hour, code and key, over all runs, in the order of time. Whole hours: one that the range begins or ends in is left out or in by its beginning.</summary>
    Task<IReadOnlyList<RefusalCount>> ListAsync(string tenantId, KeyEnvironment environment, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken);
}
