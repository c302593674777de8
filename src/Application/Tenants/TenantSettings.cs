using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>What a tenant is, and what it decides for all its calls.</summary>
/// <param name="Plan">The one in force.</param>
/// <param name="RetentionDays">Null: events are kept for ever.</param>
/// <param name="DeleteAt">When it will be deleted; null where nobody asked for that.</param>
/// <param name="ZoneChangedAt">Since when <paramref name="TimeZone"/> holds; null where it always did.</param>
public sealed record TenantSettings(
    string TenantId, string Name, PlanStanding Plan, TenantStatus Status, string TimeZone, DateTimeOffset? ZoneChangedAt, DisconnectPolicy OnDisconnect, UnpricedPolicy Unpriced, int? RetentionDays,
    DateTimeOffset CreatedAt, DateTimeOffset? DeleteAt) : IAuditSubject
{
    public string AuditSubject => TenantId;

    public static TenantSettings Of(Tenant t, PlanStanding plan) => new(t.Id, t.Name, plan, t.Status, t.TimeZone, t.Calendar.LastChange, t.OnDisconnect, t.Unpriced, t.RetentionDays, t.CreatedAt, t.DeleteAt);
}

public sealed record GetTenantSettings(Caller Caller, string TenantId) : IUseCase<TenantSettings>
{
    public Right Needs => Right.ReadUsage;
}

internal sealed class GetTenantSettingsHandler(TokonomicsDbContext db, PlansInForce plans) : IRequestHandler<GetTenantSettings, Outcome<TenantSettings>>
{
    public async Task<Outcome<TenantSettings>> Handle(GetTenantSettings request, CancellationToken cancellationToken) =>
        await db.Tenants.AsNoTracking().FirstOrDefaultAsync(t => t.Id == request.TenantId, cancellationToken) is { } tenant
            ? TenantSettings.Of(tenant, await plans.StandingAsync(tenant, cancellationToken))
            : Refusal.NotFound("tenant");
}

/// <summary>
/// Sets what is named, and leaves the rest as it is. What concerns calls holds for those that begin after it; every proxy knows within a second. A new
/// time zone holds for budgets from the end of the periods that run: see <see cref="BudgetCalendar"/>.
/// </summary>
public sealed record SetTenantSettings(Caller Caller, string TenantId) : IUseCase<TenantSettings>, IChange
{
    public string? Name { get; init; }

    /// <summary>An IANA name.</summary>
    public string? TimeZone { get; init; }

    public DisconnectPolicy? OnDisconnect { get; init; }

    public UnpricedPolicy? Unpriced { get; init; }

    /// <summary>0 for ever; otherwise 35 to 3650.</summary>
    public int? RetentionDays { get; init; }

    // The policies for calls are matters of whoever manages keys; the tenant itself is its owner's.
    public Right Needs => Name is null && TimeZone is null && RetentionDays is null ? Right.ManageKeys : Right.ManageTenant;

    public string AuditDetail => string.Join("; ", new[]
    {
        Name is null ? null : $"name: {Name}", TimeZone is null ? null : $"time zone: {TimeZone}", OnDisconnect is null ? null : $"on disconnect: {OnDisconnect}",
        Unpriced is null ? null : $"unpriced: {Unpriced}", RetentionDays is null ? null : $"retention: {(RetentionDays == 0 ? "for ever" : $"{RetentionDays} days")}",
    }.OfType<string>());
}

internal sealed class SetTenantSettingsRules : AbstractValidator<SetTenantSettings>
{
    public SetTenantSettingsRules()
    {
        RuleFor(s => s.Name!).IsName().When(s => s.Name is not null);
        RuleFor(s => s.TimeZone).Must(z => z is null || TenantMaking.IsTimeZone(z)).WithMessage("The time zone must be an IANA name, such as Europe/Berlin.");
        RuleFor(s => s.OnDisconnect).IsInEnum();
        RuleFor(s => s.Unpriced).IsInEnum();
        RuleFor(s => s.RetentionDays).Must(d => d is null or 0 or (>= 35 and <= 3650)).WithMessage("Events are kept 35 to 3650 days, or for ever (0).");
    }
}

internal sealed class SetTenantSettingsHandler(TokonomicsDbContext db, PlansInForce plans, TimeProvider time) : IRequestHandler<SetTenantSettings, Outcome<TenantSettings>>
{
    // By then every node knows of the change: none opens a period by the old calendar.
    private static readonly TimeSpan ZoneNotice = TimeSpan.FromMinutes(1);

    private const int MostZones = 50;

    public async Task<Outcome<TenantSettings>> Handle(SetTenantSettings request, CancellationToken cancellationToken)
    {
        var tenant = await db.Tenants.FirstOrDefaultAsync(t => t.Id == request.TenantId, cancellationToken);
        if (tenant is null)
            return Refusal.NotFound("tenant");
        if (request.TimeZone is { } zone && zone != tenant.TimeZone)
        {
            var until = time.GetUtcNow() + ZoneNotice;
            if (tenant.Calendar.LastChange > time.GetUtcNow())
                return new Refusal(RefusalKind.Conflict, "time_zone_changing", "The time zone was changed a moment ago. Try again in a minute.");
            if (tenant.Calendar.Changes >= MostZones)
                return new Refusal(RefusalKind.Conflict, "time_zone_changed_too_often", $"The time zone was changed {MostZones} times; budgets can't follow further changes.");
            tenant.EarlierZones = BudgetCalendar.WriteEarlier(tenant.EarlierZones, tenant.TimeZone, until);
            tenant.TimeZone = zone;
            // Nodes read a tenant's calendar with its budgets, when one of them changes.
            await db.Budgets.IgnoreQueryFilters().Where(b => b.TenantId == tenant.Id && b.EndedAt == null).ExecuteUpdateAsync(set => set.SetProperty(b => b.FailOpen, b => b.FailOpen), cancellationToken);
        }

        tenant.Name = request.Name ?? tenant.Name;
        tenant.OnDisconnect = request.OnDisconnect ?? tenant.OnDisconnect;
        tenant.Unpriced = request.Unpriced ?? tenant.Unpriced;
        if (request.RetentionDays is { } days)
            tenant.RetentionDays = days == 0 ? null : days;
        return TenantSettings.Of(tenant, await plans.StandingAsync(tenant, cancellationToken));
    }
}
