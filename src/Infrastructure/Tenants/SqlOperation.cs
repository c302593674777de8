using System.Data.Common;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Budgets;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Journal;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Tenants;

public sealed class SqlOperation(ISqlStore store, PlanBook plans, BillingOptions options, TimeProvider time) : IOperation
{
    // Three reports missed.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(100);

    private static readonly TimeSpan TroublesShown = TimeSpan.FromDays(180);

    public Task<IReadOnlyList<TenantLine>> TenantsAsync(string? search, string? after, int limit, CancellationToken cancellationToken) =>
        Task.Run<IReadOnlyList<TenantLine>>(() => Tenants(search, after, limit), cancellationToken);

    private List<TenantLine> Tenants(string? search, string? after, int limit)
    {
        var now = time.GetUtcNow();
        using var connection = store.Open();
        // Each figure is a look-up by tenant, for the tenants of one page.
        var lines = connection.Command(
            null,
            """
            SELECT t.id, t.name, t.plan, t.status, t.delete_at, t.created_at,
                (SELECT count(*) FROM members AS m WHERE m.tenant_id = t.id),
                (SELECT count(*) FROM metering_keys AS k WHERE k.tenant_id = t.id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > @now)),
                coalesce((SELECT CAST(sum(u.cost_nano) AS bigint) FROM usage_hourly AS u WHERE u.tenant_id = t.id AND u.environment = 0 AND u.hour >= @month), 0),
                coalesce((SELECT CAST(sum(u.calls) AS bigint) FROM usage_hourly AS u WHERE u.tenant_id = t.id AND u.environment = 0 AND u.hour >= @month), 0),
                (SELECT max(e.at) FROM usage_events AS e WHERE e.tenant_id = t.id), b.plan, b.reason, b.ends_at
            FROM tenants AS t LEFT JOIN billing_accounts AS b ON b.tenant_id = t.id
            WHERE (@search = '' OR lower(t.name) LIKE @like ESCAPE '\' OR t.id = @search) AND (@after = '' OR t.id < @after)
            ORDER BY t.id DESC LIMIT @limit
            """,
            ("@now", UsageRow.Micros(now)), ("@month", UsageRow.Micros(new DateTimeOffset(now.UtcDateTime.Year, now.UtcDateTime.Month, 1, 0, 0, 0, TimeSpan.Zero))),
            ("@search", search ?? ""), ("@like", Like(search ?? "")), ("@after", after ?? ""), ("@limit", limit)).Rows(row => new TenantLine(
                row.GetString(0), row.GetString(1), Standing(row), Enum.Parse<TenantStatus>(row.GetString(3), true),
                row.IsDBNull(4) ? null : UsageRow.Time(row.GetInt64(4)), UsageRow.Time(row.GetInt64(5)), (int)row.GetInt64(6), (int)row.GetInt64(7),
                new NanoUsd(row.GetInt64(8)), row.GetInt64(9), row.IsDBNull(10) ? null : UsageRow.Time(row.GetInt64(10))));
        return lines.ConvertAll(l => l with { Troubles = Troubles(connection, l.Id, now - TroublesShown) });
    }

    private static List<PaymentTrouble> Troubles(DbConnection connection, string tenant, DateTimeOffset since) => connection.Command(
        null,
        """
        SELECT id, kind, amount, currency, status, reason, CASE WHEN is_open THEN 1 ELSE 0 END, at FROM payment_troubles
        WHERE tenant_id = @tenant AND (is_open OR at >= @since) ORDER BY at DESC, id LIMIT 20
        """,
        ("@tenant", tenant), ("@since", UsageRow.Micros(since))).Rows(row => new PaymentTrouble(
            row.GetString(0), Enum.Parse<PaymentTroubleKind>(row.GetString(1), true), row.GetInt64(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetInt32(6) == 1, UsageRow.Time(row.GetInt64(7))));

    private PlanStanding Standing(DbDataReader row) => PlanStanding.Of(
        plans, options, Enum.Parse<TenantPlan>(row.GetString(2), true), row.IsDBNull(11) ? null : row.GetString(11), row.IsDBNull(12) ? null : Enum.Parse<EntitlementReason>(row.GetString(12), true),
        row.IsDBNull(13) ? null : UsageRow.Time(row.GetInt64(13)));

    private static string Like(string text) =>
        "%" + text.ToLowerInvariant().Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal) + "%";

    public Task<IReadOnlyList<NodeLine>> NodesAsync(CancellationToken cancellationToken) => Task.Run<IReadOnlyList<NodeLine>>(
        () =>
        {
            var now = time.GetUtcNow();
            using var connection = store.Open();
            using var transaction = store.BeginReading(connection);
            // A lease's node is a run of a node: identity, then the run.
            var leases = new BudgetRows(store, transaction, now, writes: false).Nodes();
            var nodes = transaction.Command("SELECT node, run, version, started_at, seen_at, open_calls, waiting, writable FROM proxy_nodes ORDER BY node").Rows(row => new NodeLine(
                row.GetString(0), row.GetString(1), row.GetString(2), UsageRow.Time(row.GetInt64(3)), UsageRow.Time(row.GetInt64(4)), now - UsageRow.Time(row.GetInt64(4)) > Silence,
                row.GetInt64(5), row.GetInt64(6), row.GetInt16(7) == 1, NanoUsd.Zero, 0));
            foreach (var lease in leases)
            {
                var at = nodes.FindIndex(n => lease.Node == Run(n));
                if (at >= 0)
                    nodes[at] = nodes[at] with { Leased = lease.Outstanding, LeasedAccounts = lease.Accounts };
                else
                    nodes.Add(new NodeLine(lease.Node, null, null, null, null, true, 0, 0, true, lease.Outstanding, lease.Accounts));
            }

            return nodes;
        },
        cancellationToken);

    public Task<IReadOnlyList<InvariantLine>> InvariantsAsync(CancellationToken cancellationToken) => Task.Run<IReadOnlyList<InvariantLine>>(
        () =>
        {
            using var connection = store.Open();
            return connection.Command(null, """
                SELECT c.check_name, c.at, c.findings, c.examples FROM invariant_checks AS c
                WHERE c.id IN (SELECT max(id) FROM invariant_checks WHERE tenant_id = '' GROUP BY check_name) ORDER BY c.check_name
                """).Rows(row => new InvariantLine(row.GetString(0), UsageRow.Time(row.GetInt64(1)), row.GetInt64(2), row.GetString(3)));
        },
        cancellationToken);

    private static string Run(NodeLine node) => LeaseRecovery.NameOf(new NodeRun(node.Node, node.Run!));
}
