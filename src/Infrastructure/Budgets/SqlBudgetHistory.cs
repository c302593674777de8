using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Budgets;

public sealed class SqlBudgetHistory(ISqlStore store) : IBudgetHistory
{
    public Task<IReadOnlyList<BudgetPeriodLine>> PeriodsAsync(string tenantId, string budgetId, string? subject, (DateTimeOffset Start, string Subject)? before, int limit, CancellationToken cancellationToken) =>
        Task.Run<IReadOnlyList<BudgetPeriodLine>>(() => Periods(tenantId, budgetId, subject, before, limit), cancellationToken);

    private List<BudgetPeriodLine> Periods(string tenantId, string budgetId, string? subject, (DateTimeOffset Start, string Subject)? before, int limit)
    {
        using var connection = store.Open();
        using var transaction = store.BeginReading(connection);
        var lines = transaction.Command(
            $"""
            SELECT subject, period_start, period_end, limit_nano, posted_nano, leased_nano, excess_nano, opened_at FROM budget_accounts
            WHERE tenant_id = @tenant AND budget_id = @budget{(subject is null ? "" : " AND subject = @subject")}
            {(before is null ? "" : "AND (period_start < @start OR (period_start = @start AND subject > @after))")}
            ORDER BY period_start DESC, subject LIMIT @limit
            """,
            [
                ("@tenant", tenantId), ("@budget", budgetId), ("@limit", limit),
                .. subject is null ? [] : new (string, object)[] { ("@subject", subject) },
                .. before is null ? [] : new (string, object)[] { ("@start", UsageRow.Micros(before.Value.Start)), ("@after", before.Value.Subject) },
            ])
            .Rows(row => (Start: row.GetInt64(1), Line: new BudgetPeriodLine(
                row.GetString(0), UsageRow.Time(row.GetInt64(1)), row.GetInt64(2) >= UsageRow.Micros(DateTimeOffset.MaxValue) ? null : UsageRow.Time(row.GetInt64(2)),
                new NanoUsd(row.GetInt64(3)), new NanoUsd(row.GetInt64(4)), new NanoUsd(row.GetInt64(5)), new NanoUsd(row.GetInt64(6)), UsageRow.Time(row.GetInt64(7)), [])));
        if (lines.Count == 0)
            return [];
        var alerts = transaction.Command(
            "SELECT subject, period_start, threshold, at, posted_nano FROM budget_alerts WHERE tenant_id = @tenant AND budget_id = @budget AND period_start >= @first AND period_start <= @last ORDER BY at, id",
            ("@tenant", tenantId), ("@budget", budgetId), ("@first", lines[^1].Start), ("@last", lines[0].Start))
            .Rows(row => (Key: (row.GetString(0), row.GetInt64(1)), Alert: new BudgetAlertLine((int)row.GetInt64(2), UsageRow.Time(row.GetInt64(3)), new NanoUsd(row.GetInt64(4)))))
            .ToLookup(a => a.Key, a => a.Alert);
        return lines.ConvertAll(l => l.Line with { Alerts = [.. alerts[(l.Line.Subject, l.Start)]] });
    }
}
