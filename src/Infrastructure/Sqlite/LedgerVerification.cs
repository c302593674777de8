using System.Globalization;
using Microsoft.Data.Sqlite;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Infrastructure.Sqlite;

public sealed class LedgerVerification(SqliteDatabase database, TimeProvider time) : ILedgerVerification
{
    private const int Listed = 100;

    // Attempts of one request are recorded one by one: a request this young may have its first still on the way.
    private static readonly TimeSpan StillArriving = TimeSpan.FromMinutes(15);

    public Task<VerificationReport> RunAsync(string? tenantId, CancellationToken cancellationToken) => Task.Run(() => Run(tenantId, cancellationToken), cancellationToken);

    private VerificationReport Run(string? tenantId, CancellationToken cancellationToken)
    {
        using var connection = database.Open();
        var findings = new List<Finding>();
        var results = new List<(string Name, List<Finding> Findings)>();
        using (connection.BeginTransaction(deferred: true)) // one snapshot for all checks; nothing is written in it
        {
            foreach (var (name, sql) in Statements)
            {
                cancellationToken.ThrowIfCancellationRequested();
                results.Add((name, Rows(connection, name, sql, tenantId)));
            }

            results.Add(("audit_chain_intact", AuditChain(connection, tenantId)));
        }

        foreach (var (name, found) in results)
        {
            findings.AddRange(found);
            using var command = connection.CreateCommand();
            command.CommandText = "INSERT INTO invariant_checks (at, tenant_id, check_name, findings, examples) VALUES ($at, $tenant, $name, $findings, $examples)";
            command.Parameters.AddWithValue("$at", UsageRow.Micros(time.GetUtcNow()));
            command.Parameters.AddWithValue("$tenant", tenantId ?? "");
            command.Parameters.AddWithValue("$name", name);
            command.Parameters.AddWithValue("$findings", found.Count);
            command.Parameters.AddWithValue("$examples", string.Join('\n', found.Take(5).Select(f => f.Row)));
            command.ExecuteNonQuery();
        }

        return new VerificationReport([.. results.Select(r => r.Name)], findings);
    }

    private const string Mine = "($tenant = '' OR tenant_id = $tenant)";
    private const string Kept = "coalesce((SELECT CAST(value AS INTEGER) FROM store_facts WHERE name = 'usage_delete_before'), 0)";

    // The first hour of which no event has been deleted.
    private const string WholeFrom = $"(SELECT {Kept} + (3600000000 - {Kept} % 3600000000) % 3600000000)";

