using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Secrets;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Alerts;

/// <summary>An alert as it is stored.</summary>
public sealed class StoredAlert
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    /// <summary>What it came from: of the same cause there is one.</summary>
    public required string Cause { get; init; }

    /// <summary>The kind's word.</summary>
    public required string Kind { get; init; }

    public required AlertSeverity Severity { get; init; }

    public required string Title { get; init; }

    public required string Text { get; init; }

    public required string Path { get; init; }

    /// <summary>JSON.</summary>
    public required string Facts { get; init; }

    public required DateTimeOffset At { get; init; }

    public required string Scope { get; init; }

    public required string ScopeName { get; init; }

    public required string ScopeValue { get; init; }

    /// <summary>What lasts; null for what is over as soon as it has happened.</summary>
    public string? Condition { get; init; }

    public DateTimeOffset? ResolvedAt { get; init; }

    /// <summary>The alert whose end this tells.</summary>
    public string? Resolves { get; init; }

    public DateTimeOffset? AcknowledgedAt { get; set; }

    public string? AcknowledgedBy { get; set; }

    /// <summary>The mute that keeps it from being told, or did.</summary>
    public string? MuteId { get; set; }

    public AlertSubject Subject => new(Scope, ScopeName, ScopeValue);
}

/// <summary>That one channel is told of one alert.</summary>
public sealed class AlertDelivery
{
    public required string TenantId { get; init; }

    public required string AlertId { get; init; }

    public required string ChannelId { get; init; }

    public int Attempts { get; set; }

    /// <summary>When it is tried; null where nothing more is to be done.</summary>
    public DateTimeOffset? NextAt { get; set; }

    public DateTimeOffset? TriedAt { get; set; }

    public DateTimeOffset? DeliveredAt { get; set; }

    /// <summary>Given up.</summary>
    public DateTimeOffset? FailedAt { get; set; }

    /// <summary>Not needed: it was over before it was sent, or its beginning never arrived.</summary>
    public DateTimeOffset? DroppedAt { get; set; }

    /// <summary>What the last attempt was answered.</summary>
    public string? Answer { get; set; }

    /// <summary>1; more where it was told again after a mute.</summary>
    public int Round { get; set; } = 1;
}

/// <summary>A channel with its secrets open: where a message goes, and by what it is signed.</summary>
/// <param name="Signing">The secrets that sign it, the newest first.</param>
public sealed record OpenChannel(ChannelKind Kind, string Address, IReadOnlyList<string> Signing);

/// <param name="Delivered">It arrived.</param>
/// <param name="Answer">What the receiver said, for people.</param>
/// <param name="Closed">The receiver wants no more of it: the channel is switched off with its answer.</param>
/// <param name="Hopeless">The receiver will never take this message; others it may.</param>
/// <param name="RetryAfter">How long it asked to be left alone.</param>
public sealed record SendResult(bool Delivered, string Answer, bool Closed = false, bool Hopeless = false, TimeSpan? RetryAfter = null);

/// <summary>Carries one message to one channel. Throws nothing but cancellation.</summary>
public interface IAlertSender
{
    /// <param name="messageId">The same for each attempt.</param>
    Task<SendResult> SendAsync(OpenChannel channel, Alert alert, string messageId, CancellationToken cancellationToken);
}

/// <summary>Sends a test to a channel at once, and says what came of it. It is no alert, and isn't tried again.</summary>
public sealed record TestAlertChannel(Caller Caller, string TenantId, string ChannelId) : IUseCase<SendResult>
{
    public Right Needs => Right.ManageCredentials;
}

/// <summary>How many tests a tenant may send: somebody else's mailbox is not to be filled by the button. In memory, of one process.</summary>
public sealed class TestPace(TimeProvider time)
{
    private const int Most = 10;
    private static readonly TimeSpan Within = TimeSpan.FromMinutes(10);

    private readonly Lock _turn = new();
    private readonly Dictionary<string, Queue<DateTimeOffset>> _sent = new(StringComparer.Ordinal);

    /// <returns>False where it is one too many.</returns>
    public bool Take(string tenantId)
    {
        var now = time.GetUtcNow();
        lock (_turn)
        {
            foreach (var (tenant, times) in _sent.ToList())
            {
                while (times.TryPeek(out var first) && now - first >= Within)
                    times.Dequeue();
                if (times.Count == 0)
                    _sent.Remove(tenant);
            }

            if (!_sent.TryGetValue(tenantId, out var mine))
                _sent[tenantId] = mine = new Queue<DateTimeOffset>();
            if (mine.Count >= Most)
                return false;
            mine.Enqueue(now);
            return true;
        }
    }
}

