using System.Data.Common;
using System.Globalization;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.Budgets;
using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Infrastructure.Ledger;

public sealed class LedgerVerification(ISqlStore store, TimeProvider time) : ILedgerVerification
{
    private const int Listed = 100;

    // Attempts of one request are recorded one by one: a request this young may have its first still on the way.
    private static readonly TimeSpan StillArriving = TimeSpan.FromMinutes(15);

    public async Task<VerificationReport> RunAsync(string? tenantId, CancellationToken cancellationToken)
    {
        var (results, notes) = await LowPriority.RunAsync("verify-ledger", LowPriority.Last, () => Run(tenantId, cancellationToken), cancellationToken);
        // Not on that thread: it rests, and others may want to write.
        await store.WriteAsync(transaction => Keep(transaction, results, tenantId), cancellationToken);
        return new VerificationReport([.. results.Select(r => r.Name)], [.. results.SelectMany(r => r.Findings)]) { Notes = notes };
    }

    private int Keep(DbTransaction transaction, List<(string Name, List<Finding> Findings)> results, string? tenantId)
    {
        foreach (var (name, found) in results)
        {
            transaction.Execute(
                "INSERT INTO invariant_checks (at, tenant_id, check_name, findings, examples) VALUES (@at, @tenant, @name, @findings, @examples)",
                ("@at", UsageRow.Micros(time.GetUtcNow())), ("@tenant", tenantId ?? ""), ("@name", name), ("@findings", found.Count), ("@examples", string.Join('\n', found.Take(5).Select(f => f.Row))));
        }

        // A month of results is enough to see when something broke.
        return transaction.Execute("DELETE FROM invariant_checks WHERE at < @old", ("@old", UsageRow.Micros(time.GetUtcNow().AddDays(-31))));
    }

    private (List<(string Name, List<Finding> Findings)> Results, List<Finding> Notes) Run(string? tenantId, CancellationToken cancellationToken)
    {
        using var connection = store.Open();
        var results = new List<(string Name, List<Finding> Findings)>();
        var notes = new List<Finding>();
        // Each check sees one state of the store and lets go of it: what is written meanwhile can be tidied up between two.
        foreach (var (name, sql) in Statements(store).Concat(store.OwnChecks))
            results.Add((name, Read(transaction => Rows(transaction, name, sql, tenantId))));
        results.Add(("audit_chain_intact", Read(transaction => AuditChain(transaction, tenantId))));
        foreach (var (name, sql) in Lists)
            notes.AddRange(Read(transaction => Rows(transaction, name, sql, tenantId)));
        return (results, notes);

        List<Finding> Read(Func<DbTransaction, List<Finding>> check)
        {
            cancellationToken.ThrowIfCancellationRequested();
            List<Finding> found;
            using (var transaction = store.BeginReading(connection))
                found = check(transaction);
            store.TidyUp(connection);
            return found;
        }
    }

    private const string Mine = "(@tenant = '' OR tenant_id = @tenant)";

    /// <summary>Retention's line for all, or the tenant's own where that is later: events before it may have been deleted. Unix microseconds, 0 where none was drawn.</summary>
    /// <param name="tenant">The column, or the parameter, that says which.</param>
    internal static string KeptOf(string tenant) => $"coalesce((SELECT max(CAST(f.value AS bigint)) FROM store_facts AS f WHERE f.name IN ('usage_delete_before', 'usage_delete_before/' || {tenant})), 0)";

    private static readonly string Kept = KeptOf("tenant_id");

    // The first hour of which no event has been deleted.
    private static readonly string WholeFrom = $"(({Kept} + {Measures.Hour - 1}) / {Measures.Hour} * {Measures.Hour})";

