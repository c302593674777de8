using System.Linq.Expressions;
using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Alerts;

/// <summary>A mute as it is stored. Ended ones stay: who kept what from being told, and why.</summary>
public sealed class StoredMute
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    /// <summary>The kind's word; null for all.</summary>
    public string? Kind { get; init; }

    public required string Scope { get; init; }

    public required string ScopeName { get; init; }

    public required string ScopeValue { get; init; }

    /// <summary>Null: until somebody ends it.</summary>
    public DateTimeOffset? Until { get; init; }

    public required string Why { get; init; }

    public required DateTimeOffset At { get; init; }

    public required string MutedBy { get; init; }

    /// <summary>By hand, before its time.</summary>
    public DateTimeOffset? EndedAt { get; set; }

    public string? EndedBy { get; set; }

    /// <summary>When whoever carries messages held back what waited.</summary>
    public DateTimeOffset? AppliedAt { get; init; }

    public AlertSubject Subject => new(Scope, ScopeName, ScopeValue);

    /// <summary>Those that keep something from being told at that time.</summary>
    public static Expression<Func<StoredMute, bool>> RunsAt(DateTimeOffset now) => m => m.EndedAt == null && (m.Until == null || m.Until > now);

    public static StoredMute Of(string tenantId, AlertKind? kind, AlertSubject subject, DateTimeOffset? until, string why, string by, DateTimeOffset now) => new()
    {
        TenantId = tenantId,
        Id = SortableId.New("mute", now),
        Kind = kind?.Word(),
        Scope = subject.Scope,
        ScopeName = subject.Name,
        ScopeValue = subject.Value,
        Until = until,
        Why = why,
        At = now,
        MutedBy = by,
    };
}

/// <summary>Keeps a kind, or everything, of the tenant or a part of it from being told for a while. It stands on the page all the same; what lasts longer than the mute is told at its end.</summary>
/// <param name="Kind">Null: all kinds.</param>
/// <param name="Until">Null: until somebody ends it, which what may be critical can't be muted for.</param>
public sealed record MuteAlerts(Caller Caller, string TenantId, AlertKind? Kind, AlertSubject Subject, DateTimeOffset? Until, string Why) : IUseCase<AlertsMuted>, IChange
{
    // As to say that one looks after an alert.
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => MuteWords.Detail(Kind, Subject, Until, Why);
}

public sealed record AlertsMuted(string MuteId) : IAuditSubject
{
    public string AuditSubject => MuteId;
}

internal static class MuteWords
{
    private const int LongestWhy = 200;

    public static string Detail(AlertKind? kind, AlertSubject subject, DateTimeOffset? until, string why) =>
        $"{kind?.Word() ?? "all"} of {AlertSubjects.Detail(subject)} {HowLong(until, why)}";

    public static string HowLong(DateTimeOffset? until, string why) => $"until {(until is { } end ? $"{end.UtcDateTime:yyyy-MM-dd HH:mm} UTC" : "it is ended")}{(why.Length > 0 ? ": " + why : "")}";

    public static void MustBeShort<T>(this IRuleBuilder<T, string> why) =>
        why.Must(w => w.Length <= LongestWhy && !w.Any(char.IsControl)).WithMessage($"The reason has {LongestWhy} characters at most, on one line.");

    public static async Task<Refusal?> TooManyAsync(TokonomicsDbContext db, string tenantId, DateTimeOffset now, CancellationToken cancellationToken) =>
        await db.AlertMutes.Where(StoredMute.RunsAt(now)).CountAsync(m => m.TenantId == tenantId, cancellationToken) >= 200
            ? new Refusal(RefusalKind.Conflict, "too_many_mutes", "A tenant has 200 mutes at a time at most: end some, or mute something wider.")
            : null;
}

internal sealed class MuteAlertsRules : AbstractValidator<MuteAlerts>
{
    public MuteAlertsRules(TimeProvider time)
    {
        RuleFor(m => m.Kind).Must(k => k is null || AlertKinds.Chosen.Contains(k.Value)).WithMessage($"A kind is one of {string.Join(", ", AlertKinds.Chosen.Select(k => k.Word()))}, or none for all.");
        RuleFor(m => m.Subject).Must(AlertSubjects.IsWellFormed).WithMessage("It is about the organization, a team, a project, a key, a tag, a provider or a model.");
        RuleFor(m => m.Why).MustBeShort();
        RuleFor(m => m.Until).Custom((until, context) =>
        {
            if (AlertMute.Problem(context.InstanceToValidate.Kind, until, time.GetUtcNow()) is { } problem)
                context.AddFailure(problem);
        });
    }
}

