using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Refusals in a relational store. The rows of a batch are written in the order of their keys.</summary>
public sealed class SqlRefusals(ISqlStore store) : IRefusals
{
    public Task WriteAsync(string run, IReadOnlyList<RefusalCount> counts, CancellationToken cancellationToken) => counts.Count == 0 ? Task.CompletedTask : store.WriteAsync(
        transaction =>
        {
            foreach (var c in counts.OrderBy(c => c.TenantId, StringComparer.Ordinal).ThenBy(c => c.Environment).ThenBy(c => c.Hour).ThenBy(c => c.Code, StringComparer.Ordinal).ThenBy(c => c.KeyId, StringComparer.Ordinal))
            {
                transaction.Execute(
                    """
                    INSERT INTO refusals_hourly (tenant_id, environment, hour, code, key_id, run, calls) VALUES (@tenant, @environment, @hour, @code, @key, @run, @calls)
                    ON CONFLICT (tenant_id, environment, hour, code, key_id, run) DO UPDATE SET calls = excluded.calls
                    """,
                    ("@tenant", c.TenantId), ("@environment", (short)c.Environment), ("@hour", UsageRow.Micros(c.Hour)), ("@code", c.Code), ("@key", c.KeyId), ("@run", run), ("@calls", c.Calls));
            }

            return counts.Count;
        },
        cancellationToken);

    public Task<IReadOnlyList<RefusalCount>> ListAsync(string tenantId, KeyEnvironment environment, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken) => Task.Run<IReadOnlyList<RefusalCount>>(
        () =>
        {
            using var connection = store.Open();
            return connection.Command(
                null,
                """
                SELECT hour, code, key_id, CAST(sum(calls) AS bigint) FROM refusals_hourly
                WHERE tenant_id = @tenant AND environment = @environment AND hour >= @from AND hour < @to GROUP BY hour, code, key_id ORDER BY hour, code, key_id
                """,
                ("@tenant", tenantId), ("@environment", (short)environment), ("@from", UsageRow.Micros(since)), ("@to", UsageRow.Micros(until)))
                .Rows(row => new RefusalCount(tenantId, environment, UsageRow.Time(row.GetInt64(0)), row.GetString(1), row.GetString(2), row.GetInt64(3)));
        },
        cancellationToken);
}