    private static (string Name, string Sql)[] Statements(ISqlStore store) =>
    [
        // Not by the index that should make it impossible: a damaged index would hide what it let in.
        ("one_row_per_attempt", $"SELECT request_id, attempt, count(*) AS rows FROM {store.RowByRow("usage_events")} WHERE {Mine} GROUP BY request_id, attempt HAVING count(*) > 1"),
        ("one_tenant_per_request", $"SELECT request_id, min(tenant_id) AS tenant, max(tenant_id) AS other_tenant FROM usage_events WHERE {Mine} GROUP BY request_id HAVING min(tenant_id) <> max(tenant_id)"),
        ("attempts_contiguous", $"""
            SELECT tenant_id, request_id, min(attempt) AS first, max(attempt) AS last, count(*) AS rows FROM usage_events WHERE {Mine}
            GROUP BY tenant_id, request_id HAVING (min(attempt) <> 1 OR max(attempt) <> count(*)) AND max(at) < @arrived AND min(at) >= {KeptOf("usage_events.tenant_id")}
            """),
        ("cost_where_priced", $"""
            SELECT tenant_id, request_id, attempt, price_status, cost_nano FROM usage_events WHERE {Mine}
            AND ((price_status = 'Priced' AND cost_nano IS NULL) OR (price_status = 'Unpriced' AND cost_nano IS NOT NULL) OR (price_status = 'Free' AND cost_nano <> 0))
            """),
        ("totals_match_usage", $"""
            SELECT tenant_id, request_id, attempt, usage, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens FROM usage_events WHERE {Mine}
            AND (cache_read_tokens + cache_write_tokens > input_tokens OR reasoning_tokens > output_tokens OR cache_write_1h_tokens > cache_write_tokens)
            """),
        ("hourly_equals_events", Difference("usage_hourly", "tenant_id, environment, hour, provider, model, key_id, project_id, team_id",
            $"tenant_id, environment, at - at % {Measures.Hour}, provider, model, key_id, project_id, team_id", "usage_events")),
        ("hourly_tags_equal_events", Difference("usage_hourly_tags", "tenant_id, environment, tag, hour, tag_value, provider, model",
            $"tenant_id, environment, t.key, at - at % {Measures.Hour}, t.value, provider, model", $"usage_events, {store.EachTag("usage_events.tags")} AS t")),
        ("hourly_pairs_equal_events", Difference($"(SELECT * FROM usage_hourly_pairs WHERE {Counted}) AS p", "tenant_id, environment, hour, customer, feature", "tenant_id, environment, hour, customer, feature", $"""
            (SELECT * FROM (SELECT usage_events.*, at - at % {Measures.Hour} AS hour, {store.TagValue("tags", "'customer'")} AS customer, {store.TagValue("tags", "'feature'")} AS feature FROM usage_events) AS t
             WHERE {Counted} AND customer IS NOT NULL AND feature IS NOT NULL) AS e
            """)),
        ("hourly_dearest_are_dearest", Dearest("usage_hourly", "tenant_id, environment, hour, provider, model, key_id, project_id, team_id",
            $"tenant_id, environment, at - at % {Measures.Hour}, provider, model, key_id, project_id, team_id", "usage_events")),
        ("hourly_tags_dearest_are_dearest", Dearest("usage_hourly_tags", "tenant_id, environment, tag, hour, tag_value, provider, model",
            $"tenant_id, environment, t.key, at - at % {Measures.Hour}, t.value, provider, model", $"usage_events, {store.EachTag("usage_events.tags")} AS t")),
        ("savings_have_cached_calls", $"""
            SELECT tenant_id, environment, hour, provider, model, key_id, project_id, team_id, saved_nano, extra_nano FROM cache_savings_hourly AS s WHERE {Mine}
            AND NOT EXISTS (SELECT 1 FROM usage_hourly AS h WHERE h.tenant_id = s.tenant_id AND h.environment = s.environment AND h.hour = s.hour AND h.provider = s.provider AND h.model = s.model
                AND h.key_id = s.key_id AND h.project_id = s.project_id AND h.team_id = s.team_id AND h.cache_read_tokens + h.cache_write_tokens > 0)
            """),
        ("repeats_equal_events", $"""
            SELECT tenant_id, environment, hour, provider, model, key_id, project_id, team_id, CAST(sum(repeats) AS bigint) AS repeats_too_many, CAST(sum(saved_nano) AS bigint) AS saved_nano_too_many
            FROM (SELECT tenant_id, environment, hour, provider, model, key_id, project_id, team_id, repeats, saved_nano FROM repeat_savings_hourly WHERE {Mine} AND hour >= {WholeFrom}
                  UNION ALL
                  SELECT tenant_id, environment, at - at % {Measures.Hour}, provider, model, key_id, project_id, team_id, -1, -coalesce({Measures.MoneyOf("saved_nano")}, 0) FROM usage_events
                  WHERE {Mine} AND at >= {WholeFrom} AND routed = '{UsageEvent.FromCache}') AS d
            GROUP BY tenant_id, environment, hour, provider, model, key_id, project_id, team_id HAVING sum(repeats) <> 0 OR sum(saved_nano) <> 0
            """),
        ("repeats_cost_nothing", $"""
            SELECT tenant_id, request_id, attempt, cost_nano, price_status, usage, budget_nano, upper_bound_nano, saved_nano FROM usage_events WHERE {Mine} AND routed = '{UsageEvent.FromCache}'
            AND (cost_nano IS NULL OR cost_nano <> 0 OR price_status <> 'Free' OR usage <> '' OR budget_nano IS NOT NULL OR upper_bound_nano IS NOT NULL OR saved_nano < 0)
            """),
        // Periods of which events have been deleted can't be counted again. A lease that was taken from its node counts as spent, one by one.
        ("budget_posted_equals_events", $"""
            WITH counted AS (SELECT {BudgetRows.AccountColumns}, CAST(sum(amount) AS bigint) AS amount FROM ({BudgetRows.CountedOn(store, "usage_events", Mine)}) AS c GROUP BY {BudgetRows.AccountColumns}),
                 forfeited AS (SELECT {BudgetRows.AccountColumns}, CAST(sum(amount_nano) AS bigint) AS amount FROM budget_forfeits WHERE {Mine} GROUP BY {BudgetRows.AccountColumns})
            SELECT tenant_id, budget_id, subject, period_start, posted_nano, coalesce(counted.amount, 0) AS events, coalesce(forfeited.amount, 0) AS forfeited
            FROM budget_accounts LEFT JOIN counted USING ({BudgetRows.AccountColumns}) LEFT JOIN forfeited USING ({BudgetRows.AccountColumns})
            WHERE {Mine} AND period_start >= {Kept} AND posted_nano <> coalesce(counted.amount, 0) + coalesce(forfeited.amount, 0)
            """),
        ("budget_leased_equals_leases", $"""
            SELECT tenant_id, budget_id, subject, period_start, leased_nano, coalesce(leases.amount, 0) AS leases FROM budget_accounts
            LEFT JOIN (SELECT {BudgetRows.AccountColumns}, CAST(sum(granted_nano - returned_nano - consumed_nano) AS bigint) AS amount FROM budget_leases WHERE {Mine} GROUP BY {BudgetRows.AccountColumns}) AS leases USING ({BudgetRows.AccountColumns})
            WHERE {Mine} AND leased_nano <> coalesce(leases.amount, 0)
            """),
        ("leases_have_accounts", $"""
            SELECT tenant_id, budget_id, subject, period_start, owner, granted_nano - returned_nano - consumed_nano AS outstanding FROM budget_leases AS l WHERE {Mine}
            AND NOT EXISTS (SELECT 1 FROM budget_accounts AS a WHERE a.tenant_id = l.tenant_id AND a.budget_id = l.budget_id AND a.subject = l.subject AND a.period_start = l.period_start)
            """),
        // What the tables' own CHECKs refuse is looked for all the same: a restored dump or a repaired table may have lost them.
        ("budgets_within_limits", $"""
            SELECT tenant_id, budget_id, subject, period_start, limit_nano, posted_nano, leased_nano, excess_nano FROM budget_accounts WHERE {Mine}
            AND (posted_nano < 0 OR leased_nano < 0 OR excess_nano <> CASE WHEN posted_nano + leased_nano > limit_nano THEN posted_nano + leased_nano - limit_nano ELSE 0 END)
            """),
        ("leases_not_overdrawn", $"""
            SELECT tenant_id, budget_id, subject, period_start, owner, granted_nano, returned_nano, consumed_nano FROM budget_leases WHERE {Mine}
            AND (granted_nano < 0 OR returned_nano < 0 OR consumed_nano < 0 OR granted_nano - returned_nano - consumed_nano < 0)
            """),
        ("nothing_negative", $"""
            SELECT tenant_id, request_id, attempt, input_tokens, output_tokens, reasoning_tokens, cost_nano, budget_nano, latency_us, first_byte_us FROM usage_events WHERE {Mine}
            AND (input_tokens < 0 OR cache_read_tokens < 0 OR cache_write_tokens < 0 OR cache_write_1h_tokens < 0 OR output_tokens < 0 OR reasoning_tokens < 0 OR cost_nano < 0 OR budget_nano < 0
                 OR upper_bound_nano < 0 OR latency_us < 0 OR first_byte_us < 0)
            """),
    ];