internal sealed class TestAlertChannelHandler(TokonomicsDbContext db, ISecretBox box, IAlertSender sender, IPortalLinks links, TestPace pace, TimeProvider time) : IRequestHandler<TestAlertChannel, Outcome<SendResult>>
{
    public async Task<Outcome<SendResult>> Handle(TestAlertChannel request, CancellationToken cancellationToken)
    {
        var channel = await db.AlertChannels.AsNoTracking().FirstOrDefaultAsync(c => c.TenantId == request.TenantId && c.Id == request.ChannelId && c.RemovedAt == null, cancellationToken);
        if (channel is null)
            return Refusal.NotFound("channel");
        if (!pace.Take(request.TenantId))
            return new Refusal(RefusalKind.Conflict, "too_many_tests", "Ten tests were sent within ten minutes: wait a little before the next.");
        var (now, name) = (time.GetUtcNow(), await db.Tenants.Where(t => t.Id == request.TenantId).Select(t => t.Name).FirstAsync(cancellationToken));
        var ids = AlertChannel.InUse(channel.AddressId!, channel.SigningId, channel.SigningOldId, channel.SigningOldEnd, now);
        var secrets = await db.Secrets.AsNoTracking().Where(s => s.TenantId == request.TenantId && ids.Contains(s.Id)).ToDictionaryAsync(s => s.Id, cancellationToken);
        var open = ids.Select(id => box.Open(secrets[id])).ToList();
        var alert = new Alert(
            SortableId.New("alert", now), request.TenantId, name, AlertKind.Test, AlertSeverity.Info, "A test from Tokonomics", $"Alerts of {name} will arrive here. There is nothing to do.",
            new Uri(links.Link("/alerts")), [new AlertFact("Channel", channel.Name)], now);
        return await sender.SendAsync(new OpenChannel(channel.Kind, open[0], open[1..]), alert, $"{alert.Id}.{channel.Id}", cancellationToken);
    }
}

/// <summary>The alerts of a tenant, newest first, with what came of their messages.</summary>
/// <param name="Before">The cursor of the page before; null for the first.</param>
public sealed record ListAlerts(Caller Caller, string TenantId, string? Before = null, int Limit = 50) : IUseCase<AlertPage>
{
    public Right Needs => Right.ReadUsage;

    /// <summary>Only what isn't over: a condition that lasts, or something that nobody looks after yet.</summary>
    public bool Open { get; init; }

    public AlertKind? Kind { get; init; }

    public AlertSeverity? Severity { get; init; }

    /// <summary>False: the end of something is in the line of its beginning alone. True: it is a line of its own as well.</summary>
    public bool Ends { get; init; } = true;
}

/// <param name="Unseen">How many that aren't over nobody looks after, on whatever page; <see cref="ListAlertsHandler.MostCounted"/> is that many or more.</param>
/// <param name="Next">The cursor of the page after this; null where there is none.</param>
public sealed record AlertPage(IReadOnlyList<AlertLine> Alerts, int Unseen, string? Next);

/// <param name="Lasts">It has a beginning and an end: <paramref name="ResolvedAt"/> is the end, where it has come.</param>
/// <param name="Resolves">The alert whose end this is.</param>
/// <param name="End">What was told of its end; null where it has none, or not yet.</param>
public sealed record AlertLine(
    string Id, AlertKind Kind, AlertSeverity Severity, AlertSubject Subject, string Title, string Text, string Path, IReadOnlyList<AlertFact> Facts, DateTimeOffset At, bool Lasts, DateTimeOffset? ResolvedAt, string? Resolves,
    AlertMuted? Muted, DateTimeOffset? AcknowledgedAt, string? AcknowledgedBy, IReadOnlyList<DeliveryLine> Deliveries, AlertEndLine? End)
{
    public bool IsOpen => Resolves is null && (Lasts ? ResolvedAt is null : AcknowledgedAt is null);
}

/// <param name="Until">When the mute is over, or was; null: until somebody ends it.</param>
/// <param name="Runs">It keeps it from being told now.</param>
public sealed record AlertMuted(string MuteId, string By, DateTimeOffset? Until, string Why, bool Runs);

public sealed record AlertEndLine(string Id, DateTimeOffset At, string Text, IReadOnlyList<AlertFact> Facts, IReadOnlyList<DeliveryLine> Deliveries);

/// <param name="NextAt">When it is tried again; null where it arrived, was given up or isn't needed.</param>
/// <param name="DroppedAt">It was over before it was sent.</param>
public sealed record DeliveryLine(
    string ChannelId, string Channel, ChannelKind Kind, int Attempts, DateTimeOffset? NextAt, DateTimeOffset? DeliveredAt, DateTimeOffset? FailedAt, DateTimeOffset? DroppedAt, string? Answer);

