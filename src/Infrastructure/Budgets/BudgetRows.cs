using System.Data.Common;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Budgets;

/// <summary>
/// The rows of budgets, their accounts and leases, in one transaction. Who is to write an account reads it first, which locks it; its leases, forfeits
/// and alerts are read and written under that lock alone.
/// </summary>
/// <param name="writes">False where nothing is going to be written: accounts are read without a lock.</param>
internal sealed class BudgetRows(ISqlStore store, DbTransaction transaction, DateTimeOffset now, bool writes = true)
{
    /// <summary>What budgets count for an event: as in the rollups, at most a million dollars.</summary>
    public static readonly string Counted = $"coalesce({Measures.MoneyOf("budget_nano")}, {Measures.MoneyOf("cost_nano")}, 0)";

    // As CallQuota.Counts says. A repeat that was answered from the cache reached no provider, and a call that went past the proxy is none of its.
    private const string IsCall = $"CASE WHEN outcome <> 'Unreachable' AND (routed IS NULL OR routed NOT IN ('{UsageEvent.FromCache}', '{UsageEvent.Direct}')) THEN 1 ELSE 0 END";

    public const string AccountColumns = "tenant_id, budget_id, subject, period_start";

    private const string ThisAccount = "tenant_id = @tenant AND budget_id = @budget AND subject = @subject AND period_start = @start";

    /// <summary>The accounts that events count on, one row for each pair: the account's key, and <c>amount</c>.</summary>
    /// <param name="events">A table with the columns of usage_events.</param>
    /// <param name="where">Which of its rows.</param>
    public static string CountedOn(ISqlStore store, string events, string where) => $"""
        SELECT a.tenant_id, a.budget_id, a.subject, a.period_start, t.amount {InScope(store, events, where)}
        {store.JoinInOrder} budget_accounts AS a ON a.tenant_id = b.tenant_id AND a.budget_id = b.id AND a.subject = t.subject AND a.period_start <= t.at AND a.period_end > t.at
        """;

    // Which event is in which budget's scope; CountedBudgets says it of events that are in memory.
    private static string InScope(ISqlStore store, string events, string where) => $"""
        FROM (WITH e AS (SELECT tenant_id, environment, team_id, project_id, key_id, tags, at, {Counted} AS amount, {IsCall} AS is_call FROM {events} WHERE {where})
              SELECT tenant_id, environment, at, amount, 'tenant' AS scope, '' AS name, '' AS value, '' AS subject FROM e WHERE amount <> 0
              UNION ALL SELECT tenant_id, environment, at, 1, 'tenant', 'calls', '', '' FROM e WHERE is_call = 1
              UNION ALL SELECT tenant_id, environment, at, amount, 'team', '', team_id, '' FROM e WHERE amount <> 0
              UNION ALL SELECT tenant_id, environment, at, amount, 'project', '', project_id, '' FROM e WHERE amount <> 0
              UNION ALL SELECT tenant_id, environment, at, amount, 'key', '', key_id, '' FROM e WHERE amount <> 0
              UNION ALL SELECT tenant_id, environment, at, amount, 'tag', j.key, j.value, '' FROM e, {store.EachTag("e.tags")} AS j WHERE amount <> 0
              UNION ALL SELECT tenant_id, environment, at, amount, 'each', j.key, '', j.value FROM e, {store.EachTag("e.tags")} AS j WHERE amount <> 0) AS t
        {store.JoinInOrder} budgets AS b ON b.tenant_id = t.tenant_id AND b.environment = t.environment AND b.scope = t.scope AND b.scope_name = t.name AND b.scope_value = t.value
        """;

    private const string BudgetColumns = """
        tenant_id, id, scope, scope_name, scope_value, environment, period, limit_nano, action, downgrade_to, mode, clamp, wait_ms, fail_open,
        increase_nano, increase_until, thresholds, created_at
        """;

    private readonly Dictionary<(string, string), Budget?> _budgets = [];

