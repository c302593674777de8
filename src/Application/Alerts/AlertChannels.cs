using System.Security.Cryptography;
using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Secrets;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Alerts;

/// <summary>Settings under <c>Alerts</c>.</summary>
public sealed class AlertOptions
{
    /// <summary>Channels that a tenant may have, 1 to 1000.</summary>
    public int MaxChannels { get; set; } = 20;

    /// <summary>Hosts that Slack channels may lead to; a leading dot stands for every host below. Empty: Slack's own.</summary>
    public IList<string> SlackHosts { get; } = [];

    /// <summary>Hosts that Teams channels may lead to. Empty: Microsoft's own.</summary>
    public IList<string> TeamsHosts { get; } = [];

    /// <summary>Hosts that Discord channels may lead to. Empty: Discord's own.</summary>
    public IList<string> DiscordHosts { get; } = [];

    /// <summary>Where PagerDuty takes events.</summary>
    public Uri PagerDutyUrl { get; set; } = new("https://events.pagerduty.com/v2/enqueue");

    /// <summary>How long a receiver may take for its answer, 1 to 60 seconds.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(20);

    public IReadOnlyList<string> HostsOf(ChannelKind kind) => kind switch
    {
        ChannelKind.Slack => SlackHosts.Count > 0 ? [.. SlackHosts] : ["hooks.slack.com", "hooks.slack-gov.com"],
        ChannelKind.Teams => TeamsHosts.Count > 0 ? [.. TeamsHosts] : [".logic.azure.com", ".webhook.office.com", ".api.powerplatform.com"],
        ChannelKind.Discord => DiscordHosts.Count > 0 ? [.. DiscordHosts] : ["discord.com", "discordapp.com"],
        _ => [],
    };

    public string? Problem() =>
        MaxChannels is < 1 or > 1000 ? "Alerts:MaxChannels must be 1 to 1000."
        : Patience < TimeSpan.FromSeconds(1) || Patience > TimeSpan.FromSeconds(60) ? "Alerts:Patience must be 1 to 60 seconds."
        : null;
}

/// <summary>Where a tenant wants to be told, as it is stored; the address itself is sealed.</summary>
public sealed class AlertChannel
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    public required ChannelKind Kind { get; init; }

    public required string Name { get; set; }

    /// <summary>What may be seen of the address.</summary>
    public required string Shown { get; init; }

    public string? AddressId { get; set; }

    public string? SigningId { get; set; }

    /// <summary>What messages are signed with as well, until <see cref="SigningOldEnd"/>.</summary>
    public string? SigningOldId { get; set; }

    public DateTimeOffset? SigningOldEnd { get; set; }

    /// <summary>Words of kinds, joined by commas.</summary>
    public string LeavesOut { get; set; } = "";

    public required DateTimeOffset CreatedAt { get; init; }

    public required string CreatedBy { get; init; }

    public DateTimeOffset? DisabledAt { get; set; }

    public string? DisabledWhy { get; set; }

    public DateTimeOffset? RemovedAt { get; set; }

    /// <summary>The secrets that a message needs now: the address, and what signs it, the newest first.</summary>
    public static IReadOnlyList<string> InUse(string address, string? signing, string? signingOld, DateTimeOffset? signingOldEnd, DateTimeOffset now) =>
        [.. new[] { address, signing, signingOldEnd > now ? signingOld : null }.OfType<string>()];
}

/// <summary>Adds a place where the tenant is told. Nothing is sent to it: a test is <see cref="TestAlertChannel"/>.</summary>
/// <param name="Address">A mail address, a webhook's URL, or PagerDuty's integration key.</param>
/// <param name="LeavesOut">Kinds that it is not told of.</param>
public sealed record AddAlertChannel(Caller Caller, string TenantId, ChannelKind Kind, string Name, string Address, IReadOnlyList<AlertKind> LeavesOut) : IUseCase<ChannelAdded>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => $"{Name} ({Kind})";

    public override string ToString() => $"{Kind} channel {Name} of {TenantId}";
}

