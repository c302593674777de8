using Microsoft.Data.Sqlite;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Sqlite;

/// <summary>
/// The rows of budgets, their accounts and leases, on one connection in one transaction. Whoever uses it has begun the transaction IMMEDIATE, so
/// that nobody writes between what is read here and what is written from it.
/// </summary>
internal sealed class BudgetRows(SqliteConnection connection, SqliteTransaction transaction, DateTimeOffset now)
{
    /// <summary>What budgets count for an event: as in the rollups, at most a million dollars.</summary>
    public const string Counted = "coalesce(min(budget_nano, 1000000000000000), min(cost_nano, 1000000000000000), 0)";

    public const string AccountColumns = "tenant_id, budget_id, subject, period_start";

    /// <summary>The accounts that events count on, one row for each pair: <c>account</c> (its rowid) and <c>amount</c>.</summary>
    /// <param name="where">Over usage_events.</param>
    public static string CountedOn(string where) => $"""
        SELECT a.rowid AS account, t.amount AS amount {InScope(where)}
        CROSS JOIN budget_accounts AS a ON a.tenant_id = b.tenant_id AND a.budget_id = b.id AND a.subject = t.subject AND a.period_start <= t.at AND a.period_end > t.at
        """;

    /// <summary>The periods that events fall in and no account is open for: budget, subject, one instant in it, the tenant's time zone.</summary>
    public static string NotOpen(string where) => $"""
        SELECT DISTINCT b.tenant_id, b.id, t.subject, t.at, z.time_zone {InScope(where)}
        CROSS JOIN tenants AS z ON z.id = b.tenant_id
        WHERE b.ended_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM budget_accounts AS a WHERE a.tenant_id = b.tenant_id AND a.budget_id = b.id AND a.subject = t.subject AND a.period_start <= t.at AND a.period_end > t.at)
        """;

    // The one place that says which event is in which budget's scope. The order of the joins is the order of the look-ups: hence CROSS.
    private static string InScope(string where) => $"""
        FROM (WITH e AS (SELECT tenant_id, environment, team_id, project_id, key_id, tags, at, {Counted} AS amount FROM usage_events WHERE {where})
              SELECT tenant_id, environment, at, amount, 'tenant' AS scope, '' AS name, '' AS value, '' AS subject FROM e
              UNION ALL SELECT tenant_id, environment, at, amount, 'team', '', team_id, '' FROM e
              UNION ALL SELECT tenant_id, environment, at, amount, 'project', '', project_id, '' FROM e
              UNION ALL SELECT tenant_id, environment, at, amount, 'key', '', key_id, '' FROM e
              UNION ALL SELECT tenant_id, environment, at, amount, 'tag', j.key, j.value, '' FROM e, json_each(e.tags) AS j
              UNION ALL SELECT tenant_id, environment, at, amount, 'each', j.key, '', j.value FROM e, json_each(e.tags) AS j) AS t
        CROSS JOIN budgets AS b ON b.tenant_id = t.tenant_id AND b.environment = t.environment AND b.scope = t.scope AND b.scope_name = t.name AND b.scope_value = t.value
        """;

    private const string BudgetColumns = """
        tenant_id, id, scope, scope_name, scope_value, environment, period, limit_nano, action, downgrade_to, mode, clamp, wait_ms, fail_open,
        increase_nano, increase_until, thresholds, created_at
        """;

    private readonly Dictionary<(string, string), Budget?> _budgets = [];

    public static IEnumerable<Budget> Budgets(SqliteConnection connection, SqliteTransaction? transaction, string where, params (string Name, object Value)[] parameters)
    {
        using var command = Command(connection, transaction, $"SELECT {BudgetColumns} FROM budgets WHERE {where} AND ended_at IS NULL", parameters);
        using var row = command.ExecuteReader();
        while (row.Read())
            yield return new Budget
            {
                TenantId = row.GetString(0),
                Id = row.GetString(1),
                Scope = StoredBudget.ReadScope(row.GetString(2), row.GetString(3), row.GetString(4)),
                Environment = (KeyEnvironment)row.GetByte(5),
                Period = Enum.Parse<BudgetPeriod>(row.GetString(6), true),
                Limit = new NanoUsd(row.GetInt64(7)),
                Action = Enum.Parse<BudgetAction>(row.GetString(8), true),
                DowngradeTo = row.IsDBNull(9) ? null : row.GetString(9),
                Mode = Enum.Parse<BudgetMode>(row.GetString(10), true),
                Clamp = row.GetInt64(11) != 0,
                Wait = TimeSpan.FromMilliseconds(row.GetInt64(12)),
                FailOpen = row.GetInt64(13) != 0,
                Increase = row.IsDBNull(15) ? null : new TemporaryIncrease(new NanoUsd(row.GetInt64(14)), UsageRow.Time(row.GetInt64(15))),
                Thresholds = StoredBudget.ReadThresholds(row.GetString(16)),
                CreatedAt = UsageRow.Time(row.GetInt64(17)),
            };
    }

