using MediatR;
using Tokonomics.Application.Alerts;
using Tokonomics.Domain.Alerts;

namespace Tokonomics.Web.Portal.Api;

/// <summary>What people were told, and where they are told.</summary>
internal static class AlertsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var alerts = api.MapGroup("/alerts").WithTags("Alerts");
        alerts.MapGet("", async (HttpContext http, IMediator mediator, int limit = 50, string? cursor = null) =>
            (await mediator.Send(new ListAlerts(http.Caller(), http.Tenant(), cursor, limit), http.RequestAborted)).Answer(p => new AlertPageShape([.. p.Alerts.Select(AlertShape.Of)], p.Next)))
            .Produces<AlertPageShape>().WithSummary("Alerts, newest first, with what came of their messages: send next_cursor as cursor");
        alerts.MapPost("/{id}/acknowledge", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new AcknowledgeAlert(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Says that somebody looks after it");
        alerts.MapPost("/{id}/deliveries/{channel}/replay", async (HttpContext http, IMediator mediator, string id, string channel) =>
            (await mediator.Send(new ReplayDelivery(http.Caller(), http.Tenant(), id, channel), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Sends it to that channel once more, with the id that it had");

        var channels = api.MapGroup("/alert-channels").WithTags("Alerts");
        channels.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListAlertChannels(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(l => new ChannelPage([.. l.Channels.Select(ChannelShape.Of)])))
            .Produces<ChannelPage>().WithSummary("All channels, and how the last messages to each fared");
        channels.MapPost("", async (HttpContext http, IMediator mediator, NewChannel body) => Kinds(body.LeavesOut) is not { } leavesOut
            ? Unknown()
            : (await mediator.Send(new AddAlertChannel(http.Caller(), http.Tenant(), body.Kind, body.Name, body.Address, leavesOut), http.RequestAborted)).Answer(c => new ChannelAddedShape(c.ChannelId, c.SigningSecret), 201))
            .Produces<ChannelAddedShape>(201).WithSummary("Adds a channel; a webhook's signing secret is in this answer and nowhere else");
        channels.MapPut("/{id}", async (HttpContext http, IMediator mediator, string id, ChannelChange body) => Kinds(body.LeavesOut) is not { } leavesOut
            ? Unknown()
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

    private static IResult Unknown()
    {
        var message = $"leaves_out is a list of {string.Join(", ", AlertKinds.Chosen.Select(k => k.Word()))}.";
        return ApiHost.Problem(422, "invalid", message, new Dictionary<string, string[]> { ["leaves_out"] = [message] });
    }

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

    internal sealed record AlertPageShape(IReadOnlyList<AlertShape> Data, string? NextCursor);

    internal sealed record AlertShape(
        string Id, string Kind, AlertSeverity Severity, string Title, string Text, IReadOnlyDictionary<string, string> Facts, DateTimeOffset At, DateTimeOffset? AcknowledgedAt, string? AcknowledgedBy, IReadOnlyList<DeliveryShape> Deliveries)
    {
        public static AlertShape Of(AlertLine a) => new(
            a.Id, a.Kind.Word(), a.Severity, a.Title, a.Text, a.Facts.DistinctBy(f => f.Name).ToDictionary(f => f.Name, f => f.Value), a.At, a.AcknowledgedAt, a.AcknowledgedBy,
            [.. a.Deliveries.Select(d => new DeliveryShape(d.ChannelId, d.Channel, d.Kind, d.Attempts, d.NextAt, d.DeliveredAt, d.FailedAt, d.Answer))]);
    }

    internal sealed record DeliveryShape(string ChannelId, string Channel, ChannelKind Kind, int Attempts, DateTimeOffset? NextAt, DateTimeOffset? DeliveredAt, DateTimeOffset? FailedAt, string? Answer);
}