/// <param name="SigningSecret">Of a webhook: shown once.</param>
public sealed record ChannelAdded(string ChannelId, string? SigningSecret) : IAuditSubject
{
    public string AuditSubject => ChannelId;

    public override string ToString() => ChannelId;
}

internal sealed class AddAlertChannelRules : AbstractValidator<AddAlertChannel>
{
    public AddAlertChannelRules(AlertOptions options, EndpointOptions endpoints)
    {
        RuleFor(c => c.Name).IsName();
        RuleFor(c => c.Kind).IsInEnum();
        RuleFor(c => c.Address).Custom((address, context) =>
        {
            var kind = context.InstanceToValidate.Kind;
            if (ChannelAddress.Problem(kind, address, options.HostsOf(kind), endpoints.AllowPrivate) is { } problem)
                context.AddFailure(nameof(AddAlertChannel.Address), problem);
        });
    }
}

internal sealed class AddAlertChannelHandler(TokonomicsDbContext db, ISecretBox box, PlansInForce plans, AlertOptions options, TimeProvider time) : IRequestHandler<AddAlertChannel, Outcome<ChannelAdded>>
{
    public async Task<Outcome<ChannelAdded>> Handle(AddAlertChannel request, CancellationToken cancellationToken)
    {
        if (await plans.LacksAsync(request.TenantId, PlanFeatures.Alerts, "alerts", cancellationToken) is { } lacks)
            return lacks;
        var names = await db.AlertChannels.Where(c => c.TenantId == request.TenantId && c.RemovedAt == null).Select(c => c.Name).ToListAsync(cancellationToken);
        if (names.Contains(request.Name))
            return new Refusal(RefusalKind.Conflict, "name_taken", $"There is a channel '{request.Name}' already.") { Fields = [new FieldProblem(nameof(request.Name), $"There is a channel '{request.Name}' already.")] };
        if (names.Count >= options.MaxChannels)
            return new Refusal(RefusalKind.Conflict, "too_many_channels", $"A tenant may have {options.MaxChannels} channels (Alerts:MaxChannels).");
        var now = time.GetUtcNow();
        var channel = new AlertChannel
        {
            TenantId = request.TenantId,
            Id = SortableId.New("chan", now),
            Kind = request.Kind,
            Name = request.Name,
            Shown = ChannelAddress.Shown(request.Kind, request.Address),
            LeavesOut = string.Join(',', request.LeavesOut.Select(k => k.Word())),
            CreatedAt = now,
            CreatedBy = request.Caller.Actor,
        };
        channel.AddressId = ChannelSecrets.Seal(db, box, request.TenantId, ChannelSecrets.Address, request.Address, now);
        var signing = request.Kind == ChannelKind.Webhook ? ChannelSecrets.NewSigning() : null;
        if (signing is not null)
            channel.SigningId = ChannelSecrets.Seal(db, box, request.TenantId, ChannelSecrets.Signing, signing, now);
        db.AlertChannels.Add(channel);
        return new ChannelAdded(channel.Id, signing);
    }
}

/// <summary>The sealed parts of channels.</summary>
public static class ChannelSecrets
{
    public const string Address = "alert-address";
    public const string Signing = "alert-signing";

    /// <summary>32 random bytes, as Standard Webhooks writes them.</summary>
    internal static string NewSigning() => "whsec_" + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    internal static string Seal(TokonomicsDbContext db, ISecretBox box, string tenantId, string purpose, string secret, DateTimeOffset now)
    {
        var id = SortableId.New("sec", now);
        db.Secrets.Add(box.Seal(tenantId, id, purpose, secret));
        return id;
    }
}

/// <summary>A new signing secret for a webhook. Messages are signed with both for a day, so that the receiver can change over.</summary>
public sealed record RotateChannelSecret(Caller Caller, string TenantId, string ChannelId) : IUseCase<ChannelSecretMade>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => "";
}