internal sealed class ListAlertsHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<ListAlerts, Outcome<AlertPage>>
{
    /// <summary>No more are counted than this.</summary>
    internal const int MostCounted = 100;

    private const int Most = 200;

    public async Task<Outcome<AlertPage>> Handle(ListAlerts request, CancellationToken cancellationToken)
    {
        var (tenant, limit) = (request.TenantId, Math.Clamp(request.Limit, 1, Most));
        // Ids grow with time.
        var alerts = db.Alerts.AsNoTracking().Where(a => a.TenantId == tenant && (request.Before == null || string.Compare(a.Id, request.Before) < 0));
        if (!request.Ends)
            alerts = alerts.Where(a => a.Resolves == null);
        if (request.Open)
            alerts = alerts.Where(a => a.Resolves == null && a.ResolvedAt == null && (a.Condition != null || a.AcknowledgedAt == null));
        if (request.Kind?.Word() is { } kind)
            alerts = alerts.Where(a => a.Kind == kind);
        if (request.Severity is { } severity)
            alerts = alerts.Where(a => a.Severity == severity);
        var rows = await alerts.OrderByDescending(a => a.Id).Take(limit + 1).ToListAsync(cancellationToken);
        var shown = rows.Take(limit).ToList();
        var unseen = await Unseen(db, tenant).CountAsync(cancellationToken);
        var ids = shown.ConvertAll(a => a.Id);
        if (ids.Count == 0)
            return new AlertPage([], unseen, null);
        var over = shown.Where(a => a.ResolvedAt is not null).Select(a => a.Id).ToList();
        var ends = over.Count == 0 ? [] : await db.Alerts.AsNoTracking().Where(a => a.TenantId == tenant && a.Resolves != null && over.Contains(a.Resolves)).ToDictionaryAsync(a => a.Resolves!, cancellationToken);
        var told = ids.Union(ends.Values.Select(e => e.Id)).ToList();
        var deliveries = (await db.AlertDeliveries.AsNoTracking().Where(d => d.TenantId == tenant && told.Contains(d.AlertId)).ToListAsync(cancellationToken)).ToLookup(d => d.AlertId);
        var channels = await db.AlertChannels.AsNoTracking().Where(c => c.TenantId == tenant).ToDictionaryAsync(c => c.Id, cancellationToken);
        var muteIds = shown.Select(a => a.MuteId).OfType<string>().Distinct().ToList();
        var mutes = muteIds.Count == 0 ? [] : await db.AlertMutes.AsNoTracking().Where(m => m.TenantId == tenant && muteIds.Contains(m.Id)).ToDictionaryAsync(m => m.Id, cancellationToken);
        var now = time.GetUtcNow();
        return new AlertPage(
            shown.ConvertAll(a => new AlertLine(
                a.Id, AlertKinds.Parse(a.Kind) ?? AlertKind.Test, a.Severity, a.Subject, a.Title, a.Text, a.Path, AlertFacts.Read(a.Facts), a.At, a.Condition is not null, a.ResolvedAt, a.Resolves,
                a.MuteId is { } mute ? Muted(mutes[mute], now) : null, a.AcknowledgedAt, a.AcknowledgedBy, Lines(a.Id),
                ends.GetValueOrDefault(a.Id) is { } end ? new AlertEndLine(end.Id, end.At, end.Text, AlertFacts.Read(end.Facts), Lines(end.Id)) : null)),
            unseen, rows.Count > limit ? shown[^1].Id : null);

        IReadOnlyList<DeliveryLine> Lines(string id) =>
        [
            .. deliveries[id].Select(d => (Delivery: d, Channel: channels[d.ChannelId])).OrderBy(d => d.Channel.Name, StringComparer.OrdinalIgnoreCase).Select(d => new DeliveryLine(
                d.Channel.Id, d.Channel.Name, d.Channel.Kind, d.Delivery.Attempts, d.Delivery.NextAt, d.Delivery.DeliveredAt, d.Delivery.FailedAt, d.Delivery.DroppedAt, d.Delivery.Answer)),
        ];
    }

    /// <summary>What isn't over and nobody looks after, <see cref="MostCounted"/> of them at most: an index has no others.</summary>
    internal static IQueryable<StoredAlert> Unseen(TokonomicsDbContext db, string tenantId) =>
        db.Alerts.Where(a => a.TenantId == tenantId && a.AcknowledgedAt == null && a.ResolvedAt == null && a.Resolves == null).OrderByDescending(a => a.Id).Take(MostCounted);