internal sealed class MuteAlertsHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<MuteAlerts, Outcome<AlertsMuted>>
{
    public async Task<Outcome<AlertsMuted>> Handle(MuteAlerts request, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (await AlertSubjects.MissingAsync(db, request.TenantId, request.Subject, cancellationToken) is { } missing)
            return missing;
        if (await MuteWords.TooManyAsync(db, request.TenantId, now, cancellationToken) is { } tooMany)
            return tooMany;
        var mute = StoredMute.Of(request.TenantId, request.Kind, request.Subject, request.Until, request.Why, request.Caller.Actor, now);
        db.AlertMutes.Add(mute);
        return new AlertsMuted(mute.Id);
    }
}

/// <summary>Mutes from an alert: its kind, of what it is about.</summary>
public sealed record SnoozeAlert(Caller Caller, string TenantId, string AlertId, DateTimeOffset? Until, string Why = "") : IUseCase<AlertsMuted>, IChange
{
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => $"{AlertId} {MuteWords.HowLong(Until, Why)}";
}

internal sealed class SnoozeAlertRules : AbstractValidator<SnoozeAlert>
{
    public SnoozeAlertRules() => RuleFor(m => m.Why).MustBeShort();
}

internal sealed class SnoozeAlertHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<SnoozeAlert, Outcome<AlertsMuted>>
{
    public async Task<Outcome<AlertsMuted>> Handle(SnoozeAlert request, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var alert = await db.Alerts.FirstOrDefaultAsync(a => a.TenantId == request.TenantId && a.Id == request.AlertId, cancellationToken);
        if (alert is null)
            return Refusal.NotFound("alert");
        var kind = AlertKinds.Parse(alert.Kind);
        if (AlertMute.Problem(alert.Severity == AlertSeverity.Critical ? null : kind, request.Until, now) is { } problem)
            return Refusal.Invalid(nameof(request.Until), problem);
        if (await MuteWords.TooManyAsync(db, request.TenantId, now, cancellationToken) is { } tooMany)
            return tooMany;
        var mute = StoredMute.Of(request.TenantId, kind, alert.Subject, request.Until, request.Why, request.Caller.Actor, now);
        db.AlertMutes.Add(mute);
        // Whoever pressed sees it at once; what else is covered is marked when it is next looked for what is due.
        alert.MuteId = mute.Id;
        return new AlertsMuted(mute.Id);
    }
}

/// <summary>Ends a mute before its time: what is still open is told now.</summary>
public sealed record EndMute(Caller Caller, string TenantId, string MuteId) : IUseCase<AlertsMuted>, IChange
{
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => "";
}

internal sealed class EndMuteHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<EndMute, Outcome<AlertsMuted>>
{
    public async Task<Outcome<AlertsMuted>> Handle(EndMute request, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var mute = await db.AlertMutes.Where(StoredMute.RunsAt(now)).FirstOrDefaultAsync(m => m.TenantId == request.TenantId && m.Id == request.MuteId, cancellationToken);
        if (mute is null)
            return Refusal.NotFound("mute");
        (mute.EndedAt, mute.EndedBy) = (now, request.Caller.Actor);
        return new AlertsMuted(mute.Id);
    }
}

/// <summary>The mutes that run, then the latest that are over.</summary>
public sealed record ListMutes(Caller Caller, string TenantId) : IUseCase<MuteList>
{
    public Right Needs => Right.ReadUsage;
}

public sealed record MuteList(IReadOnlyList<MuteLine> Mutes);

/// <param name="Kind">Null: all kinds.</param>
/// <param name="About">The subject in words.</param>
/// <param name="Until">Null: until somebody ends it.</param>
/// <param name="EndedAt">By hand, before its time.</param>
public sealed record MuteLine(string Id, AlertKind? Kind, AlertSubject Subject, string About, DateTimeOffset? Until, string Why, DateTimeOffset At, string By, DateTimeOffset? EndedAt, string? EndedBy, bool Runs);

internal sealed class ListMutesHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<ListMutes, Outcome<MuteList>>
{
    private const int MostOver = 20;

    public async Task<Outcome<MuteList>> Handle(ListMutes request, CancellationToken cancellationToken)
    {
        var (tenant, now) = (request.TenantId, time.GetUtcNow());
        var mutes = await db.AlertMutes.AsNoTracking().Where(m => m.TenantId == tenant).Where(StoredMute.RunsAt(now)).OrderByDescending(m => m.Id).ToListAsync(cancellationToken);
        var running = mutes.Count;
        mutes.AddRange(await db.AlertMutes.AsNoTracking().Where(m => m.TenantId == tenant && (m.EndedAt != null || m.Until <= now)).OrderByDescending(m => m.Id).Take(MostOver).ToListAsync(cancellationToken));
        var about = await AlertSubjects.WordsAsync(db, tenant, mutes.Select(m => m.Subject), cancellationToken);
        return new MuteList([.. mutes.Select((m, i) => new MuteLine(m.Id, AlertKinds.Parse(m.Kind), m.Subject, about(m.Subject), m.Until, m.Why, m.At, m.MutedBy, m.EndedAt, m.EndedBy, i < running))]);
    }
}