public sealed record ChannelSecretMade(string ChannelId, string SigningSecret, DateTimeOffset OldUntil) : IAuditSubject
{
    public string AuditSubject => ChannelId;

    public override string ToString() => ChannelId;
}

internal sealed class RotateChannelSecretHandler(TokonomicsDbContext db, ISecretBox box, TimeProvider time) : IRequestHandler<RotateChannelSecret, Outcome<ChannelSecretMade>>
{
    public async Task<Outcome<ChannelSecretMade>> Handle(RotateChannelSecret request, CancellationToken cancellationToken)
    {
        var channel = await db.AlertChannels.FirstOrDefaultAsync(c => c.TenantId == request.TenantId && c.Id == request.ChannelId && c.RemovedAt == null, cancellationToken);
        if (channel is null)
            return Refusal.NotFound("channel");
        if (channel.SigningId is null)
            return new Refusal(RefusalKind.Conflict, "not_signed", "Only the messages of webhooks are signed.");
        var (now, signing, older) = (time.GetUtcNow(), ChannelSecrets.NewSigning(), channel.SigningOldId);
        (channel.SigningOldId, channel.SigningOldEnd) = (channel.SigningId, now.AddDays(1));
        channel.SigningId = ChannelSecrets.Seal(db, box, request.TenantId, ChannelSecrets.Signing, signing, now);
        if (older is not null)
            await db.Secrets.Where(s => s.TenantId == request.TenantId && s.Id == older).ExecuteDeleteAsync(cancellationToken);
        return new ChannelSecretMade(channel.Id, signing, channel.SigningOldEnd.Value);
    }
}

/// <summary>Ends a channel: what waits for it is given up, its address is deleted, its log stays.</summary>
public sealed record RemoveAlertChannel(Caller Caller, string TenantId, string ChannelId) : IUseCase<ChannelChanged>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => "";
}

public sealed record ChannelChanged(string ChannelId) : IAuditSubject
{
    public string AuditSubject => ChannelId;
}

internal sealed class RemoveAlertChannelHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<RemoveAlertChannel, Outcome<ChannelChanged>>
{
    public async Task<Outcome<ChannelChanged>> Handle(RemoveAlertChannel request, CancellationToken cancellationToken)
    {
        var (tenant, id, now) = (request.TenantId, request.ChannelId, time.GetUtcNow());
        var channel = await db.AlertChannels.FirstOrDefaultAsync(c => c.TenantId == tenant && c.Id == id && c.RemovedAt == null, cancellationToken);
        if (channel is null)
            return Refusal.NotFound("channel");
        var secrets = new[] { channel.AddressId, channel.SigningId, channel.SigningOldId };
        (channel.RemovedAt, channel.AddressId, channel.SigningId, channel.SigningOldId, channel.SigningOldEnd) = (now, null, null, null, null);
        await db.Secrets.Where(s => s.TenantId == tenant && secrets.Contains(s.Id)).ExecuteDeleteAsync(cancellationToken);
        await db.AlertDeliveries.Where(d => d.TenantId == tenant && d.ChannelId == id && d.NextAt != null)
            .ExecuteUpdateAsync(set => set.SetProperty(d => d.NextAt, (DateTimeOffset?)null).SetProperty(d => d.FailedAt, now).SetProperty(d => d.Answer, "the channel was removed"), cancellationToken);
        return new ChannelChanged(channel.Id);
    }
}

/// <summary>Says what a channel is told of, and switches it on again after its receiver had refused it.</summary>
/// <param name="LeavesOut">Kinds that it is not told of.</param>
public sealed record ChangeAlertChannel(Caller Caller, string TenantId, string ChannelId, string Name, bool Enabled, IReadOnlyList<AlertKind> LeavesOut) : IUseCase<ChannelChanged>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => Enabled ? Name : $"{Name}, switched off";
}