    // What is as it should be and still wants to be looked at: amounts that budgets count and no cost explains.
    private static readonly (string Name, string Sql)[] Lists =
    [
        ("posted_at_upper_bound", $"SELECT tenant_id, request_id, attempt, outcome, budget_nano, cost_nano FROM usage_events WHERE {Mine} AND budget_nano IS NOT NULL ORDER BY at DESC, request_id, attempt"),
        ("lease_counted_as_spent", $"SELECT tenant_id, budget_id, subject, period_start, owner, amount_nano FROM budget_forfeits WHERE {Mine} AND amount_nano > 0 ORDER BY at DESC, owner"),
    ];

    // Hours of which every call was added by a version that keeps pairs.
    private const string Counted = "(tenant_id, environment, hour) NOT IN (SELECT tenant_id, environment, hour FROM usage_hourly WHERE counted <> calls)";

    // What the rollup has and what the events make, added with opposite signs: whatever is left is a difference, whichever side lacks the row.
    private static string Difference(string rollup, string key, string keyOfEvent, string events) => $"""
        SELECT {key}, {string.Join(", ", Measures.All.Select(m => $"CAST(sum({m.Column}) AS bigint) AS {m.Column}_too_many"))}
        FROM (SELECT {key}, {Measures.Columns} FROM {rollup} WHERE {Mine} AND hour >= {WholeFrom}
              UNION ALL
              SELECT {keyOfEvent}, {string.Join(", ", Measures.All.Select(m => $"-({m.OfEvent})"))} FROM {events} WHERE {Mine} AND at >= {WholeFrom}) AS d
        GROUP BY {key} HAVING {string.Join(" OR ", Measures.All.Select(m => $"sum({m.Column}) <> 0"))}
        """;