    private static AlertMuted Muted(StoredMute mute, DateTimeOffset now) => new(mute.Id, mute.MutedBy, mute.EndedAt ?? mute.Until, mute.Why, mute.EndedAt is null && (mute.Until is null || mute.Until > now));
}

/// <summary>For the frame of every page: how many alerts that matter aren't over and nobody looks after.</summary>
public sealed class AlertCounts(TokonomicsDbContext db)
{
    /// <summary>More than this are not counted.</summary>
    public const int Most = ListAlertsHandler.MostCounted;

    /// <summary>One question of an index that has no others.</summary>
    public Task<int> UrgentAsync(string tenantId, CancellationToken cancellationToken) => ListAlertsHandler.Unseen(db, tenantId).Where(a => a.Severity != AlertSeverity.Info).CountAsync(cancellationToken);
}

/// <summary>How an alert's facts stand in the store.</summary>
public static class AlertFacts
{
    public static string Write(IReadOnlyList<AlertFact> facts) => System.Text.Json.JsonSerializer.Serialize(facts.Select(f => f.Link is null ? new[] { f.Name, f.Value } : [f.Name, f.Value, f.Link]));

    public static IReadOnlyList<AlertFact> Read(string json) => [.. (System.Text.Json.JsonSerializer.Deserialize<string[][]>(json) ?? []).Select(f => new AlertFact(f[0], f[1], f.Length > 2 ? f[2] : null))];
}

/// <summary>Says that somebody looks after it.</summary>
public sealed record AcknowledgeAlert(Caller Caller, string TenantId, string AlertId) : IUseCase<AlertAcknowledged>, IChange
{
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => "";
}

public sealed record AlertAcknowledged(string AlertId, DateTimeOffset At, string By) : IAuditSubject
{
    public string AuditSubject => AlertId;
}

internal sealed class AcknowledgeAlertHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<AcknowledgeAlert, Outcome<AlertAcknowledged>>
{
    public async Task<Outcome<AlertAcknowledged>> Handle(AcknowledgeAlert request, CancellationToken cancellationToken)
    {
        var alert = await db.Alerts.FirstOrDefaultAsync(a => a.TenantId == request.TenantId && a.Id == request.AlertId, cancellationToken);
        if (alert is null)
            return Refusal.NotFound("alert");
        alert.AcknowledgedAt ??= time.GetUtcNow();
        alert.AcknowledgedBy ??= request.Caller.Actor;
        return new AlertAcknowledged(alert.Id, alert.AcknowledgedAt.Value, alert.AcknowledgedBy);
    }
}

/// <summary>Sends an alert to a channel once more, with the id that it had. Where it is over, its end is sent after it once more: what was lit is put out.</summary>
public sealed record ReplayDelivery(Caller Caller, string TenantId, string AlertId, string ChannelId) : IUseCase<DeliveryReplayed>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => ChannelId;
}

public sealed record DeliveryReplayed(string AlertId) : IAuditSubject
{
    public string AuditSubject => AlertId;
}

internal sealed class ReplayDeliveryHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<ReplayDelivery, Outcome<DeliveryReplayed>>
{
    public async Task<Outcome<DeliveryReplayed>> Handle(ReplayDelivery request, CancellationToken cancellationToken)
    {
        var channel = await db.AlertChannels.FirstOrDefaultAsync(c => c.TenantId == request.TenantId && c.Id == request.ChannelId && c.RemovedAt == null, cancellationToken);
        var delivery = await db.AlertDeliveries.FirstOrDefaultAsync(d => d.TenantId == request.TenantId && d.AlertId == request.AlertId && d.ChannelId == request.ChannelId, cancellationToken);
        if (channel is null || delivery is null)
            return Refusal.NotFound("delivery");
        if (channel.DisabledAt is not null)
            return new Refusal(RefusalKind.Conflict, "channel_disabled", $"The channel {channel.Name} is off ({channel.DisabledWhy}): switch it on first.");
        if (delivery.NextAt is not null)
            return new Refusal(RefusalKind.Conflict, "delivery_waits", "It is on its way already.");
        var end = await db.AlertDeliveries.FirstOrDefaultAsync(
            d => d.TenantId == request.TenantId && d.ChannelId == request.ChannelId && d.NextAt == null && db.Alerts.Any(a => a.TenantId == request.TenantId && a.Id == d.AlertId && a.Resolves == request.AlertId), cancellationToken);
        foreach (var one in new[] { delivery, end }.OfType<AlertDelivery>())
            (one.NextAt, one.FailedAt, one.DeliveredAt, one.DroppedAt, one.Attempts) = (time.GetUtcNow(), null, null, null, 0);
        return new DeliveryReplayed(delivery.AlertId);
    }
}