    /// <summary>Null where it was deleted, or never was.</summary>
    public Budget? Budget(string tenantId, string id)
    {
        if (!_budgets.TryGetValue((tenantId, id), out var budget))
            _budgets[(tenantId, id)] = budget = Budgets(connection, transaction, "tenant_id = $tenant AND id = $id", ("$tenant", tenantId), ("$id", id)).FirstOrDefault();
        return budget;
    }

    /// <summary>The account with its limit as it is now; null where it isn't open.</summary>
    public (long RowId, BudgetAccount Account)? Account(in AccountKey key)
    {
        using var command = Command("SELECT rowid, limit_nano, posted_nano, leased_nano, epoch FROM budget_accounts WHERE tenant_id = $tenant AND budget_id = $budget AND subject = $subject AND period_start = $start", Of(key));
        using var row = command.ExecuteReader();
        return row.Read() ? (row.GetInt64(0), WithLimitOfNow(key, Read(row))) : null;
    }

    public (AccountKey Key, BudgetAccount Account) Account(long rowId)
    {
        using var command = Command("SELECT rowid, limit_nano, posted_nano, leased_nano, epoch, tenant_id, budget_id, subject, period_start FROM budget_accounts WHERE rowid = $row", ("$row", rowId));
        using var row = command.ExecuteReader();
        row.Read();
        var key = new AccountKey(row.GetString(5), row.GetString(6), row.GetString(7), row.GetInt64(8));
        return (key, WithLimitOfNow(key, Read(row)));
    }

    /// <summary>Opens a period: what the ledger has of it already counts.</summary>
    public (long RowId, BudgetAccount Account) Open(AccountOpening opening, Budget budget)
    {
        var account = new BudgetAccount(budget.LimitAt(now), new NanoUsd(SpentAlready(opening, budget)));
        using var command = Command($"""
            INSERT INTO budget_accounts ({AccountColumns}, period_end, limit_nano, posted_nano, leased_nano, excess_nano, epoch, opened_at)
            VALUES ($tenant, $budget, $subject, $start, $end, $limit, $posted, 0, $excess, 1, $at) RETURNING rowid
            """, [.. Of(opening.Key), ("$end", opening.PeriodEnd), ("$limit", account.Limit.Value), ("$posted", account.Posted.Value), ("$excess", account.Excess.Value), ("$at", UsageRow.Micros(now))]);
        var row = (long)command.ExecuteScalar()!;
        Alert(opening.Key, account, budget);
        return (row, account);
    }

    /// <summary>Writes what an account has become, and the alerts that follow from it.</summary>
    public void Save(long rowId, in AccountKey key, BudgetAccount account)
    {
        // Where nothing differs nothing is written, and the commit costs no fsync.
        var written = Execute("""
            UPDATE budget_accounts SET limit_nano = $limit, posted_nano = $posted, leased_nano = $leased, excess_nano = $excess, epoch = $epoch
            WHERE rowid = $row AND (limit_nano, posted_nano, leased_nano, excess_nano, epoch) <> ($limit, $posted, $leased, $excess, $epoch)
            """,
            ("$row", rowId), ("$limit", account.Limit.Value), ("$posted", account.Posted.Value), ("$leased", account.Leased.Value), ("$excess", account.Excess.Value), ("$epoch", account.Epoch));
        if (written > 0 && Budget(key.TenantId, key.BudgetId) is { } budget)
            Alert(key, account, budget);
    }