    private static readonly (string Name, string Sql)[] Statements =
    [
        // Not by the index that should make it impossible: a damaged index would hide what it let in.
        ("one_row_per_attempt", $"SELECT request_id, attempt, count(*) AS rows FROM usage_events NOT INDEXED WHERE {Mine} GROUP BY request_id, attempt HAVING count(*) > 1"),
        ("one_tenant_per_request", $"SELECT request_id, min(tenant_id) AS tenant, max(tenant_id) AS other_tenant FROM usage_events WHERE {Mine} GROUP BY request_id HAVING min(tenant_id) <> max(tenant_id)"),
        ("attempts_contiguous", $"""
            SELECT tenant_id, request_id, min(attempt) AS first, max(attempt) AS last, count(*) AS rows FROM usage_events WHERE {Mine}
            GROUP BY tenant_id, request_id HAVING (min(attempt) <> 1 OR max(attempt) <> count(*)) AND max(at) < $arrived AND min(at) >= {Kept}
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
            $"tenant_id, environment, t.key, at - at % {Measures.Hour}, t.value, provider, model", "usage_events, json_each(usage_events.tags) AS t")),
        // Periods of which events have been deleted can't be counted again. A lease that was taken from its node counts as spent, one by one.
        ("budget_posted_equals_events", $"""
            WITH counted AS (SELECT account, sum(amount) AS amount FROM ({BudgetRows.CountedOn(Mine)}) GROUP BY account),
                 forfeited AS (SELECT {BudgetRows.AccountColumns}, sum(amount_nano) AS amount FROM budget_forfeits WHERE {Mine} GROUP BY {BudgetRows.AccountColumns})
            SELECT tenant_id, budget_id, subject, period_start, posted_nano, coalesce(counted.amount, 0) AS events, coalesce(forfeited.amount, 0) AS forfeited
            FROM budget_accounts LEFT JOIN counted ON counted.account = budget_accounts.rowid LEFT JOIN forfeited USING ({BudgetRows.AccountColumns})
            WHERE {Mine} AND period_start >= {Kept} AND posted_nano <> coalesce(counted.amount, 0) + coalesce(forfeited.amount, 0)
            """),
        ("budget_leased_equals_leases", $"""
            SELECT tenant_id, budget_id, subject, period_start, leased_nano, coalesce(leases.amount, 0) AS leases FROM budget_accounts
            LEFT JOIN (SELECT {BudgetRows.AccountColumns}, sum(granted_nano - returned_nano - consumed_nano) AS amount FROM budget_leases WHERE {Mine} GROUP BY {BudgetRows.AccountColumns}) AS leases USING ({BudgetRows.AccountColumns})
            WHERE {Mine} AND leased_nano <> coalesce(leases.amount, 0)
            """),
    ];

    // What the rollup has and what the events make, added with opposite signs: whatever is left is a difference, whichever side lacks the row.
    private static string Difference(string rollup, string key, string keyOfEvent, string events) => $"""
        SELECT {key}, {string.Join(", ", Measures.All.Select(m => $"sum({m.Column}) AS {m.Column}_too_many"))}
        FROM (SELECT {key}, {Measures.Columns} FROM {rollup} WHERE {Mine} AND hour >= {WholeFrom}
              UNION ALL
              SELECT {keyOfEvent}, {string.Join(", ", Measures.All.Select(m => $"-({m.OfEvent})"))} FROM {events} WHERE {Mine} AND at >= {WholeFrom})
        GROUP BY {key} HAVING {string.Join(" OR ", Measures.All.Select(m => $"sum({m.Column}) <> 0"))}
        """;

    private List<Finding> Rows(SqliteConnection connection, string name, string sql, string? tenantId)
    {
        using var command = connection.CreateCommand();
        command.CommandText = $"{sql} LIMIT {Listed}";
        command.CommandTimeout = 0;
        command.Parameters.AddWithValue("$tenant", tenantId ?? "");
        command.Parameters.AddWithValue("$arrived", UsageRow.Micros(time.GetUtcNow() - StillArriving));
        var found = new List<Finding>();
        using var row = command.ExecuteReader();
        while (row.Read())
            found.Add(new Finding(name, string.Join(' ', Enumerable.Range(0, row.FieldCount)
                .Where(i => !(row.GetName(i).EndsWith("_too_many", StringComparison.Ordinal) && row.GetInt64(i) == 0))
                .Select(i => $"{row.GetName(i)}={(row.IsDBNull(i) ? "null" : Convert.ToString(row.GetValue(i), CultureInfo.InvariantCulture))}"))));
        return found;
    }

    private static List<Finding> AuditChain(SqliteConnection connection, string? tenantId)
    {
        using var command = connection.CreateCommand();
        command.CommandText = $"SELECT tenant_id, seq, at, actor, action, subject, result, detail, previous_hash, hash FROM audit_log WHERE {Mine} ORDER BY tenant_id, seq";
        command.Parameters.AddWithValue("$tenant", tenantId ?? "");
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
            var computed = AuditEntry.ComputeHash(stored, tenant, row.GetInt64(1), UsageRow.Time(row.GetInt64(2)), row.GetString(3), row.GetString(4), row.GetString(5), result, row.GetString(7));
            if (!computed.AsSpan().SequenceEqual(hash))
                found.Add(new Finding("audit_chain_intact", $"{where} action={row.GetString(4)} was changed after it was written"));
            (seq, previous) = (row.GetInt64(1), hash);
        }

        return found;
    }
}