    public static List<Budget> Budgets(DbTransaction transaction, string where, params (string, object)[] parameters) =>
        transaction.Command($"SELECT {BudgetColumns} FROM budgets WHERE {where} AND ended_at IS NULL", parameters).Rows(row => new Budget
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
            Clamp = row.GetBoolean(11),
            Wait = TimeSpan.FromMilliseconds(row.GetInt64(12)),
            FailOpen = row.GetBoolean(13),
            Increase = row.IsDBNull(15) ? null : new TemporaryIncrease(new NanoUsd(row.GetInt64(14)), UsageRow.Time(row.GetInt64(15))),
            Thresholds = StoredBudget.ReadThresholds(row.GetString(16)),
            CreatedAt = UsageRow.Time(row.GetInt64(17)),
        });

    /// <summary>Null where it was deleted, or never was.</summary>
    public Budget? Budget(string tenantId, string id)
    {
        if (!_budgets.TryGetValue((tenantId, id), out var budget))
            _budgets[(tenantId, id)] = budget = Budgets(transaction, "tenant_id = @tenant AND id = @id", ("@tenant", tenantId), ("@id", id)).FirstOrDefault();
        return budget;
    }

    /// <summary>The account with its limit as it is now; null where it isn't open.</summary>
    public BudgetAccount? Account(in AccountKey key)
    {
        var found = Command($"SELECT limit_nano, posted_nano, leased_nano, epoch FROM budget_accounts WHERE {ThisAccount}{(writes ? store.ForUpdate : "")}", Of(key)).Rows(ReadAccount);
        if (found.Count == 0)
            return null;
        // A limit that changed is written with the next change of the account; until then it is right wherever it is read, which is always here.
        if (Budget(key.TenantId, key.BudgetId)?.LimitAt(now) is { } limit && limit != found[0].Limit)
            found[0].ChangeLimit(limit);
        return found[0];
    }

    /// <summary>
    /// Opens a period: what the ledger has of it already counts. Appends to the ledger share the lock that is taken here, so that an event is either
    /// committed and counted now, or finds the account open when it is posted.
    /// </summary>
    /// <returns>As it stands where another has opened it meanwhile.</returns>
    public BudgetAccount Open(AccountOpening opening, Budget budget)
    {
        store.Lock(transaction, OpeningsOf(opening.Key.TenantId), exclusive: true);
        if (Account(opening.Key) is { } already)
            return already;
        var account = new BudgetAccount(budget.LimitAt(now), new NanoUsd(SpentAlready(opening, budget)));
        transaction.Execute($"""
            INSERT INTO budget_accounts ({AccountColumns}, period_end, limit_nano, posted_nano, leased_nano, excess_nano, epoch, opened_at)
            VALUES (@tenant, @budget, @subject, @start, @end, @limit, @posted, 0, @excess, 1, @at)
            """, [.. Of(opening.Key), ("@end", opening.PeriodEnd), ("@limit", account.Limit.Value), ("@posted", account.Posted.Value), ("@excess", account.Excess.Value), ("@at", UsageRow.Micros(now))]);
        Alert(opening.Key, account, budget);
        return account;
    }

    /// <summary>The lock that openings of a tenant's accounts take, and appends to its ledger share.</summary>
    public static string OpeningsOf(string tenantId) => "openings of " + tenantId;

    /// <summary>Writes what an account has become, and the alerts that follow from it.</summary>
    public void Save(in AccountKey key, BudgetAccount account)
    {
        // Where nothing differs nothing is written, and the commit costs no fsync.
        var written = transaction.Execute($"""
            UPDATE budget_accounts SET limit_nano = @limit, posted_nano = @posted, leased_nano = @leased, excess_nano = @excess, epoch = @epoch
            WHERE {ThisAccount} AND (limit_nano, posted_nano, leased_nano, excess_nano, epoch) <> (@limit, @posted, @leased, @excess, @epoch)
            """,
            [.. Of(key), ("@limit", account.Limit.Value), ("@posted", account.Posted.Value), ("@leased", account.Leased.Value), ("@excess", account.Excess.Value), ("@epoch", account.Epoch)]);
        if (written > 0 && Budget(key.TenantId, key.BudgetId) is { } budget)
            Alert(key, account, budget);
    }

    /// <summary>The only way to set something aside.</summary>
    /// <returns>False where it doesn't fit.</returns>
    public bool Grant(in AccountKey key, NanoUsd amount) =>
        transaction.Execute($"UPDATE budget_accounts SET leased_nano = leased_nano + @amount WHERE {ThisAccount} AND posted_nano + leased_nano + @amount <= limit_nano", [.. Of(key), ("@amount", amount.Value)]) == 1;

    public (LeaseLine Line, long Epoch)? Lease(in AccountKey key, string owner) =>
        Command($"SELECT granted_nano, returned_nano, consumed_nano, epoch FROM budget_leases WHERE {ThisAccount} AND owner = @owner", [.. Of(key), ("@owner", owner)])
            .Rows(row => ((LeaseLine, long)?)(new LeaseLine(new NanoUsd(row.GetInt64(0)), new NanoUsd(row.GetInt64(1)), new NanoUsd(row.GetInt64(2))), row.GetInt64(3)))
            .FirstOrDefault();

    public void SaveLease(in AccountKey key, string owner, LeaseLine line, long epoch) => transaction.Execute($"""
        INSERT INTO budget_leases ({AccountColumns}, owner, node, granted_nano, returned_nano, consumed_nano, epoch, asked_at)
        VALUES (@tenant, @budget, @subject, @start, @owner, @node, @granted, @returned, @consumed, @epoch, @at)
        ON CONFLICT ({AccountColumns}, owner) DO UPDATE SET granted_nano = @granted, returned_nano = @returned, consumed_nano = @consumed, asked_at = @at
        """, [.. Of(key), ("@owner", owner), ("@node", LeaseOwner.Parse(owner).Node), ("@granted", line.Granted.Value), ("@returned", line.Returned.Value), ("@consumed", line.Consumed.Value), ("@epoch", epoch), ("@at", UsageRow.Micros(now))]);

    public bool IsClosed(string node) => Command("SELECT 1 FROM budget_nodes_closed WHERE node = @node", ("@node", node)).Rows(_ => true).Count > 0;

    public void CloseNode(string node) => transaction.Execute("INSERT INTO budget_nodes_closed (node, at) VALUES (@node, @at) ON CONFLICT DO NOTHING", ("@node", node), ("@at", UsageRow.Micros(now)));

    public void DropLease(in AccountKey key, string owner) => transaction.Execute($"DELETE FROM budget_leases WHERE {ThisAccount} AND owner = @owner", [.. Of(key), ("@owner", owner)]);

    /// <summary>Adds to what an owner forfeited, or takes off that; never below nothing.</summary>
    /// <returns>By how much it changed.</returns>
    public NanoUsd Forfeit(in AccountKey key, string owner, NanoUsd by)
    {
        var before = Command($"SELECT amount_nano FROM budget_forfeits WHERE {ThisAccount} AND owner = @owner", [.. Of(key), ("@owner", owner)]).Rows(row => row.GetInt64(0)).FirstOrDefault();
        var after = Math.Max(0, before + by.Value);
        if (after != before)
            transaction.Execute($"""
                INSERT INTO budget_forfeits ({AccountColumns}, owner, amount_nano, at) VALUES (@tenant, @budget, @subject, @start, @owner, @amount, @at)
                ON CONFLICT ({AccountColumns}, owner) DO UPDATE SET amount_nano = @amount
                """, [.. Of(key), ("@owner", owner), ("@amount", after), ("@at", UsageRow.Micros(now))]);
        return new NanoUsd(after - before);
    }

    /// <summary>An attempt cost more than its upper bound.</summary>
    public void Overrun(in AccountKey key, UsageEvent usage)
    {
        if (Account(key) is { } account)
            Alert(key, account, "overrun", 0, $"{usage.RequestId}/{usage.Attempt}");
    }

    private void Alert(in AccountKey key, BudgetAccount account, Budget budget)
    {
        foreach (var threshold in account.Reached(budget.Thresholds))
            Alert(key, account, "threshold", threshold, "");
    }

    private void Alert(in AccountKey key, BudgetAccount account, string kind, int threshold, string request) => transaction.Execute($"""
        INSERT INTO budget_alerts ({AccountColumns}, kind, threshold, request, posted_nano, limit_nano, at)
        VALUES (@tenant, @budget, @subject, @start, @kind, @threshold, @request, @posted, @limit, @at) ON CONFLICT DO NOTHING
        """, [.. Of(key), ("@kind", kind), ("@threshold", threshold), ("@request", request), ("@posted", account.Posted.Value), ("@limit", account.Limit.Value), ("@at", UsageRow.Micros(now))]);

    // Whole hours from the rollups, which are kept in the same transactions as the events and outlive them; hours that an edge divides from the
    // events; and what budgets count otherwise than at its cost.
    private long SpentAlready(AccountOpening opening, Budget budget)
    {
        const long Hour = Measures.Hour;
        var start = opening.Key.PeriodStart;
        if (budget.Scope.CountsCalls)
            return Command($"SELECT CAST(coalesce(sum({IsCall}), 0) AS bigint) FROM usage_events WHERE tenant_id = @tenant AND environment = @environment AND at >= @start AND at < @end",
                ("@tenant", budget.TenantId), ("@environment", (int)budget.Environment), ("@start", start), ("@end", opening.PeriodEnd)).Rows(row => row.GetInt64(0))[0];
        var wholeFrom = start + ((Hour - (start % Hour)) % Hour);
        var wholeTo = Math.Max(wholeFrom, opening.PeriodEnd - (opening.PeriodEnd % Hour));
        var (scope, value) = (budget.Scope, budget.Scope.Value ?? opening.Key.Subject);
        var (rollup, mine, ofEvent) = scope.Kind switch
        {
            BudgetScopeKind.Tag => ("usage_hourly_tags", "tag = @name AND tag_value = @value", $"{store.TagValue("tags", "@name")} = @value"),
            BudgetScopeKind.Tenant => ("usage_hourly", "1 = 1", "1 = 1"),
            BudgetScopeKind.Team => ("usage_hourly", "team_id = @value", "team_id = @value"),
            BudgetScopeKind.Project => ("usage_hourly", "project_id = @value", "project_id = @value"),
            _ => ("usage_hourly", "key_id = @value", "key_id = @value"),
        };
        const string Mine = "tenant_id = @tenant AND environment = @environment";
        string Sum(string what, string from, string which, string since, string until) =>
            $"coalesce((SELECT sum({what}) FROM {from} WHERE {Mine} AND {which} AND {(from == "usage_events" ? "at" : "hour")} >= {since} AND {(from == "usage_events" ? "at" : "hour")} < {until}), 0)";
        return Command(
            $"""
            SELECT CAST({Sum("cost_nano", rollup, mine, "@from", "@to")}
                 + {Sum(Counted, "usage_events", ofEvent, "@start", "@first")}
                 + {Sum(Counted, "usage_events", ofEvent, "@to", "@end")}
                 + {Sum($"{Counted} - coalesce({Measures.MoneyOf("cost_nano")}, 0)", "usage_events", ofEvent + " AND budget_nano IS NOT NULL", "@from", "@to")} AS bigint)
            """,
            ("@tenant", budget.TenantId), ("@environment", (int)budget.Environment), ("@name", scope.Name), ("@value", value), ("@start", start), ("@end", opening.PeriodEnd),
            ("@from", wholeFrom), ("@to", wholeTo), ("@first", Math.Min(wholeFrom, opening.PeriodEnd)))
            .Rows(row => row.GetInt64(0))[0];
    }

    /// <summary>The accounts of a budget and period that spent most.</summary>
    public List<AccountKey> Largest(string tenantId, string budgetId, long periodStart, int limit) => Command(
        $"SELECT {AccountColumns} FROM budget_accounts WHERE tenant_id = @tenant AND budget_id = @budget AND period_start = @start ORDER BY posted_nano DESC, subject LIMIT @limit",
        ("@tenant", tenantId), ("@budget", budgetId), ("@start", periodStart), ("@limit", limit)).Rows(ReadKey);

    /// <summary>In the order in which accounts are locked.</summary>
    public List<(AccountKey Key, string Owner)> LeasesOf(string node) =>
        Command($"SELECT {AccountColumns}, owner FROM budget_leases WHERE node = @node ORDER BY {AccountColumns}, owner", ("@node", node)).Rows(row => (ReadKey(row), row.GetString(4)));

    public List<NodeLeases> Nodes() => Command("SELECT node, CAST(sum(granted_nano - returned_nano - consumed_nano) AS bigint), count(*) FROM budget_leases GROUP BY node ORDER BY node")
        .Rows(row => new NodeLeases(row.GetString(0), new NanoUsd(row.GetInt64(1)), (int)row.GetInt64(2)));

    public BudgetChanges Changes(long since)
    {
        var reached = Command("SELECT coalesce(max(revision), 0) FROM budgets").Rows(row => row.GetInt64(0))[0];
        var all = since == 0 || reached < since; // the sequence only goes back when another database was put in place
        if (!all && reached == since)
            return new BudgetChanges(reached, false, []);
        var tenants = Command("SELECT DISTINCT t.id, t.time_zone, t.earlier_zones FROM tenants AS t JOIN budgets AS b ON b.tenant_id = t.id WHERE b.revision > @since", ("@since", all ? -1 : since))
            .Rows(row => (Id: row.GetString(0), Calendar: BudgetCalendar.Read(row.GetString(1), row.GetString(2))));
        return new BudgetChanges(reached, all, tenants.ConvertAll(t => new TenantBudgetList(t.Id, t.Calendar, Budgets(transaction, "tenant_id = @tenant", ("@tenant", t.Id)))));
    }

    private static BudgetAccount ReadAccount(DbDataReader row) => new(new NanoUsd(row.GetInt64(0)), new NanoUsd(row.GetInt64(1)), new NanoUsd(row.GetInt64(2)), row.GetInt64(3));

    /// <summary>From the first four columns, which are <see cref="AccountColumns"/>.</summary>
    public static AccountKey ReadKey(DbDataReader row) => new(row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt64(3));

    private static (string, object)[] Of(in AccountKey key) => [("@tenant", key.TenantId), ("@budget", key.BudgetId), ("@subject", key.Subject), ("@start", key.PeriodStart)];

    private DbCommand Command(string sql, params (string Name, object Value)[] parameters) => transaction.Command(sql, parameters);
}
