using System.Collections.Concurrent;
using Tokonomics.Application.Ledger;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>One group of one bucket.</summary>
/// <param name="Bucket">Where it begins.</param>
/// <param name="Values">The dimensions' values, each after a unit separator.</param>
internal readonly record struct GroupKey(long Bucket, string Values, string? TagValue);

/// <summary>
/// The sums of days and months that are over, as they were last read: dashboards ask for the same ones again and again, and only today's change. A sum holds
/// for as long as no event came late to its tenant, which <c>usage_late</c> tells within the reader's own snapshot. A story: an event of ten hours ago is
/// appended and the tenant's number in <c>usage_late</c> grows in the same transaction; whoever sees the one sees the other, and reads anew.
/// </summary>
internal sealed class ClosedSums
{
    // An hour more than what counts as late when it is appended, for clocks that differ and transactions that take their time.
    public static readonly TimeSpan ClosedAfter = Rollups.Late + TimeSpan.FromHours(1);

    // About 60 MB. A tenant of a hundred keys on five models, by all dimensions at once, takes 45,000 for three months.
    private const int MostGroups = 200_000;

    private readonly ConcurrentDictionary<(string Shape, long Low, long High), (long Late, KeyValuePair<GroupKey, long[]>[] Groups)> _buckets = new();
    private int _groups;

    /// <summary>What a question asks besides its time; null where its buckets aren't kept.</summary>
    public static string? ShapeOf(SummaryQuestion q) => q.Grain is not (TimeGrain.Day or TimeGrain.Month) ? null
        : string.Join('\u001f', q.TenantId, q.Environment, string.Join(',', q.GroupBy), q.GroupByTag, q.WithDurations, q.Provider, q.Model, q.KeyId, q.ProjectId, q.TeamId, q.Tag?.Name, q.Tag?.Value);

    /// <param name="late">The tenant's number in <c>usage_late</c>.</param>
    public KeyValuePair<GroupKey, long[]>[]? Find(string shape, (long Low, long High) bucket, long late) =>
        _buckets.TryGetValue((shape, bucket.Low, bucket.High), out var known) && known.Late == late ? known.Groups : null;

    public void Keep(string shape, (long Low, long High) bucket, long late, KeyValuePair<GroupKey, long[]>[] groups)
    {
        // Full is rare, and starting over costs one reading.
        if (Interlocked.Add(ref _groups, groups.Length + 1) > MostGroups)
        {
            _buckets.Clear();
            Interlocked.Exchange(ref _groups, groups.Length + 1);
        }

        _buckets[(shape, bucket.Low, bucket.High)] = (late, groups);
    }
}
