using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Application.Ledger;

/// <summary>The versions of the prices that ever rated an event.</summary>
public interface IPriceVersions
{
    /// <summary>The book of that version, an overlay with a tenant's own rates included; null where it is not known here.</summary>
    PriceBook? Book(string version);

    /// <summary>Rates events as that version did; null where the version is not known here.</summary>
    Func<UsageEvent, RatedCost>? Find(string version);
}

/// <param name="Event">As the ledger has it.</param>
/// <param name="Rerated">What it would cost; null where its price version is unknown.</param>
public sealed record RerateDifference(UsageEvent Event, RatedCost? Rerated)
{
    public override string ToString() =>
        $"{Event.RequestId}/{Event.Attempt} {Event.TenantId} {Event.At.UtcDateTime:O} {Event.Provider} {Event.ResponseModel ?? Event.RequestModel}: "
        + $"recorded {Event.Cost?.ToString() ?? "no cost"} ({Event.PriceStatus}), "
        + (Rerated is { } rated ? $"rated again {rated.Cost?.ToString() ?? "no cost"} ({rated.Status})" : $"price version {Event.PriceVersion} is unknown");
}

/// <param name="Events">How many were looked at.</param>
/// <param name="DifferenceCount">How many differ; <paramref name="Differences"/> lists the first thousand.</param>
public sealed record RerateReport(long Events, long DifferenceCount, IReadOnlyList<RerateDifference> Differences);

/// <summary>
/// Rates the events of a month again, each with the price version stamped on it. The ledger is immutable: a difference is reported, never
/// written. Free and deferred calls aren't rated by a book and are left out of the comparison.
/// </summary>
public sealed class Rerate(IUsageQueries queries, IPriceVersions versions)
{
    private const int Listed = 1000;

    /// <param name="tenantId">Null for all tenants.</param>
    /// <param name="year">Of the month, UTC.</param>
    /// <param name="month">1 to 12.</param>
    public async Task<RerateReport> RunAsync(string? tenantId, int year, int month, CancellationToken cancellationToken)
    {
        var from = new DateTimeOffset(year, month, 1, 0, 0, 0, TimeSpan.Zero);
        var raters = new Dictionary<string, Func<UsageEvent, RatedCost>?>(StringComparer.Ordinal);
        var differences = new List<RerateDifference>();
        long events = 0, different = 0;
        await foreach (var usage in queries.ReadAsync(tenantId, from, from.AddMonths(1), cancellationToken))
        {
            events++;
            if (usage.PriceStatus is PriceStatus.Free or PriceStatus.Deferred)
                continue;
            if (!raters.TryGetValue(usage.PriceVersion, out var rate))
                raters[usage.PriceVersion] = rate = versions.Find(usage.PriceVersion);
            var rated = rate?.Invoke(usage);
            if (rated is { } again && again.Cost == usage.Cost && again.Status == usage.PriceStatus)
                continue;
            different++;
            if (differences.Count < Listed)
                differences.Add(new RerateDifference(usage, rated));
        }

        return new RerateReport(events, different, differences);
    }
}
