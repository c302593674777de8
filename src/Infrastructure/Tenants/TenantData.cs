using System.Data.Common;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Tenants;

/// <summary>Everything of a tenant in a relational store: how it is read out, and how it is deleted.</summary>
public sealed class TenantData(ISqlStore store, AuditAppender audit, TimeProvider time) : ITenantData
{
    private const int PageSize = 1000;
    private const int BatchSize = 5000;

    private static readonly string OverSubscriptions = string.Join(", ", Subscription.Over.Select(s => $"'{s.ToString().ToLowerInvariant()}'"));

    /// <param name="Key">The columns of its key behind the tenant; empty for the tenant's own row.</param>
    /// <param name="Columns">What is exported; null for a table that is only deleted.</param>
    private sealed record Table(string Name, string[] Key, string[]? Columns, string Tenant = "tenant_id");

    // In an order in which rows can be deleted: nothing that another table still refers to. Hashes, sealed keys and look-up ids are in no export.
    private static readonly Table[] Tables =
    [
        new("alert_deliveries", ["alert_id", "channel_id"], ["alert_id", "channel_id", "attempts", "next_at", "tried_at", "delivered_at", "failed_at", "answer", "dropped_at", "round"]),
        new("alerts", ["id"], ["id", "kind", "severity", "title", "text", "path", "facts", "at", "scope", "scope_name", "scope_value", "condition", "resolved_at", "resolves", "mute_id", "acknowledged_at", "acknowledged_by"]),
        new("alert_mutes", ["id"], ["id", "kind", "scope", "scope_name", "scope_value", "until", "why", "at", "muted_by", "ended_at", "ended_by", "applied_at"]),
        new("alert_rules", ["id"], ["id", "kind", "scope", "scope_name", "scope_value", "is_on", "floor_nano", "ratio_percent", "hours", "failing_percent", "least_calls", "unused_days", "changed_at", "changed_by"]),
        new("alert_settings", [], ["quiet_days", "quiet_from", "quiet_to", "quiet_pager", "changed_at", "changed_by"]),
        new("alert_channels", ["id"], ["id", "kind", "name", "shown", "leaves_out", "created_at", "created_by", "disabled_at", "disabled_why", "removed_at"]),
        new("budget_alerts", ["id"], ["id", "budget_id", "subject", "period_start", "kind", "threshold", "request", "posted_nano", "limit_nano", "at", "delivered_at"]),
        new("budget_forfeits", ["budget_id", "subject", "period_start", "owner"], ["budget_id", "subject", "period_start", "owner", "amount_nano", "at"]),
        new("budget_leases", ["budget_id", "subject", "period_start", "owner"], null),
        new("budget_accounts", ["budget_id", "subject", "period_start"], ["budget_id", "subject", "period_start", "period_end", "limit_nano", "posted_nano", "leased_nano", "excess_nano", "opened_at"]),
        new("budgets", ["id"],
            ["id", "scope", "scope_name", "scope_value", "environment", "period", "limit_nano", "action", "downgrade_to", "mode", "clamp", "wait_ms", "fail_open", "increase_nano", "increase_until", "thresholds", "created_at", "created_by", "ended_at"]),
        new("customer_terms", ["customer", "from_month"], ["customer", "from_month", "markup_basis_points", "rates", "changed_at", "changed_by"]),
        new("meter_reports", ["live", "customer", "hour", "serial"],
            ["live", "customer", "hour", "serial", "cents", "at", "identifier", "state", "stripe_customer", "event_name", "planned_at", "unsure_since", "done_at", "tries", "problem"]),
        new("metered_customers", ["customer"], ["customer", "stripe_customer", "from_month", "connected_at", "connected_by", "problem"]),
        new("stripe_meters", [], ["masked_key", "live", "event_name", "stored_at", "stored_by", "from_month", "planned_until", "ran_at", "problem"]),
        new("payment_troubles", ["id"], ["id", "kind", "amount", "currency", "status", "reason", "is_open", "at", "asked_at"]),
        new("billing_accounts", [], ["plan", "plan_since", "reason", "ends_at", "granted_plan", "customer_id", "subscription_id", "subscription_status", "period_end", "checkout_id", "synced_at"]),
        new("idempotency_keys", ["key_id", "key_hash"], null),
        new("provider_credentials", ["id"], ["id", "provider", "last4", "created_at", "created_by", "ended_at", "ended_by", "tested_at", "test_passed", "test_answer"]),
        new("secrets", ["id"], null),
        new("custom_endpoints", ["name"], ["name", "base_url", "surface", "created_at", "created_by"]),
        new("routing_events", ["id"], ["id", "environment", "route_id", "candidate", "class", "kind", "detail", "at"]),
        new("routing_signals", ["environment", "route_id", "strong", "candidate", "class", "of_candidate", "signal"], ["environment", "route_id", "strong", "candidate", "class", "of_candidate", "signal", "times"]),
        new("routing_weeks", ["environment", "route_id", "strong", "candidate", "week", "keep_permille"], ["environment", "route_id", "strong", "candidate", "week", "keep_permille", "labels", "strong_sum", "candidate_sum", "strong_squares", "candidate_squares", "products"]),
        new("routing_daily", ["environment", "route_id", "class", "day", "reason", "model"], ["environment", "route_id", "class", "day", "reason", "model", "calls", "cost_nano", "saved_nano"]),
        new("routing_classes", ["environment", "route_id", "class"], ["environment", "route_id", "class", "key_id", "tools", "format", "has_system", "first_seen"]),
        new("routing_sums", ["environment", "route_id", "strong", "candidate"], ["environment", "route_id", "strong", "candidate", "strong_answered", "candidate_answered", "changed_at"]),
        new("model_routes", ["id"], ["id", "name", "policy", "created_at", "created_by", "changed_at", "changed_by"]),
        new("price_overrides", ["id"], ["id", "provider", "model", "rates", "valid_from", "created_at", "created_by"]),
        new("api_tokens", ["id"], ["id", "name", "role", "created_at", "created_by", "expires_at", "revoked_at", "revoked_by"]),
        new("metering_keys", ["id"],
            ["id", "name", "environment", "team_id", "project_id", "tags", "created_at", "created_by", "expires_at", "revoked_at", "revoked_by", "replaced_by", "requests_per_minute", "tokens_per_minute", "concurrent_requests", "allowed_providers", "allowed_models", "cache_seconds"]),
        new("projects", ["id"], ["id", "name", "team_id", "created_at", "archived_at"]),
        new("teams", ["id"], ["id", "name", "created_at", "archived_at"]),
        new("invitations", ["id"], ["id", "email", "role", "created_at", "created_by", "sent_at", "expires_at", "accepted_at", "accepted_by", "withdrawn_at"]),
        new("tenant_claims", [], null),
        new("members", ["id"], ["id", "email", "role", "created_at"]),
        new("usage_hourly", ["environment", "hour", "provider", "model", "key_id", "project_id", "team_id"], ["environment", "hour", "provider", "model", "key_id", "project_id", "team_id", .. Measures.All.Select(m => m.Column)]),
        new("usage_hourly_tags", ["environment", "tag", "hour", "tag_value", "provider", "model"], ["environment", "tag", "hour", "tag_value", "provider", "model", .. Measures.All.Select(m => m.Column)]),
        new("usage_hourly_pairs", ["environment", "hour", "customer", "feature"], ["environment", "hour", "customer", "feature", .. Measures.All.Select(m => m.Column)]),
        new("refusals_hourly", ["environment", "hour", "code", "key_id", "run"], ["environment", "hour", "code", "key_id", "run", "calls"]),
        new("cache_savings_hourly", ["environment", "hour", "provider", "model", "key_id", "project_id", "team_id"], ["environment", "hour", "provider", "model", "key_id", "project_id", "team_id", "saved_nano", "extra_nano"]),
        new("repeat_savings_hourly", ["environment", "hour", "provider", "model", "key_id", "project_id", "team_id"], ["environment", "hour", "provider", "model", "key_id", "project_id", "team_id", "repeats", "saved_nano"]),
        new("usage_late", [], null),
        new("palette_places", ["dimension", "value"], null),
        new("usage_events", ["at", "request_id", "attempt"], [.. UsageRow.Columns.Where(c => c != "tenant_id")]),
        new("audit_log", ["seq"], ["seq", "at", "actor", "action", "subject", "result", "detail", "remote", "previous_hash", "hash"]),
        new("tenants", [], ["id", "name", "plan", "time_zone", "earlier_zones", "status", "created_at", "requests_per_minute", "tokens_per_minute", "concurrent_requests", "on_disconnect", "unpriced", "retention_days", "delete_at"], "id"),
    ];

