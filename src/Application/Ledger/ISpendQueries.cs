using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Ledger;

/// <summary>What screens ask about spend besides sums. Every question names its tenant.</summary>
public interface ISpendQueries
{
    /// <summary>The names of a tenant's keys, projects and teams, and where its days begin.</summary>
    Task<SpendNames> NamesAsync(string tenantId, CancellationToken cancellationToken);

    /// <summary>The most expensive calls of a range, the dearest first. Of equal ones the newest.</summary>
    /// <param name="question">Range and filters; what it groups by is not looked at.</param>
    /// <param name="count">1 to 100.</param>
    Task<IReadOnlyList<UsageEvent>> TopCallsAsync(SummaryQuestion question, int count, CancellationToken cancellationToken);

    /// <summary>What caching saved in the whole hours that begin in the range. Null where the question filters by a tag, by which savings aren't kept.</summary>
    Task<CacheSavings?> CacheSavingsAsync(SummaryQuestion question, CancellationToken cancellationToken);

    /// <summary>The repeats that were answered from the cache, in the whole hours that begin in the range. Null where the question filters by a tag, by which they aren't summed.</summary>
    Task<RepeatSavings?> RepeatSavingsAsync(SummaryQuestion question, CancellationToken cancellationToken);

    /// <summary>When the first call of an environment was made; null where there was none. By its hour.</summary>
    Task<DateTimeOffset?> FirstHourAsync(string tenantId, KeyEnvironment environment, CancellationToken cancellationToken);
}

/// <param name="Saved">What cache reads would have cost more as plain input.</param>
/// <param name="Extra">What cache writes cost more than plain input.</param>
public sealed record CacheSavings(NanoUsd Saved, NanoUsd Extra)
{
    public NanoUsd Net => Saved - Extra;
}

/// <param name="Repeats">How many calls.</param>
/// <param name="Saved">What the calls had cost whose answers they got.</param>
public sealed record RepeatSavings(long Repeats, NanoUsd Saved);

/// <param name="Tenant">Its own name.</param>
/// <param name="ById">Of keys, projects and teams, ended ones too.</param>
public sealed record SpendNames(string Tenant, TimeZoneInfo Zone, IReadOnlyDictionary<string, string> ById)
{
    /// <summary>The name where there is one; otherwise the id as it is.</summary>
    public string Of(string id) => ById.TryGetValue(id, out var name) ? name : id;
}
