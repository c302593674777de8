using System.Globalization;
using MediatR;
using Tokonomics.Application.Alerts;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Money;

namespace Tokonomics.Web.Portal.Api;

/// <summary>What people were told, and where they are told.</summary>
internal static class AlertsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var alerts = api.MapGroup("/alerts").WithTags("Alerts");
        alerts.MapGet("", async (HttpContext http, IMediator mediator, int limit = 50, string? cursor = null, bool open = false, string? kind = null, AlertSeverity? severity = null, bool ends = true) =>
        {
            if (kind is not null && AlertKinds.Parse(kind) is null)
                return Unknown("kind");
            var list = new ListAlerts(http.Caller(), http.Tenant(), cursor, limit) { Open = open, Kind = AlertKinds.Parse(kind), Severity = severity, Ends = ends };
            return (await mediator.Send(list, http.RequestAborted)).Answer(p => new AlertPageShape([.. p.Alerts.Select(AlertShape.Of)], p.Unseen, p.Next));
        }).Produces<AlertPageShape>().WithSummary("Alerts, newest first, with what came of their messages: send next_cursor as cursor. The end of something is an alert of its own, with resolves; ends=false leaves those out");
        alerts.MapPost("/{id}/acknowledge", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new AcknowledgeAlert(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Says that somebody looks after it");
        alerts.MapPost("/{id}/deliveries/{channel}/replay", async (HttpContext http, IMediator mediator, string id, string channel) =>
            (await mediator.Send(new ReplayDelivery(http.Caller(), http.Tenant(), id, channel), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Sends it to that channel once more, with the id that it had");

        alerts.MapPost("/{id}/snooze", async (HttpContext http, IMediator mediator, string id, Snooze body) =>
            (await mediator.Send(new SnoozeAlert(http.Caller(), http.Tenant(), id, body.Until, body.Why ?? ""), http.RequestAborted)).Answer(m => new MadeShape(m.MuteId), 201))
            .Produces<MadeShape>(201).WithSummary("Mutes its kind, of what it is about, for a while: still open then, it is told again");

        MapChannels(api);
        MapRules(api);
        MapMutes(api);
    }

    private static void MapRules(RouteGroupBuilder api)
    {
        var rules = api.MapGroup("/alert-rules").WithTags("Alerts");
        rules.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListAlertRules(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(l => new RulePage([.. l.Rules.Select(RuleShape.Of)], TermsShape.Of(AlertTerms.Default))))
            .Produces<RulePage>().WithSummary("From when on what is told, and the defaults for what has no rule");
        rules.MapPost("", async (HttpContext http, IMediator mediator, NewRule body) =>
        {
            if (AlertKinds.Parse(body.Kind) is not { } kind)
                return Unknown("kind");
            if (SubjectOf(body.Scope ?? new ScopeShape("tenant")) is not { } subject)
                return BadScope();
            return TermsOf(body) is not { } terms
                ? BadFloor()
                : (await mediator.Send(new AddAlertRule(http.Caller(), http.Tenant(), kind, subject, terms), http.RequestAborted)).Answer(r => new MadeShape(r.RuleId), 201);
        }).Produces<MadeShape>(201).WithSummary("Says from when on a kind is told, or that it isn't: the narrowest rule says all, what is left out takes its default");
        rules.MapPut("/{id}", async (HttpContext http, IMediator mediator, string id, TermsShape body) => TermsOf(body) is not { } terms
            ? BadFloor()
            : (await mediator.Send(new ChangeAlertRule(http.Caller(), http.Tenant(), id, terms), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Sets all numbers of a rule; what is left out takes its default");
        rules.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new RemoveAlertRule(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Takes a rule away: the next wider one holds, or the defaults");

        var quiet = api.MapGroup("/alert-quiet-hours").WithTags("Alerts");
        quiet.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new GetQuietHours(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(q => QuietShape.Of(q.Quiet, q.PagerWaits)))
            .Produces<QuietShape>().WithSummary("When people aren't disturbed by what can wait, in the organization's time zone");
        quiet.MapPut("", async (HttpContext http, IMediator mediator, QuietShape body) => Time(body.From) is not { } from || Time(body.To) is not { } to
            ? Refused("from", "Times are written as 22:00.")
            : (await mediator.Send(new SetQuietHours(http.Caller(), http.Tenant(), new QuietHours(body.Days ?? [], from, to), body.PagerDutyWaits), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Sets the quiet hours; without days there are none");
    }

    private static void MapMutes(RouteGroupBuilder api)
    {
        var mutes = api.MapGroup("/alert-mutes").WithTags("Alerts");
        mutes.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListMutes(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(l => new MutePage([.. l.Mutes.Select(MuteShape.Of)])))
            .Produces<MutePage>().WithSummary("The mutes that run, then the latest that are over");
        mutes.MapPost("", async (HttpContext http, IMediator mediator, NewMute body) =>
        {
            if (body.Kind is not null && AlertKinds.Parse(body.Kind) is null)
                return Unknown("kind");
            return SubjectOf(body.Scope ?? new ScopeShape("tenant")) is not { } subject
                ? BadScope()
                : (await mediator.Send(new MuteAlerts(http.Caller(), http.Tenant(), AlertKinds.Parse(body.Kind), subject, body.Until, body.Why ?? ""), http.RequestAborted)).Answer(m => new MadeShape(m.MuteId), 201);
        }).Produces<MadeShape>(201).WithSummary("Keeps a kind, or all, of a scope from being told for a while; what may be critical for seven days at most");
        mutes.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new EndMute(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Ends a mute: what is still open is told now");
    }

    private static void MapChannels(RouteGroupBuilder api)
    {
        var channels = api.MapGroup("/alert-channels").WithTags("Alerts");
        channels.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListAlertChannels(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(l => new ChannelPage([.. l.Channels.Select(ChannelShape.Of)])))
            .Produces<ChannelPage>().WithSummary("All channels, and how the last messages to each fared");
        channels.MapPost("", async (HttpContext http, IMediator mediator, NewChannel body) => Kinds(body.LeavesOut) is not { } leavesOut
            ? Unknown("leaves_out")
            : (await mediator.Send(new AddAlertChannel(http.Caller(), http.Tenant(), body.Kind, body.Name, body.Address, leavesOut), http.RequestAborted)).Answer(c => new ChannelAddedShape(c.ChannelId, c.SigningSecret), 201))
            .Produces<ChannelAddedShape>(201).WithSummary("Adds a channel; a webhook's signing secret is in this answer and nowhere else");
        channels.MapPut("/{id}", async (HttpContext http, IMediator mediator, string id, ChannelChange body) => Kinds(body.LeavesOut) is not { } leavesOut
            ? Unknown("leaves_out")
            : (await mediator.Send(new ChangeAlertChannel(http.Caller(), http.Tenant(), id, body.Name, body.Enabled, leavesOut), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Names a channel, says what it is told of, and switches it on or off");
        channels.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new RemoveAlertChannel(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Removes a channel: what waits for it is given up");
        channels.MapPost("/{id}/test", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new TestAlertChannel(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(r => new TestShape(r.Delivered, r.Answer)))
            .Produces<TestShape>().WithSummary("Sends a test at once, and says what the receiver answered");
        channels.MapPost("/{id}/rotate", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new RotateChannelSecret(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(s => new SecretShape(s.SigningSecret, s.OldUntil)))
            .Produces<SecretShape>().WithSummary("A new signing secret for a webhook; messages are signed with both for a day");
    }

    // Null where a word is unknown.
    private static List<AlertKind>? Kinds(IReadOnlyList<string>? words)
    {
        var kinds = (words ?? []).Select(AlertKinds.Parse).ToList();
        return kinds.TrueForAll(k => k is { } kind && AlertKinds.Chosen.Contains(kind)) ? kinds.ConvertAll(k => k!.Value) : null;
    }

    private static IResult Unknown(string field) => Refused(field, $"{field} is {(field == "kind" ? "one" : "a list")} of {string.Join(", ", AlertKinds.Chosen.Select(k => k.Word()))}.");

    private static IResult BadScope() => Refused("scope", "A scope is {\"type\":\"tenant\"}, {\"type\":\"team\",\"id\":…} (or project, key, provider), {\"type\":\"tag\",\"key\":…,\"value\":…} or {\"type\":\"model\",\"key\":provider,\"value\":…}.");

    private static IResult BadFloor() => Refused("floor_usd", "Amounts are decimal strings in USD, such as \"10.00\", of nine places at most.");

    private static IResult Refused(string field, string message) => ApiHost.Problem(422, "invalid", message, new Dictionary<string, string[]> { [field] = [message] });

    // Null where it names too little or too much.
    private static AlertSubject? SubjectOf(ScopeShape scope) => (scope.Type, scope.Id, scope.Key, scope.Value) switch
    {
        ("tenant", null, null, null) => AlertSubject.Tenant,
        ("team" or "project" or "key" or "provider", { } id, null, null) => new AlertSubject(scope.Type, "", id),
        ("tag" or "model", null, { } name, { } value) => new AlertSubject(scope.Type, name, value),
        _ => null,
    };

    private static TimeOnly? Time(string? text) => TimeOnly.TryParseExact(text, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time) ? time : null;

    // Null where the floor can't be read.
    private static AlertTerms? TermsOf(TermsShape body) => NanoUsd.Parse(body.FloorUsd) is not { } floor ? null : new AlertTerms
    {
        On = body.On,
        FloorPerHour = floor,
        Ratio = body.Ratio,
        Hours = body.Hours,
        FailingPercent = body.FailingPercent,
        LeastCalls = body.LeastCalls,
        UnusedDays = body.UnusedDays,
    };

    /// <param name="Type">tenant, team, project, key, tag, provider or model.</param>
    /// <param name="Id">Of the team, project, key or provider.</param>
    /// <param name="Key">The tag's name; of a model its provider.</param>
    /// <param name="Value">The tag's value; the model.</param>
    internal sealed record ScopeShape(string Type, string? Id = null, string? Key = null, string? Value = null)
    {
        public static ScopeShape Of(AlertSubject s) => s.Scope switch
        {
            "tenant" => new ScopeShape(s.Scope),
            "tag" or "model" => new ScopeShape(s.Scope, Key: s.Name, Value: s.Value),
            _ => new ScopeShape(s.Scope, Id: s.Value),
        };
    }

    /// <param name="On">False: it isn't told at all.</param>
    /// <param name="FloorUsd">spend.spike: dollars an hour beyond the usual, 0.01 to 1000000.</param>
    /// <param name="Ratio">spend.spike: how often as much as usual, 1.1 to 100.</param>
    /// <param name="Hours">budget.burn: within how many hours it would be gone, 1 to 168.</param>
    /// <param name="FailingPercent">provider.failing: how many of a hundred calls within five minutes, 1 to 100.</param>
    /// <param name="LeastCalls">provider.failing: of how many calls at least.</param>
    /// <param name="UnusedDays">key.awake: for how many days nobody had used it, 1 to 365.</param>
    internal record TermsShape(bool On = true, string FloorUsd = "1", decimal Ratio = 2, int Hours = 12, int FailingPercent = 25, int LeastCalls = 20, int UnusedDays = 30)
    {
        public static TermsShape Of(AlertTerms t) => new(t.On, t.FloorPerHour.ToString(), t.Ratio, t.Hours, t.FailingPercent, t.LeastCalls, t.UnusedDays);
    }

    internal sealed record NewRule(string Kind, ScopeShape? Scope = null) : TermsShape();

    internal sealed record RuleShape(string Id, string Kind, ScopeShape Scope, string About, TermsShape Terms, DateTimeOffset ChangedAt, string ChangedBy)
    {
        public static RuleShape Of(AlertRuleLine r) => new(r.Id, r.Kind.Word(), ScopeShape.Of(r.Subject), r.About, TermsShape.Of(r.Terms), r.ChangedAt, r.ChangedBy);
    }

    /// <param name="Defaults">For what has no rule.</param>
    internal sealed record RulePage(IReadOnlyList<RuleShape> Data, TermsShape Defaults);

    /// <param name="Days">On which it begins.</param>
    /// <param name="From">22:00.</param>
    /// <param name="To">Not after <paramref name="From"/>: on the next day.</param>
    /// <param name="PagerDutyWaits">As people's channels do; a program's webhook never waits.</param>
    internal sealed record QuietShape(IReadOnlyList<DayOfWeek>? Days, string? From, string? To, bool PagerDutyWaits = true)
    {
        public static QuietShape Of(QuietHours q, bool pagerWaits) => new(q.Days, q.From.ToString("HH:mm", CultureInfo.InvariantCulture), q.To.ToString("HH:mm", CultureInfo.InvariantCulture), pagerWaits);
    }

    /// <param name="Until">Left out: until somebody ends it, which what may be critical can't be muted for.</param>
    internal sealed record Snooze(DateTimeOffset? Until = null, string? Why = null);

    /// <param name="Kind">Left out: all.</param>
    /// <param name="Scope">Left out: the whole organization.</param>
    internal sealed record NewMute(string? Kind = null, ScopeShape? Scope = null, DateTimeOffset? Until = null, string? Why = null);

    /// <param name="Running">False: it is over.</param>
    internal sealed record MuteShape(string Id, string? Kind, ScopeShape Scope, string About, DateTimeOffset? Until, string Why, DateTimeOffset At, string By, DateTimeOffset? EndedAt, string? EndedBy, bool Running)
    {
        public static MuteShape Of(MuteLine m) => new(m.Id, m.Kind?.Word(), ScopeShape.Of(m.Subject), m.About, m.Until, m.Why, m.At, m.By, m.EndedAt, m.EndedBy, m.Runs);
    }

    internal sealed record MutePage(IReadOnlyList<MuteShape> Data);

    internal sealed record MadeShape(string Id);

    internal sealed record NewChannel(ChannelKind Kind, string Name, string Address, IReadOnlyList<string>? LeavesOut = null);

    internal sealed record ChannelChange(string Name, bool Enabled = true, IReadOnlyList<string>? LeavesOut = null);

    internal sealed record ChannelAddedShape(string Id, string? SigningSecret);

    internal sealed record SecretShape(string SigningSecret, DateTimeOffset OldUntil);

    internal sealed record TestShape(bool Delivered, string Answer);

    internal sealed record ChannelPage(IReadOnlyList<ChannelShape> Data);

    internal sealed record ChannelShape(
        string Id, ChannelKind Kind, string Name, string Address, IReadOnlyList<string> LeavesOut, bool Enabled, string? DisabledWhy, DateTimeOffset CreatedAt, DateTimeOffset? LastDelivered, int Waiting, string? LastFailure)
    {
        public static ChannelShape Of(ChannelLine c) => new(
            c.Id, c.Kind, c.Name, c.Shown, [.. c.LeavesOut.Select(k => k.Word())], c.DisabledAt is null, c.DisabledWhy, c.CreatedAt, c.LastDelivered, c.Waiting, c.LastAnswer);
    }

    /// <param name="Unseen">How many that aren't over nobody looks after, a hundred at most.</param>
    internal sealed record AlertPageShape(IReadOnlyList<AlertShape> Data, int Unseen, string? NextCursor);

    /// <param name="Until">Null: until somebody ends it.</param>
    /// <param name="Running">False: it kept the alert from being told, and is over.</param>
    internal sealed record MutedShape(string Id, string By, DateTimeOffset? Until, string Why, bool Running);

    /// <param name="Lasts">It has a beginning and an end.</param>
    /// <param name="ResolvedAt">When it was over.</param>
    /// <param name="Resolves">The alert whose end this is.</param>
    internal sealed record AlertShape(
        string Id, string Kind, AlertSeverity Severity, ScopeShape Scope, string Title, string Text, IReadOnlyDictionary<string, string> Facts, DateTimeOffset At, bool Lasts, DateTimeOffset? ResolvedAt, string? Resolves, MutedShape? Muted,
        DateTimeOffset? AcknowledgedAt, string? AcknowledgedBy, IReadOnlyList<DeliveryShape> Deliveries)
    {
        public static AlertShape Of(AlertLine a) => new(
            a.Id, a.Kind.Word(), a.Severity, ScopeShape.Of(a.Subject), a.Title, a.Text, a.Facts.DistinctBy(f => f.Name).ToDictionary(f => f.Name, f => f.Value), a.At, a.Lasts, a.ResolvedAt, a.Resolves,
            a.Muted is { } m ? new MutedShape(m.MuteId, m.By, m.Until, m.Why, m.Runs) : null, a.AcknowledgedAt, a.AcknowledgedBy,
            [.. a.Deliveries.Select(d => new DeliveryShape(d.ChannelId, d.Channel, d.Kind, d.Attempts, d.NextAt, d.DeliveredAt, d.FailedAt, d.DroppedAt, d.Answer))]);
    }

    /// <param name="DroppedAt">It wasn't needed any more: answer says why.</param>
    internal sealed record DeliveryShape(
        string ChannelId, string Channel, ChannelKind Kind, int Attempts, DateTimeOffset? NextAt, DateTimeOffset? DeliveredAt, DateTimeOffset? FailedAt, DateTimeOffset? DroppedAt, string? Answer);
}
