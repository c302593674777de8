using System.Globalization;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>How keys were used: sums from the rollups, tags from a key's newest events.</summary>
public sealed class KeyUsage(ISqlStore store) : IKeyUsage
{
    private const int EventsRead = 1000;
    private const int FirstValues = 3;

    public Task<IReadOnlyDictionary<string, KeyUse>> SumAsync(string tenantId, IReadOnlyCollection<string> keyIds, DateTimeOffset since, CancellationToken cancellationToken) =>
        Task.Run<IReadOnlyDictionary<string, KeyUse>>(() => Sum(tenantId, keyIds, since), cancellationToken);

    private Dictionary<string, KeyUse> Sum(string tenantId, IReadOnlyCollection<string> keyIds, DateTimeOffset since)
    {
        if (keyIds.Count == 0)
            return [];
        using var connection = store.Open();
        using var command = connection.Command(null, "", ("@tenant", tenantId), ("@since", UsageRow.Micros(since)));
        var names = keyIds.Select((id, i) => command.Add("@k" + i.ToString(CultureInfo.InvariantCulture), id).ParameterName).ToList();
        command.CommandText = $"""
            SELECT key_id, CAST(sum(calls) AS bigint), CAST(sum(cost_nano) AS bigint), max(hour) FROM usage_hourly
            WHERE tenant_id = @tenant AND environment IN (0, 1) AND hour >= @since - @since % {Measures.Hour} AND key_id IN ({string.Join(", ", names)}) GROUP BY key_id
            """;
        return command.Rows(row => (row.GetString(0), new KeyUse(row.GetInt64(1), new NanoUsd(row.GetInt64(2)), UsageRow.Time(row.GetInt64(3)), []))).ToDictionary(r => r.Item1, r => r.Item2, StringComparer.Ordinal);
    }

    public Task<KeyUse> OfAsync(string tenantId, string keyId, DateTimeOffset since, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            var sum = Sum(tenantId, [keyId], since).GetValueOrDefault(keyId);
            if (sum is null)
                return KeyUse.None;
            using var connection = store.Open();
            var newest = connection.Command(
                null, $"SELECT at, tags FROM usage_events WHERE tenant_id = @tenant AND at >= @since AND key_id = @key ORDER BY at DESC LIMIT {EventsRead}",
                ("@tenant", tenantId), ("@since", UsageRow.Micros(since)), ("@key", keyId)).Rows(row => (At: UsageRow.Time(row.GetInt64(0)), Tags: row.GetString(1)));
            var tags = newest.Select(e => e.Tags).Distinct(StringComparer.Ordinal).SelectMany(KeyTags.Read).GroupBy(t => t.Name, StringComparer.Ordinal)
                .Select(g => (Name: g.Key, Values: g.Select(t => t.Value).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList()))
                .OrderBy(t => t.Name, StringComparer.Ordinal)
                .Select(t => new TagUse(t.Name, t.Values.Count, [.. t.Values.Take(FirstValues)]));
            return sum with { LastAt = newest.Count > 0 ? newest[0].At : sum.LastAt, Tags = [.. tags] };
        },
        cancellationToken);
}
