using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Alerts;

/// <summary>What a tenant decides for all its alerts.</summary>
public sealed class AlertSettings
{
    public required string TenantId { get; init; }

    /// <summary>The days on which quiet time begins, 1 (Monday) to 7, in order; empty: never.</summary>
    public required string QuietDays { get; set; }

    /// <summary>Minutes of the day.</summary>
    public int QuietFrom { get; set; }

    public int QuietTo { get; set; }

    /// <summary>PagerDuty waits as well.</summary>
    public bool QuietPager { get; set; }

    public required DateTimeOffset ChangedAt { get; set; }

    public required string ChangedBy { get; set; }

    public QuietHours Quiet => Read(QuietDays, QuietFrom, QuietTo);

    public static QuietHours Read(string days, int from, int to) =>
        new([.. days.Select(d => (DayOfWeek)((d - '0') % 7))], TimeOnly.MinValue.AddMinutes(from), TimeOnly.MinValue.AddMinutes(to));

    public static string Write(IReadOnlyList<DayOfWeek> days) => string.Concat(days.Select(d => d == DayOfWeek.Sunday ? 7 : (int)d).Order());
}

/// <summary>Sets when people aren't disturbed: what is less than critical waits until the quiet time's end, and isn't sent at all where it is over before. What waits already waits as it did.</summary>
/// <param name="Quiet">Without days: never.</param>
/// <param name="PagerWaits">PagerDuty waits as people's channels do. A program's webhook never does.</param>
public sealed record SetQuietHours(Caller Caller, string TenantId, QuietHours Quiet, bool PagerWaits) : IUseCase<QuietHoursSet>, IChange
{
    public Right Needs => Right.ManageBudgets;

    public string AuditDetail => Quiet.Days.Count == 0 ? "none" : FormattableString.Invariant($"days {AlertSettings.Write(Quiet.Days)}, {Quiet.From:HH\\:mm} to {Quiet.To:HH\\:mm}{(PagerWaits ? ", PagerDuty too" : "")}");
}

public sealed record QuietHoursSet(QuietHours Quiet, bool PagerWaits);

internal sealed class SetQuietHoursRules : AbstractValidator<SetQuietHours>
{
    public SetQuietHoursRules() => RuleFor(q => q.Quiet).Custom((quiet, context) =>
    {
        if (quiet.Problem() is { } problem)
            context.AddFailure(problem);
    });
}

internal sealed class SetQuietHoursHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<SetQuietHours, Outcome<QuietHoursSet>>
{
    public async Task<Outcome<QuietHoursSet>> Handle(SetQuietHours request, CancellationToken cancellationToken)
    {
        var (now, by) = (time.GetUtcNow(), request.Caller.Actor);
        var settings = await db.AlertSettings.FirstOrDefaultAsync(s => s.TenantId == request.TenantId, cancellationToken);
        if (settings is null)
            db.AlertSettings.Add(settings = new AlertSettings { TenantId = request.TenantId, QuietDays = "", ChangedAt = now, ChangedBy = by });
        (settings.QuietDays, settings.QuietFrom, settings.QuietTo) = (AlertSettings.Write(request.Quiet.Days), Minutes(request.Quiet.From), Minutes(request.Quiet.To));
        (settings.QuietPager, settings.ChangedAt, settings.ChangedBy) = (request.PagerWaits, now, by);
        return new QuietHoursSet(settings.Quiet, settings.QuietPager);

        static int Minutes(TimeOnly at) => (at.Hour * 60) + at.Minute;
    }
}

/// <summary>When people aren't disturbed; without days where nobody has set it.</summary>
public sealed record GetQuietHours(Caller Caller, string TenantId) : IUseCase<QuietHoursSet>
{
    public Right Needs => Right.ReadUsage;
}

internal sealed class GetQuietHoursHandler(TokonomicsDbContext db) : IRequestHandler<GetQuietHours, Outcome<QuietHoursSet>>
{
    private static readonly QuietHoursSet Never = new(new QuietHours([], new TimeOnly(20, 0), new TimeOnly(8, 0)), true);

    public async Task<Outcome<QuietHoursSet>> Handle(GetQuietHours request, CancellationToken cancellationToken) =>
        await db.AlertSettings.AsNoTracking().FirstOrDefaultAsync(s => s.TenantId == request.TenantId, cancellationToken) is { } settings ? new QuietHoursSet(settings.Quiet, settings.QuietPager) : Never;
}