    // Only where the rollup says that it knows: null compares with nothing.
    private static string Dearest(string rollup, string key, string keyOfEvent, string events) => $"""
        SELECT {key}, max(dearest) AS in_rollup, max(cost) AS in_events
        FROM (SELECT {key}, CASE WHEN counted = calls THEN dearest_nano END AS dearest, NULL AS cost FROM {rollup} WHERE {Mine} AND hour >= {WholeFrom}
              UNION ALL
              SELECT {keyOfEvent}, NULL, coalesce(cost_nano, 0) FROM {events} WHERE {Mine} AND at >= {WholeFrom}) AS d
        GROUP BY {key} HAVING max(dearest) <> max(cost)
        """;

    private List<Finding> Rows(DbTransaction transaction, string name, string sql, string? tenantId)
    {
        var command = transaction.Command(
            $"{sql} LIMIT {Listed}", ("@tenant", tenantId ?? ""), ("@arrived", UsageRow.Micros(time.GetUtcNow() - StillArriving)), ("@now", UsageRow.Micros(time.GetUtcNow())));
        command.CommandTimeout = 0;
        return command.Rows(row => new Finding(name, string.Join(' ', Enumerable.Range(0, row.FieldCount)
            .Where(i => !(row.GetName(i).EndsWith("_too_many", StringComparison.Ordinal) && row.GetInt64(i) == 0))
            .Select(i => $"{row.GetName(i)}={(row.IsDBNull(i) ? "null" : Convert.ToString(row.GetValue(i), CultureInfo.InvariantCulture))}"))));
    }

    private static List<Finding> AuditChain(DbTransaction transaction, string? tenantId)
    {
        using var command = transaction.Command($"SELECT tenant_id, seq, at, actor, action, subject, result, detail, previous_hash, hash, remote FROM audit_log WHERE {Mine} ORDER BY tenant_id, seq", ("@tenant", tenantId ?? ""));
        command.CommandTimeout = 0;
        var found = new List<Finding>();
        var (tenant, seq, previous) = ("", 0L, new byte[32]);
        using var row = command.ExecuteReader();
        while (row.Read() && found.Count < Listed)
        {
            if (row.GetString(0) != tenant)
                (tenant, seq, previous) = (row.GetString(0), 0, new byte[32]);
            var where = $"tenant_id={tenant} seq={row.GetInt64(1)}";
            if (row.GetInt64(1) != seq + 1)
                found.Add(new Finding("audit_chain_intact", $"{where} follows seq={seq}: lines are missing between"));
            var (stored, hash) = ((byte[])row.GetValue(8), (byte[])row.GetValue(9));
            if (!stored.AsSpan().SequenceEqual(previous))
                found.Add(new Finding("audit_chain_intact", $"{where} doesn't continue from the line before"));
            var result = Enum.TryParse<AuditResult>(row.GetString(6), true, out var parsed) ? parsed : default;
            var computed = AuditEntry.ComputeHash(stored, tenant, row.GetInt64(1), UsageRow.Time(row.GetInt64(2)), row.GetString(3), row.GetString(4), row.GetString(5), result, row.GetString(7), row.IsDBNull(10) ? null : row.GetString(10));
            if (!computed.AsSpan().SequenceEqual(hash))
                found.Add(new Finding("audit_chain_intact", $"{where} action={row.GetString(4)} was changed after it was written"));
            (seq, previous) = (row.GetInt64(1), hash);
        }

        return found;
    }
}
