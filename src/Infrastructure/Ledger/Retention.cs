using System.Globalization;
using Tokonomics.Application.Ledger;
using Tokonomics.Infrastructure.Postgres;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>
/// Deletes what tenants keep no longer: first the tenant's line in <c>store_facts</c>, which only goes forward and without which nothing can be deleted,
/// then the events before it, a batch at a time. On PostgreSQL a month of which nobody keeps anything goes whole, with its partition.
/// </summary>
public sealed class Retention(ISqlStore store, TimeProvider time, IEnumerable<PostgresPartitions> partitions) : IRetention
{
    private const int BatchSize = 5000;

    /// <summary>The name of a tenant's line: events before it may be deleted. Unix microseconds.</summary>
    internal static string LineOf(string tenantId) => "usage_delete_before/" + tenantId;

    public async Task<RetentionReport> RunAsync(CancellationToken cancellationToken)
    {
        var lines = await Task.Run(Lines, cancellationToken);
        foreach (var (tenant, line) in lines)
            await store.WriteAsync(
                transaction => transaction.Execute(
                    "INSERT INTO store_facts (name, value) VALUES (@name, @line) ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE CAST(store_facts.value AS bigint) < CAST(excluded.value AS bigint)",
                    ("@name", LineOf(tenant)), ("@line", line.ToString(CultureInfo.InvariantCulture))),
                cancellationToken);

        var dropped = new List<string>();
        foreach (var months in partitions)
            dropped.AddRange(await months.DropAsync(cancellationToken));
        long deleted = 0;
        foreach (var (tenant, line) in lines)
            for (var batch = 1L; batch > 0; deleted += batch)
            {
                cancellationToken.ThrowIfCancellationRequested();
                batch = await store.WriteAsync(
                    transaction => transaction.Execute(
                        $"""
                        DELETE FROM usage_events WHERE tenant_id = @tenant AND at < @line
                        AND at <= (SELECT max(at) FROM (SELECT at FROM usage_events WHERE tenant_id = @tenant AND at < @line ORDER BY at LIMIT {BatchSize}) AS first)
                        """,
                        ("@tenant", tenant), ("@line", line)),
                    cancellationToken);
            }

        return new RetentionReport(lines.Count, deleted, dropped);
    }

    // At a whole hour, so that no rollup stands for half of its events.
    private List<(string Tenant, long Line)> Lines()
    {
        using var connection = store.Open();
        var now = UsageRow.Micros(time.GetUtcNow());
        return connection.Command(null, "SELECT id, retention_days FROM tenants WHERE retention_days IS NOT NULL ORDER BY id")
            .Rows(row => (row.GetString(0), row.GetInt32(1) * 86_400_000_000L)).ConvertAll(t => (t.Item1, now - t.Item2 - ((now - t.Item2) % Measures.Hour)));
    }
}