internal sealed class ChangeAlertChannelRules : AbstractValidator<ChangeAlertChannel>
{
    public ChangeAlertChannelRules() => RuleFor(c => c.Name).IsName();
}

internal sealed class ChangeAlertChannelHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<ChangeAlertChannel, Outcome<ChannelChanged>>
{
    public async Task<Outcome<ChannelChanged>> Handle(ChangeAlertChannel request, CancellationToken cancellationToken)
    {
        var channel = await db.AlertChannels.FirstOrDefaultAsync(c => c.TenantId == request.TenantId && c.Id == request.ChannelId && c.RemovedAt == null, cancellationToken);
        if (channel is null)
            return Refusal.NotFound("channel");
        channel.Name = request.Name;
        channel.LeavesOut = string.Join(',', request.LeavesOut.Select(k => k.Word()));
        (channel.DisabledAt, channel.DisabledWhy) = request.Enabled ? (null, null) : channel.DisabledAt is null ? (time.GetUtcNow(), "switched off by hand") : (channel.DisabledAt, channel.DisabledWhy);
        return new ChannelChanged(channel.Id);
    }
}

/// <summary>The channels of a tenant, by name.</summary>
public sealed record ListAlertChannels(Caller Caller, string TenantId) : IUseCase<ChannelList>
{
    public Right Needs => Right.ReadKeys;
}

public sealed record ChannelList(IReadOnlyList<ChannelLine> Channels);

/// <param name="Shown">What may be seen of its address.</param>
/// <param name="DisabledWhy">Null while it is told.</param>
/// <param name="LastDelivered">When a message arrived there last; null where none did.</param>
/// <param name="LastAnswer">What the last attempt was answered, where it failed.</param>
public sealed record ChannelLine(
    string Id, ChannelKind Kind, string Name, string Shown, IReadOnlyList<AlertKind> LeavesOut, bool IsSigned, DateTimeOffset? SigningOldEnd, DateTimeOffset CreatedAt, DateTimeOffset? DisabledAt, string? DisabledWhy,
    DateTimeOffset? LastDelivered, int Waiting, string? LastAnswer);

internal sealed class ListAlertChannelsHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<ListAlertChannels, Outcome<ChannelList>>
{
    public async Task<Outcome<ChannelList>> Handle(ListAlertChannels request, CancellationToken cancellationToken)
    {
        var tenant = request.TenantId;
        var channels = await db.AlertChannels.AsNoTracking().Where(c => c.TenantId == tenant && c.RemovedAt == null).OrderBy(c => c.Name).ToListAsync(cancellationToken);
        var sums = await db.AlertDeliveries.Where(d => d.TenantId == tenant).GroupBy(d => d.ChannelId)
            .Select(g => new { g.Key, Delivered = g.Max(d => d.DeliveredAt), Waiting = g.Count(d => d.NextAt != null) }).ToDictionaryAsync(g => g.Key, cancellationToken);
        var failures = (await db.AlertDeliveries.AsNoTracking()
            .Where(d => d.TenantId == tenant && d.DeliveredAt == null && d.TriedAt == db.AlertDeliveries.Where(o => o.TenantId == tenant && o.ChannelId == d.ChannelId).Max(o => o.TriedAt))
            .Select(d => new { d.ChannelId, d.Answer }).ToListAsync(cancellationToken)).ToLookup(d => d.ChannelId, d => d.Answer);
        var now = time.GetUtcNow();
        return new ChannelList(channels.ConvertAll(c =>
        {
            var sum = sums.GetValueOrDefault(c.Id);
            return new ChannelLine(
                c.Id, c.Kind, c.Name, c.Shown, [.. c.LeavesOut.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(AlertKinds.Parse).OfType<AlertKind>()], c.SigningId is not null,
                c.SigningOldEnd > now ? c.SigningOldEnd : null, c.CreatedAt, c.DisabledAt, c.DisabledWhy, sum?.Delivered, sum?.Waiting ?? 0, failures[c.Id].FirstOrDefault());
        }));
    }
}
