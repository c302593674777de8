using Tokonomics.Application.Alerts;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Infrastructure.Alerts;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Billing;

/// <summary>The alerts of quotas, which the ledger writes with the call that reaches a threshold, in the transaction that counts it.</summary>
internal sealed class SqlQuotaWarnings(ISqlStore store, AlertBook book, IAlertRules rules, TimeProvider time) : IQuotaWarnings
{
    private const int Batch = 100;

    private sealed record Line(long Id, string Tenant, string Name, string Zone, int Threshold, long Limit, long End, long At);

    public async Task<IReadOnlyList<QuotaWarning>> TakeAsync(CancellationToken cancellationToken)
    {
        var waiting = await Task.Run(Waiting, cancellationToken);
        var taken = new List<QuotaWarning>();
        foreach (var line in waiting)
        {
            // Over, or on a plan without a limit since: nothing to warn of.
            var (now, stands) = (time.GetUtcNow(), line.End > UsageRow.Micros(time.GetUtcNow()) && line.Limit < Budget.MaxLimit.Value);
            var warning = new QuotaWarning(line.Tenant, line.Name, line.Threshold, line.Limit, UsageRow.Time(line.End), line.Zone, stands ? await Task.Run(() => Payers(line.Tenant), cancellationToken) : []);
            var told = stands && (await rules.OfAsync(line.Tenant, cancellationToken)).For(AlertKind.PlanQuota, []).On;
            var mine = await store.WriteAsync(
                transaction =>
                {
                    if (transaction.Execute("UPDATE budget_alerts SET delivered_at = @now WHERE id = @id AND delivered_at IS NULL", ("@now", UsageRow.Micros(now)), ("@id", line.Id)) != 1)
                        return false;
                    if (told)
                        book.Tell(transaction, warning.Alert($"quota:{line.Id}", UsageRow.Time(line.At)));
                    return true;
                },
                cancellationToken);
            if (mine && stands)
                taken.Add(warning);
        }

        return taken;
    }

    private List<Line> Waiting()
    {
        using var connection = store.Open();
        return connection.Command(null, """
            SELECT a.id, t.id, t.name, t.time_zone, a.threshold, b.limit_nano, p.period_end, a.at
            FROM budget_alerts AS a
            JOIN budgets AS b ON b.tenant_id = a.tenant_id AND b.id = a.budget_id AND b.scope = 'tenant' AND b.scope_name = 'calls'
            JOIN budget_accounts AS p ON p.tenant_id = a.tenant_id AND p.budget_id = a.budget_id AND p.subject = a.subject AND p.period_start = a.period_start
            JOIN tenants AS t ON t.id = a.tenant_id
            WHERE a.delivered_at IS NULL ORDER BY a.id LIMIT @limit
            """, ("@limit", Batch)).Rows(row => new Line(row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetInt32(4), row.GetInt64(5), row.GetInt64(6), row.GetInt64(7)));
    }

    private List<string> Payers(string tenant)
    {
        using var connection = store.Open();
        return connection.Command(null, "SELECT email FROM members WHERE tenant_id = @tenant AND role IN ('owner', 'billing') ORDER BY email", ("@tenant", tenant)).Rows(row => row.GetString(0));
    }
}
