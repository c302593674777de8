using System.Data.Common;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Alerts;

/// <summary>Alerts on their way into the store. That each is told once is held by two unique indexes: of causes, and of open conditions.</summary>
internal sealed class AlertBook(ISqlStore store, PlanBook plans, BillingOptions billing, TimeProvider time) : IAlertBook
{
    public Task<bool> TellAsync(AlertDraft draft, CancellationToken cancellationToken) => store.WriteAsync(transaction => Tell(transaction, draft), cancellationToken);

    public Task<bool> ResolveAsync(AlertEnd ending, CancellationToken cancellationToken) => store.WriteAsync(transaction => Resolve(transaction, ending), cancellationToken);

    public Task<IReadOnlyList<OpenAlert>> OpenAsync(AlertKind kind, CancellationToken cancellationToken) => Task.Run<IReadOnlyList<OpenAlert>>(
        () =>
        {
            using var connection = store.Open();
            return connection.Command(null, "SELECT tenant_id, id, condition, at FROM alerts WHERE condition IS NOT NULL AND resolved_at IS NULL AND kind = @kind ORDER BY tenant_id, id", ("@kind", kind.Word()))
                .Rows(row => new OpenAlert(row.GetString(0), row.GetString(1), row.GetString(2), UsageRow.Time(row.GetInt64(3))));
        },
        cancellationToken);

    /// <summary>The same within the transaction of whoever found it.</summary>
    public bool Tell(DbTransaction transaction, AlertDraft draft)
    {
        var id = SortableId.New("alert", time.GetUtcNow());
        if (!Insert(transaction, id, draft, resolves: null))
            return false;
        // It stands on the page on every plan; being told of it is what some plans have.
        if (MayBeTold(transaction, draft.TenantId))
            transaction.Execute(
                """
                INSERT INTO alert_deliveries (tenant_id, alert_id, channel_id, next_at)
                SELECT tenant_id, @id, id, @now FROM alert_channels
                WHERE tenant_id = @tenant AND disabled_at IS NULL AND removed_at IS NULL AND ',' || leaves_out || ',' NOT LIKE @kind AND ',' || @kinds || ',' LIKE '%,' || kind || ',%'
                """,
                ("@tenant", draft.TenantId), ("@id", id), ("@now", UsageRow.Micros(time.GetUtcNow())), ("@kind", $"%,{draft.Kind.Word()},%"),
                ("@kinds", string.Join(',', Enum.GetValues<ChannelKind>().Where(c => draft.Kind.GoesTo(c)).Select(c => c.ToString().ToLowerInvariant()))));
        return true;
    }

    private bool Resolve(DbTransaction transaction, AlertEnd end)
    {
        var open = transaction.Command(
            "SELECT id, kind, scope, scope_name, scope_value, title, path FROM alerts WHERE tenant_id = @tenant AND condition = @condition AND resolved_at IS NULL", ("@tenant", end.TenantId), ("@condition", end.Condition))
            .Rows(row => (
                Id: row.GetString(0), Kind: AlertKinds.Parse(row.GetString(1)) ?? AlertKind.Test, Subject: new AlertSubject(row.GetString(2), row.GetString(3), row.GetString(4)), Title: row.GetString(5), Path: row.GetString(6)));
        var (now, id) = (time.GetUtcNow(), SortableId.New("alert", time.GetUtcNow()));
        if (open.Count == 0
            || transaction.Execute("UPDATE alerts SET resolved_at = @at WHERE tenant_id = @tenant AND id = @id AND resolved_at IS NULL", ("@tenant", end.TenantId), ("@id", open[0].Id), ("@at", UsageRow.Micros(end.At))) != 1
            || !Insert(transaction, id, new AlertDraft(end.TenantId, "end:" + open[0].Id, open[0].Kind, AlertSeverity.Info, open[0].Subject, "Over: " + open[0].Title, end.Text, open[0].Path, end.Facts, end.At), open[0].Id))
            return false;
        transaction.Execute(
            """
            INSERT INTO alert_deliveries (tenant_id, alert_id, channel_id, next_at)
            SELECT d.tenant_id, @id, d.channel_id, @now FROM alert_deliveries AS d JOIN alert_channels AS c ON c.tenant_id = d.tenant_id AND c.id = d.channel_id
            WHERE d.tenant_id = @tenant AND d.alert_id = @of AND d.failed_at IS NULL AND c.disabled_at IS NULL AND c.removed_at IS NULL
            """,
            ("@tenant", end.TenantId), ("@id", id), ("@of", open[0].Id), ("@now", UsageRow.Micros(now)));
        return true;
    }

    // Whoever was first with the cause, or with the condition, has told it.
    private static bool Insert(DbTransaction transaction, string id, AlertDraft draft, string? resolves) => transaction.Execute(
        """
        INSERT INTO alerts (tenant_id, id, cause, kind, severity, scope, scope_name, scope_value, title, text, path, facts, at, condition, resolves)
        VALUES (@tenant, @id, @cause, @kind, @severity, @scope, @scopeName, @scopeValue, @title, @text, @path, @facts, @at, nullif(@condition, ''), nullif(@resolves, ''))
        ON CONFLICT DO NOTHING
        """,
        ("@tenant", draft.TenantId), ("@id", id), ("@cause", draft.Cause), ("@kind", draft.Kind.Word()), ("@severity", draft.Severity.ToString().ToLowerInvariant()), ("@scope", draft.Subject.Scope),
        ("@scopeName", draft.Subject.Name), ("@scopeValue", draft.Subject.Value), ("@title", draft.Title), ("@text", draft.Text), ("@path", draft.Path), ("@facts", AlertFacts.Write(draft.Facts)), ("@at", UsageRow.Micros(draft.At)),
        ("@condition", draft.Condition ?? ""), ("@resolves", resolves ?? "")) == 1;

    private bool MayBeTold(DbTransaction transaction, string tenantId) => !billing.Enabled
        || (plans.Find(transaction.Command("SELECT plan FROM billing_accounts WHERE tenant_id = @tenant", ("@tenant", tenantId)).Rows(row => row.GetString(0)).FirstOrDefault()) ?? plans.Free).Has(PlanFeatures.Alerts);
}