    /// <summary>The only way to set something aside.</summary>
    /// <returns>False where it doesn't fit.</returns>
    public bool Grant(long rowId, NanoUsd amount) =>
        Execute("UPDATE budget_accounts SET leased_nano = leased_nano + $amount WHERE rowid = $row AND posted_nano + leased_nano + $amount <= limit_nano", ("$row", rowId), ("$amount", amount.Value)) == 1;

    public (LeaseLine Line, long Epoch)? Lease(in AccountKey key, string owner)
    {
        using var command = Command("SELECT granted_nano, returned_nano, consumed_nano, epoch FROM budget_leases WHERE tenant_id = $tenant AND budget_id = $budget AND subject = $subject AND period_start = $start AND owner = $owner", [.. Of(key), ("$owner", owner)]);
        using var row = command.ExecuteReader();
        return row.Read() ? (new LeaseLine(new NanoUsd(row.GetInt64(0)), new NanoUsd(row.GetInt64(1)), new NanoUsd(row.GetInt64(2))), row.GetInt64(3)) : null;
    }

    public void SaveLease(in AccountKey key, string owner, LeaseLine line, long epoch) => Execute($"""
        INSERT INTO budget_leases ({AccountColumns}, owner, node, granted_nano, returned_nano, consumed_nano, epoch, asked_at)
        VALUES ($tenant, $budget, $subject, $start, $owner, $node, $granted, $returned, $consumed, $epoch, $at)
        ON CONFLICT ({AccountColumns}, owner) DO UPDATE SET granted_nano = $granted, returned_nano = $returned, consumed_nano = $consumed, asked_at = $at
        """, [.. Of(key), ("$owner", owner), ("$node", LeaseOwner.Parse(owner).Node), ("$granted", line.Granted.Value), ("$returned", line.Returned.Value), ("$consumed", line.Consumed.Value), ("$epoch", epoch), ("$at", UsageRow.Micros(now))]);

    public bool IsClosed(string node)
    {
        using var command = Command("SELECT EXISTS (SELECT 1 FROM budget_nodes_closed WHERE node = $node)", ("$node", node));
        return (long)command.ExecuteScalar()! != 0;
    }

    public void CloseNode(string node) => Execute("INSERT INTO budget_nodes_closed (node, at) VALUES ($node, $at) ON CONFLICT DO NOTHING", ("$node", node), ("$at", UsageRow.Micros(now)));

    public void DropLease(in AccountKey key, string owner) =>
        Execute("DELETE FROM budget_leases WHERE tenant_id = $tenant AND budget_id = $budget AND subject = $subject AND period_start = $start AND owner = $owner", [.. Of(key), ("$owner", owner)]);

    /// <summary>Adds to what an owner forfeited, or takes off that; never below nothing.</summary>
    /// <returns>By how much it changed.</returns>
    public NanoUsd Forfeit(in AccountKey key, string owner, NanoUsd by)
    {
        using var read = Command("SELECT amount_nano FROM budget_forfeits WHERE tenant_id = $tenant AND budget_id = $budget AND subject = $subject AND period_start = $start AND owner = $owner", [.. Of(key), ("$owner", owner)]);
        var before = read.ExecuteScalar() as long? ?? 0;
        var after = Math.Max(0, before + by.Value);
        if (after != before)
            Execute($"""
                INSERT INTO budget_forfeits ({AccountColumns}, owner, amount_nano, at) VALUES ($tenant, $budget, $subject, $start, $owner, $amount, $at)
                ON CONFLICT ({AccountColumns}, owner) DO UPDATE SET amount_nano = $amount
                """, [.. Of(key), ("$owner", owner), ("$amount", after), ("$at", UsageRow.Micros(now))]);
        return new NanoUsd(after - before);
    }

    /// <summary>An attempt cost more than its upper bound.</summary>
    public void Overrun(in AccountKey key, UsageEvent usage)
    {
        if (Account(key) is { } found)
            Alert(key, found.Account, "overrun", 0, $"{usage.RequestId}/{usage.Attempt}");
    }

    private void Alert(in AccountKey key, BudgetAccount account, Budget budget)
    {
        foreach (var threshold in account.Reached(budget.Thresholds))
            Alert(key, account, "threshold", threshold, "");
    }

