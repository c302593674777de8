using Tokonomics.Application.Alerts;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Alerts;

namespace Tokonomics.Infrastructure.Budgets;

/// <summary>Three questions for all budgets, and one of a primary key for each account.</summary>
internal sealed class SqlWatchedBudgets(ISqlStore store, TimeProvider time) : IWatchedBudgets
{
    public Task<IReadOnlyList<WatchedBudget>> RunningAsync(string? tenantId, CancellationToken cancellationToken) => Task.Run<IReadOnlyList<WatchedBudget>>(() => Running(tenantId ?? ""), cancellationToken);

    private List<WatchedBudget> Running(string tenantId)
    {
        var now = time.GetUtcNow();
        using var connection = store.Open();
        using var transaction = store.BeginReading(connection);
        (string, object) tenant = ("@tenant", tenantId);
        // One tenant by the index; all by one reading of the table.
        var where = tenantId.Length == 0 ? "" : " AND tenant_id = @tenant";
        var calendars = transaction.Command($"SELECT id, time_zone, earlier_zones FROM tenants WHERE {AlertScopes.Active}{(tenantId.Length == 0 ? "" : " AND id = @tenant")}", tenant)
            .Rows(row => (Id: row.GetString(0), Zone: row.GetString(1), Earlier: row.GetString(2)))
            .ToDictionary(t => t.Id, t => new Lazy<BudgetCalendar>(() => BudgetCalendar.Read(t.Zone, t.Earlier)), StringComparer.Ordinal);
        var places = transaction.Command(
            $"""
            SELECT b.tenant_id, b.id, coalesce(team.name, project.name, k.name), coalesce(k.project_id, ''), coalesce(k.team_id, project.team_id, '')
            FROM budgets AS b
            LEFT JOIN teams AS team ON b.scope = 'team' AND team.tenant_id = b.tenant_id AND team.id = b.scope_value
            LEFT JOIN projects AS project ON b.scope = 'project' AND project.tenant_id = b.tenant_id AND project.id = b.scope_value
            LEFT JOIN metering_keys AS k ON b.scope = 'key' AND k.tenant_id = b.tenant_id AND k.id = b.scope_value
            WHERE b.ended_at IS NULL AND b.scope IN ('team', 'project', 'key'){where.Replace("tenant_id", "b.tenant_id", StringComparison.Ordinal)}
            """,
            tenant).Rows(row => (Key: (row.GetString(0), row.GetString(1)), Named: row.IsDBNull(2) ? null : row.GetString(2), Within: AlertSubject.Containing(row.GetString(3), row.GetString(4)).ToList())).ToDictionary(p => p.Key);
        var budgets = BudgetRows.Budgets(transaction, $"period <> 'total' AND NOT (scope = 'tenant' AND scope_name = 'calls') AND tenant_id IN (SELECT id FROM tenants WHERE {AlertScopes.Active}){where}", tenant);
        using var account = transaction.Command(
            "SELECT subject, posted_nano FROM budget_accounts WHERE tenant_id = @tenant AND budget_id = @budget AND subject = '' AND period_start = @start",
            ("@tenant", ""), ("@budget", ""), ("@start", 0L));
        var watched = new List<WatchedBudget>(budgets.Count);
        foreach (var budget in budgets)
        {
            if (!calendars.TryGetValue(budget.TenantId, out var calendar))
                continue;
            var window = calendar.Value.Containing(budget.Period, now, budget.CreatedAt);
            List<(string Subject, long Posted)> accounts = [];
            if (budget.Scope.IsEachValue)
                accounts = transaction.Command(
                    "SELECT subject, posted_nano FROM budget_accounts WHERE tenant_id = @tenant AND budget_id = @budget AND period_start = @start ORDER BY posted_nano DESC, subject LIMIT @limit",
                    ("@tenant", budget.TenantId), ("@budget", budget.Id), ("@start", window.StartMicros), ("@limit", BudgetForecasts.MostValues)).Rows(row => (row.GetString(0), row.GetInt64(1)));
            else
            {
                (account.Parameters["@tenant"].Value, account.Parameters["@budget"].Value, account.Parameters["@start"].Value) = (budget.TenantId, budget.Id, window.StartMicros);
                using var row = account.ExecuteReader();
                if (row.Read())
                    accounts.Add((row.GetString(0), row.GetInt64(1)));
            }

            var place = places.GetValueOrDefault((budget.TenantId, budget.Id));
            watched.Add(new WatchedBudget(budget, window, calendar.Value.Zone, place.Named, place.Within ?? [], accounts.ConvertAll(a => (a.Subject, budget.LimitAt(now), new NanoUsd(a.Posted)))));
        }

        return watched;
    }
}
