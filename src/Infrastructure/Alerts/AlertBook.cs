using System.Data.Common;
using System.Globalization;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Alerts;

/// <summary>
/// Alerts on their way into the store, and to whom they are told when: mutes and quiet hours are kept in the transaction that makes an alert. That each is told once is held by two unique
/// indexes: of causes, and of open conditions.
/// </summary>
internal sealed class AlertBook(ISqlStore store, PlanBook plans, BillingOptions billing, TimeProvider time) : IAlertBook
{
    private const int Batch = 100;

    private long _lastId; // unix milliseconds

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

    public Task<string?> LastCauseAsync(string tenantId, AlertKind kind, AlertSubject subject, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            using var connection = store.Open();
            return connection.Command(
                null,
                "SELECT cause FROM alerts WHERE tenant_id = @tenant AND kind = @kind AND scope = @scope AND scope_name = @name AND scope_value = @value AND resolves IS NULL ORDER BY id DESC LIMIT 1",
                ("@tenant", tenantId), ("@kind", kind.Word()), ("@scope", subject.Scope), ("@name", subject.Name), ("@value", subject.Value)).Rows(row => row.GetString(0)).FirstOrDefault();
        },
        cancellationToken);

    /// <summary>The same within the transaction of whoever found it.</summary>
    public bool Tell(DbTransaction transaction, AlertDraft draft)
    {
        var (id, mute) = (NextId(), MuteOf(transaction, draft.TenantId, draft.Kind, draft.Severity, draft.Subject));
        if (!Insert(transaction, id, draft, resolves: null, mute))
            return false;
        if (mute is null)
            Deliver(transaction, draft.TenantId, id, draft.Kind, draft.Severity);
        return true;
    }

    // Alerts are read in the order of their ids, and two of one millisecond would stand in any: "used up" before "80 % spent".
    private string NextId()
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        while (true)
        {
            var last = Interlocked.Read(ref _lastId);
            var next = last - now is >= 0 and < 1000 ? last + 1 : now; // a clock that was set back is believed
            if (Interlocked.CompareExchange(ref _lastId, next, last) == last)
                return SortableId.New("alert", DateTimeOffset.FromUnixTimeMilliseconds(next));
        }
    }

    /// <summary>Holds back what waits and is covered by a new mute, and tells what is still open as a mute ends.</summary>
    /// <returns>How many mutes and alerts were looked at; 0 where nothing is left to do.</returns>
    public async Task<int> MindMutesAsync(CancellationToken cancellationToken)
    {
        var (begun, ended) = await Task.Run(Due, cancellationToken);
        var (done, failed) = (0, default(Exception));
        foreach (var work in begun.Select(b => (Func<DbTransaction, int>)(t => HoldBack(t, b.TenantId, b.Mute))).Concat(ended.Select(e => (Func<DbTransaction, int>)(t => LetGo(t, e.TenantId, e.AlertId, e.MuteId)))))
        {
            try
            {
                await store.WriteAsync(work, cancellationToken);
                done++;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failed = e; // one tenant's keeps no other's from being minded
            }
        }

        return done == 0 && failed is not null ? throw failed : done;
    }

    private (List<(string TenantId, AlertMute Mute)> Begun, List<(string TenantId, string AlertId, string MuteId)> Ended) Due()
    {
        using var connection = store.Open();
        return (
            connection.Command(null, $"SELECT tenant_id, {MuteColumns} FROM alert_mutes WHERE applied_at IS NULL ORDER BY tenant_id, id LIMIT @limit", ("@limit", Batch)).Rows(row => (row.GetString(0), ReadMute(row, 1))),
            connection.Command(
                null,
                """
                SELECT a.tenant_id, a.id, a.mute_id FROM alerts AS a JOIN alert_mutes AS m ON m.tenant_id = a.tenant_id AND m.id = a.mute_id
                WHERE a.mute_id IS NOT NULL AND a.condition IS NOT NULL AND a.resolved_at IS NULL AND (m.ended_at IS NOT NULL OR m.until <= @now) ORDER BY a.tenant_id, a.id LIMIT @limit
                """,
                ("@now", UsageRow.Micros(time.GetUtcNow())), ("@limit", Batch)).Rows(row => (row.GetString(0), row.GetString(1), row.GetString(2))));
    }

    // What is open is told again at the mute's end; what waits for a quiet time's end isn't sent. What was tried already goes on: its receiver may have it.
    private int HoldBack(DbTransaction transaction, string tenant, AlertMute mute)
    {
        var now = UsageRow.Micros(time.GetUtcNow());
        if (transaction.Execute("UPDATE alert_mutes SET applied_at = @now WHERE tenant_id = @tenant AND id = @id AND applied_at IS NULL", ("@tenant", tenant), ("@id", mute.Id), ("@now", now)) != 1)
            return 0;
        // Over before anybody carried: it held nothing back.
        if (transaction.Command("SELECT 1 FROM alert_mutes WHERE tenant_id = @tenant AND id = @id AND (ended_at IS NOT NULL OR until <= @now)", ("@tenant", tenant), ("@id", mute.Id), ("@now", now)).Rows(_ => true).Count > 0)
            return 1;
        var concerned = transaction.Command(
            """
            SELECT id, kind, severity, scope, scope_name, scope_value FROM alerts AS a
            WHERE tenant_id = @tenant AND resolves IS NULL AND (kind = @kind OR @kind = '')
              AND ((condition IS NOT NULL AND resolved_at IS NULL) OR id IN (SELECT alert_id FROM alert_deliveries WHERE tenant_id = @tenant AND next_at IS NOT NULL AND attempts = 0))
            """,
            ("@tenant", tenant), ("@kind", mute.Kind?.Word() ?? "")).Rows(row => (
            Id: row.GetString(0), Kind: AlertKinds.Parse(row.GetString(1)) ?? AlertKind.Test, Severity: Enum.Parse<AlertSeverity>(row.GetString(2), ignoreCase: true), Subject: new AlertSubject(row.GetString(3), row.GetString(4), row.GetString(5))));
        foreach (var alert in concerned)
        {
            if (!mute.Covers(alert.Kind, alert.Severity, AlertScopes.NarrowestFirst(transaction, tenant, alert.Subject)))
                continue;
            transaction.Execute("UPDATE alerts SET mute_id = @mute WHERE tenant_id = @tenant AND id = @id", ("@tenant", tenant), ("@id", alert.Id), ("@mute", mute.Id));
            transaction.Execute("DELETE FROM alert_deliveries WHERE tenant_id = @tenant AND alert_id = @id AND next_at IS NOT NULL AND attempts = 0 AND round = 1", ("@tenant", tenant), ("@id", alert.Id));
            transaction.Execute(
                "UPDATE alert_deliveries SET next_at = NULL, dropped_at = @now, answer = @answer WHERE tenant_id = @tenant AND alert_id = @id AND next_at IS NOT NULL AND attempts = 0",
                ("@tenant", tenant), ("@id", alert.Id), ("@now", now), ("@answer", "muted"));
        }

        return 1;
    }

    private int LetGo(DbTransaction transaction, string tenant, string id, string muteId)
    {
        var open = transaction.Command(
            "SELECT kind, severity, scope, scope_name, scope_value FROM alerts WHERE tenant_id = @tenant AND id = @id AND mute_id = @mute AND condition IS NOT NULL AND resolved_at IS NULL" + store.ForUpdate, ("@tenant", tenant), ("@id", id), ("@mute", muteId))
            .Rows(row => (Kind: AlertKinds.Parse(row.GetString(0)) ?? AlertKind.Test, Severity: Enum.Parse<AlertSeverity>(row.GetString(1), ignoreCase: true), Subject: new AlertSubject(row.GetString(2), row.GetString(3), row.GetString(4))));
        if (open.Count == 0)
            return 0;
        var (kind, severity, subject) = open[0];
        // Another may have begun meanwhile.
        var next = MuteOf(transaction, tenant, kind, severity, subject);
        transaction.Execute("UPDATE alerts SET mute_id = nullif(@next, '') WHERE tenant_id = @tenant AND id = @id", ("@tenant", tenant), ("@id", id), ("@next", next ?? ""));
        if (next is null)
            Deliver(transaction, tenant, id, kind, severity);
        return 1;
    }

    private const string MuteColumns = "id, kind, scope, scope_name, scope_value, at, until";

    private static AlertMute ReadMute(DbDataReader row, int first) => new(
        row.GetString(first), row.IsDBNull(first + 1) ? null : AlertKinds.Parse(row.GetString(first + 1)) ?? AlertKind.Test, new AlertSubject(row.GetString(first + 2), row.GetString(first + 3), row.GetString(first + 4)),
        UsageRow.Time(row.GetInt64(first + 5)), row.IsDBNull(first + 6) ? null : UsageRow.Time(row.GetInt64(first + 6)));

    // The one that lasts longest, where several cover it.
    private string? MuteOf(DbTransaction transaction, string tenant, AlertKind kind, AlertSeverity severity, AlertSubject subject)
    {
        var running = transaction.Command(
            $"SELECT {MuteColumns} FROM alert_mutes WHERE tenant_id = @tenant AND ended_at IS NULL AND (until IS NULL OR until > @now) AND (kind IS NULL OR kind = @kind)",
            ("@tenant", tenant), ("@now", UsageRow.Micros(time.GetUtcNow())), ("@kind", kind.Word())).Rows(row => ReadMute(row, 0));
        if (running.Count == 0)
            return null;
        var subjects = AlertScopes.NarrowestFirst(transaction, tenant, subject);
        return running.Where(m => m.Covers(kind, severity, subjects)).OrderByDescending(m => m.Until ?? DateTimeOffset.MaxValue).FirstOrDefault()?.Id;
    }

    // It stands on the page on every plan; being told of it is what some plans have. Who was told before (a mute came between) is told again, as another message.
    private void Deliver(DbTransaction transaction, string tenant, string id, AlertKind kind, AlertSeverity severity)
    {
        if (!MayBeTold(transaction, tenant))
            return;
        var now = time.GetUtcNow();
        var (later, atOnce) = Quiet(transaction, tenant, severity, now);
        transaction.Execute(
            """
            INSERT INTO alert_deliveries (tenant_id, alert_id, channel_id, next_at)
            SELECT tenant_id, @id, id, CASE WHEN ',' || @atOnce || ',' LIKE '%,' || kind || ',%' THEN @now ELSE @later END FROM alert_channels
            WHERE tenant_id = @tenant AND disabled_at IS NULL AND removed_at IS NULL AND ',' || leaves_out || ',' NOT LIKE @kind AND ',' || @kinds || ',' LIKE '%,' || kind || ',%'
            ON CONFLICT (tenant_id, alert_id, channel_id) DO UPDATE
            SET round = alert_deliveries.round + 1, attempts = 0, next_at = excluded.next_at, tried_at = NULL, delivered_at = NULL, failed_at = NULL, dropped_at = NULL, answer = NULL WHERE alert_deliveries.next_at IS NULL
            """,
            ("@tenant", tenant), ("@id", id), ("@now", UsageRow.Micros(now)), ("@later", UsageRow.Micros(later ?? now)), ("@atOnce", Words(atOnce)), ("@kind", $"%,{kind.Word()},%"),
            ("@kinds", Words(Enum.GetValues<ChannelKind>().Where(c => kind.GoesTo(c)))));
    }

    private static string Words(IEnumerable<ChannelKind> kinds) => string.Join(',', kinds.Select(c => c.ToString().ToLowerInvariant()));

    // Until when people aren't disturbed, null where they are; and what is told at once all the same: programs, and PagerDuty where the tenant says so.
    private static (DateTimeOffset? Later, ChannelKind[] AtOnce) Quiet(DbTransaction transaction, string tenant, AlertSeverity severity, DateTimeOffset now)
    {
        if (severity == AlertSeverity.Critical)
            return (null, []);
        var settings = transaction.Command(
            "SELECT s.quiet_days, s.quiet_from, s.quiet_to, s.quiet_pager, t.time_zone FROM alert_settings AS s JOIN tenants AS t ON t.id = s.tenant_id WHERE s.tenant_id = @tenant AND s.quiet_days <> ''", ("@tenant", tenant))
            .Rows(row => (Hours: AlertSettings.Read(row.GetString(0), row.GetInt32(1), row.GetInt32(2)), PagerWaits: row.GetBoolean(3), Zone: TimeZoneInfo.FindSystemTimeZoneById(row.GetString(4))));
        return settings.Count == 0 ? (null, []) : (settings[0].Hours.EndAt(now, settings[0].Zone), settings[0].PagerWaits ? [ChannelKind.Webhook] : [ChannelKind.Webhook, ChannelKind.PagerDuty]);
    }

    private bool Resolve(DbTransaction transaction, AlertEnd end)
    {
        var open = transaction.Command(
            "SELECT id, kind, scope, scope_name, scope_value, title, path, severity FROM alerts WHERE tenant_id = @tenant AND condition = @condition AND resolved_at IS NULL", ("@tenant", end.TenantId), ("@condition", end.Condition))
            .Rows(row => (
                Id: row.GetString(0), Kind: AlertKinds.Parse(row.GetString(1)) ?? AlertKind.Test, Subject: new AlertSubject(row.GetString(2), row.GetString(3), row.GetString(4)), Title: row.GetString(5), Path: row.GetString(6),
                Severity: Enum.Parse<AlertSeverity>(row.GetString(7), ignoreCase: true)));
        var (now, id) = (time.GetUtcNow(), NextId());
        if (open.Count == 0
            || transaction.Execute("UPDATE alerts SET resolved_at = @at WHERE tenant_id = @tenant AND id = @id AND resolved_at IS NULL", ("@tenant", end.TenantId), ("@id", open[0].Id), ("@at", UsageRow.Micros(end.At))) != 1
            || !Insert(transaction, id, new AlertDraft(end.TenantId, "end:" + open[0].Id, open[0].Kind, AlertSeverity.Info, open[0].Subject, "Over: " + open[0].Title, end.Text, open[0].Path, end.Facts, end.At), open[0].Id, mute: null))
            return false;
        // Over before the quiet time was: neither it nor its end is sent, but to who heard of it before.
        transaction.Execute(
            "UPDATE alert_deliveries SET next_at = NULL, dropped_at = @now, answer = @answer WHERE tenant_id = @tenant AND alert_id = @of AND next_at > @now AND attempts = 0",
            ("@tenant", end.TenantId), ("@of", open[0].Id), ("@now", UsageRow.Micros(now)), ("@answer", "not needed: it was over before"));
        // An end disturbs as much as its beginning did: a critical one's is told at once. A pager that rings is put out at once.
        var (later, atOnce) = Quiet(transaction, end.TenantId, open[0].Severity, now);
        transaction.Execute(
            """
            INSERT INTO alert_deliveries (tenant_id, alert_id, channel_id, next_at)
            SELECT d.tenant_id, @id, d.channel_id, CASE WHEN ',' || @atOnce || ',' LIKE '%,' || c.kind || ',%' THEN @now ELSE @later END
            FROM alert_deliveries AS d JOIN alert_channels AS c ON c.tenant_id = d.tenant_id AND c.id = d.channel_id
            WHERE d.tenant_id = @tenant AND d.alert_id = @of AND d.failed_at IS NULL AND (d.dropped_at IS NULL OR d.round > 1) AND c.disabled_at IS NULL AND c.removed_at IS NULL
            """,
            ("@tenant", end.TenantId), ("@id", id), ("@of", open[0].Id), ("@now", UsageRow.Micros(now)), ("@later", UsageRow.Micros(later ?? now)), ("@atOnce", Words([.. atOnce, ChannelKind.PagerDuty])));
        return true;
    }

    // Whoever was first with the cause, or with the condition, has told it.
    private static bool Insert(DbTransaction transaction, string id, AlertDraft draft, string? resolves, string? mute) => transaction.Execute(
        """
        INSERT INTO alerts (tenant_id, id, cause, kind, severity, scope, scope_name, scope_value, title, text, path, facts, at, condition, resolves, mute_id)
        VALUES (@tenant, @id, @cause, @kind, @severity, @scope, @scopeName, @scopeValue, @title, @text, @path, @facts, @at, nullif(@condition, ''), nullif(@resolves, ''), nullif(@mute, ''))
        ON CONFLICT DO NOTHING
        """,
        ("@tenant", draft.TenantId), ("@id", id), ("@cause", draft.Cause), ("@kind", draft.Kind.Word()), ("@severity", draft.Severity.ToString().ToLowerInvariant()), ("@scope", draft.Subject.Scope),
        ("@scopeName", draft.Subject.Name), ("@scopeValue", draft.Subject.Value), ("@title", OneLine(draft.Title)), ("@text", OneLine(draft.Text)), ("@path", draft.Path),
        ("@facts", AlertFacts.Write([.. draft.Facts.Select(f => f with { Name = OneLine(f.Name), Value = OneLine(f.Value) })])), ("@at", UsageRow.Micros(draft.At)),
        ("@condition", draft.Condition ?? ""), ("@resolves", resolves ?? ""), ("@mute", mute ?? "")) == 1;

    // Names come from callers and from strangers' requests: a line of their own in a mail would be a button of ours, and a character that turns the direction would show another name.
    private static string OneLine(string text) => string.Create(text.Length, text, (line, from) =>
    {
        for (var i = 0; i < line.Length; i++)
            line[i] = char.GetUnicodeCategory(from[i]) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator ? ' ' : from[i];
    });

    private bool MayBeTold(DbTransaction transaction, string tenantId) => !billing.Enabled
        || (plans.Find(transaction.Command("SELECT plan FROM billing_accounts WHERE tenant_id = @tenant", ("@tenant", tenantId)).Rows(row => row.GetString(0)).FirstOrDefault()) ?? plans.Free).Has(PlanFeatures.Alerts);
}