    private void Alert(in AccountKey key, BudgetAccount account, string kind, int threshold, string request) => Execute($"""
        INSERT INTO budget_alerts ({AccountColumns}, kind, threshold, request, posted_nano, limit_nano, at)
        VALUES ($tenant, $budget, $subject, $start, $kind, $threshold, $request, $posted, $limit, $at) ON CONFLICT DO NOTHING
        """, [.. Of(key), ("$kind", kind), ("$threshold", threshold), ("$request", request), ("$posted", account.Posted.Value), ("$limit", account.Limit.Value), ("$at", UsageRow.Micros(now))]);

    // Whole hours from the rollups, which are kept in the same transactions as the events and outlive them; hours that an edge divides from the
    // events; and what budgets count otherwise than at its cost.
    private long SpentAlready(AccountOpening opening, Budget budget)
    {
        const long Hour = Measures.Hour;
        var start = opening.Key.PeriodStart;
        var wholeFrom = start + ((Hour - (start % Hour)) % Hour);
        var wholeTo = Math.Max(wholeFrom, opening.PeriodEnd - (opening.PeriodEnd % Hour));
        var (scope, value) = (budget.Scope, budget.Scope.Value ?? opening.Key.Subject);
        var (rollup, mine, ofEvent) = scope.Kind switch
        {
            BudgetScopeKind.Tag => ("usage_hourly_tags", "tag = $name AND tag_value = $value", "EXISTS (SELECT 1 FROM json_each(tags) AS j WHERE j.key = $name AND j.value = $value)"),
            BudgetScopeKind.Tenant => ("usage_hourly", "1", "1"),
            BudgetScopeKind.Team => ("usage_hourly", "team_id = $value", "team_id = $value"),
            BudgetScopeKind.Project => ("usage_hourly", "project_id = $value", "project_id = $value"),
            _ => ("usage_hourly", "key_id = $value", "key_id = $value"),
        };
        const string Mine = "tenant_id = $tenant AND environment = $environment";
        using var command = Command($"""
            SELECT coalesce((SELECT sum(cost_nano) FROM {rollup} WHERE {Mine} AND {mine} AND hour >= $from AND hour < $to), 0)
                 + coalesce((SELECT sum({Counted}) FROM usage_events WHERE {Mine} AND {ofEvent} AND at >= $start AND at < min($from, $end)), 0)
                 + coalesce((SELECT sum({Counted}) FROM usage_events WHERE {Mine} AND {ofEvent} AND at >= $to AND at < $end), 0)
                 + coalesce((SELECT sum({Counted} - coalesce(min(cost_nano, 1000000000000000), 0)) FROM usage_events WHERE {Mine} AND {ofEvent} AND budget_nano IS NOT NULL AND at >= $from AND at < $to), 0)
            """, ("$tenant", budget.TenantId), ("$environment", (int)budget.Environment), ("$name", scope.Name), ("$value", value), ("$start", start), ("$end", opening.PeriodEnd), ("$from", wholeFrom), ("$to", wholeTo));
        return (long)command.ExecuteScalar()!;
    }

    // A limit that changed is written with the next change of the account; until then it is right wherever it is read, which is always here.
    private BudgetAccount WithLimitOfNow(in AccountKey key, BudgetAccount account)
    {
        if (Budget(key.TenantId, key.BudgetId)?.LimitAt(now) is { } limit && limit != account.Limit)
            account.ChangeLimit(limit);
        return account;
    }

    private static BudgetAccount Read(SqliteDataReader row) => new(new NanoUsd(row.GetInt64(1)), new NanoUsd(row.GetInt64(2)), new NanoUsd(row.GetInt64(3)), row.GetInt64(4));

    public static (string, object)[] Of(in AccountKey key) => [("$tenant", key.TenantId), ("$budget", key.BudgetId), ("$subject", key.Subject), ("$start", key.PeriodStart)];

    public SqliteCommand Command(string sql, params (string Name, object Value)[] parameters) => Command(connection, transaction, sql, parameters);

    private static SqliteCommand Command(SqliteConnection connection, SqliteTransaction? transaction, string sql, params (string Name, object Value)[] parameters)
    {
        var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
            command.Parameters.AddWithValue(name, value);
        return command;
    }

    private int Execute(string sql, params (string Name, object Value)[] parameters)
    {
        using var command = Command(sql, parameters);
        return command.ExecuteNonQuery();
    }
}