    /// <summary>The tables that this knows, for the test that it knows all.</summary>
    internal static IEnumerable<string> Known => Tables.Select(t => t.Name);

    public async IAsyncEnumerable<ExportLine> ReadAsync(string tenantId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var table in Tables.Reverse())
        {
            if (table.Columns is null)
                continue;
            object[]? last = null;
            while (true)
            {
                var (lines, end) = await Task.Run(() => ReadPage(table, tenantId, last), cancellationToken);
                foreach (var line in lines)
                    yield return line;
                if (lines.Count < PageSize || table.Key.Length == 0)
                    break;
                last = end;
            }
        }
    }

    private (List<ExportLine> Lines, object[] Last) ReadPage(Table table, string tenantId, object[]? after)
    {
        using var connection = store.Open();
        using var command = connection.Command(null, "", ("@tenant", tenantId));
        var beyond = "";
        if (after is not null)
        {
            var places = after.Select((value, i) => command.Add("@a" + i.ToString(CultureInfo.InvariantCulture), value).ParameterName).ToList();
            beyond = $" AND ({string.Join(", ", table.Key)}) > ({string.Join(", ", places)})";
        }

        command.CommandText = $"""
            SELECT {string.Join(", ", table.Key.Concat(table.Columns!))} FROM {table.Name} WHERE {table.Tenant} = @tenant{beyond}
            {(table.Key.Length == 0 ? "" : $"ORDER BY {string.Join(", ", table.Key)}")} LIMIT {PageSize}
            """;
        object[] last = [];
        var lines = command.Rows(row =>
        {
            last = [.. Enumerable.Range(0, table.Key.Length).Select(row.GetValue)];
            return new ExportLine(table.Name, Json(row, table.Key.Length));
        });
        return (lines, last);
    }

    private static ReadOnlyMemory<byte> Json(DbDataReader row, int first)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            for (var i = first; i < row.FieldCount; i++)
            {
                json.WritePropertyName(row.GetName(i));
                switch (row.IsDBNull(i) ? null : row.GetValue(i))
                {
                    case null:
                        json.WriteNullValue();
                        break;
                    case string value:
                        json.WriteStringValue(value);
                        break;
                    case bool value:
                        json.WriteBooleanValue(value);
                        break;
                    case byte[] value:
                        json.WriteStringValue(Convert.ToHexStringLower(value));
                        break;
                    case var number:
                        json.WriteNumberValue(Convert.ToInt64(number, CultureInfo.InvariantCulture));
                        break;
                }
            }

            json.WriteEndObject();
        }

        return text.ToArray();
    }

    public async Task<IReadOnlyList<string>> EraseDueAsync(CancellationToken cancellationToken)
    {
        var (due, before) = await Task.Run(Due, cancellationToken);
        var gone = new List<string>();
        foreach (var tenant in due)
        {
            // From here on it can't be cancelled, and a run that breaks off is taken up by the next.
            if (!await BeginAsync(tenant, cancellationToken))
                continue;
            await DeleteAllAsync(tenant, cancellationToken);
            gone.Add(tenant);
        }

        foreach (var tenant in before)
            await DeleteAllAsync(tenant, cancellationToken);
        return gone;
    }

    private (List<string> Due, List<string> Before) Due()
    {
        using var connection = store.Open();
        return (
            // Whose subscription still runs is charged for it: its end is waited for, a week at most, should the payment provider never be asked again.
            connection.Command(
                null,
                $"""
                SELECT id FROM tenants AS t WHERE delete_at <= @now AND id NOT IN (SELECT tenant_id FROM tenant_erasures)
                AND (delete_at <= @weekAgo OR NOT EXISTS (SELECT 1 FROM billing_accounts AS b WHERE b.tenant_id = t.id AND b.subscription_status IS NOT NULL AND b.subscription_status NOT IN ({OverSubscriptions}))) ORDER BY id
                """,
                ("@now", UsageRow.Micros(time.GetUtcNow())), ("@weekAgo", UsageRow.Micros(time.GetUtcNow().AddDays(-7)))).Rows(row => row.GetString(0)),
            connection.Command(null, "SELECT tenant_id FROM tenant_erasures ORDER BY tenant_id").Rows(row => row.GetString(0)));
    }

    private Task<bool> BeginAsync(string tenant, CancellationToken cancellationToken) => audit.InTransactionAsync(
        AuditEntry.SystemTenant, "workers", "erase_tenant", tenant,
        transaction =>
        {
            var now = UsageRow.Micros(time.GetUtcNow());
            if (transaction.Command("SELECT 1 FROM tenants WHERE id = @tenant AND delete_at <= @now", ("@tenant", tenant), ("@now", now)).Rows(_ => true).Count == 0)
                return null; // cancelled in the last moment
            if (transaction.Execute("INSERT INTO tenant_erasures (tenant_id, at) VALUES (@tenant, @now) ON CONFLICT DO NOTHING", ("@tenant", tenant), ("@now", now)) == 0)
                return null; // another node was first
            // Its keys end for directories now, while its row still tells them of it.
            transaction.Execute("UPDATE metering_keys SET revoked_at = @now, revoked_by = 'workers' WHERE tenant_id = @tenant AND revoked_at IS NULL", ("@tenant", tenant), ("@now", now));
            var last = transaction.Command("SELECT seq, hash FROM audit_log WHERE tenant_id = @tenant ORDER BY seq DESC LIMIT 1", ("@tenant", tenant)).Rows(row => $"its audit log's last line: {row.GetInt64(0)} {Convert.ToHexStringLower((byte[])row.GetValue(1))}");
            return last.Count > 0 ? last[0] : "it had no audit log";
        },
        cancellationToken);

    private async Task DeleteAllAsync(string tenant, CancellationToken cancellationToken)
    {
        foreach (var table in Tables)
            while (await store.WriteAsync(transaction => Delete(transaction, table, tenant), cancellationToken) >= BatchSize)
            {
            }

        await store.WriteAsync(transaction => transaction.Execute("DELETE FROM store_facts WHERE name = @name", ("@name", Retention.LineOf(tenant))), cancellationToken);
    }

    // A batch at a time: others wait for a moment, not for millions of rows.
    private static int Delete(DbTransaction transaction, Table table, string tenant)
    {
        if (table.Key.Length == 0)
            return transaction.Execute($"DELETE FROM {table.Name} WHERE {table.Tenant} = @tenant", ("@tenant", tenant));
        var key = string.Join(", ", table.Key);
        return transaction.Execute($"DELETE FROM {table.Name} WHERE tenant_id = @tenant AND ({key}) IN (SELECT {key} FROM {table.Name} WHERE tenant_id = @tenant LIMIT {BatchSize})", ("@tenant", tenant));
    }
}
