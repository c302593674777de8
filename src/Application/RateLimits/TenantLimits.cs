using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.RateLimits;

/// <summary>Sets the limits over all keys of a tenant, all three: what isn't named is not limited from then on. Live and test keys count apart.</summary>
public sealed record SetTenantLimits(Caller Caller, string TenantId, CallLimits Limits) : IUseCase<TenantLimits>, IChange
{
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => Limits.ToString();
}

public sealed record TenantLimits(string TenantId, CallLimits Limits) : IAuditSubject
{
    public string AuditSubject => TenantId;
}

internal sealed class SetTenantLimitsRules : AbstractValidator<SetTenantLimits>
{
    public SetTenantLimitsRules() => RuleFor(s => s.Limits).AreLimits();
}

internal sealed class SetTenantLimitsHandler(TokonomicsDbContext db) : IRequestHandler<SetTenantLimits, Outcome<TenantLimits>>
{
    public async Task<Outcome<TenantLimits>> Handle(SetTenantLimits request, CancellationToken cancellationToken)
    {
        var tenant = await db.Tenants.FirstOrDefaultAsync(t => t.Id == request.TenantId, cancellationToken);
        if (tenant is null)
            return Refusal.NotFound("tenant");
        tenant.Limits = request.Limits;
        return new TenantLimits(tenant.Id, tenant.Limits);
    }
}

/// <summary>The limits over all keys of a tenant.</summary>
public sealed record GetTenantLimits(Caller Caller, string TenantId) : IUseCase<TenantLimits>
{
    public Right Needs => Right.ReadKeys;
}

internal sealed class GetTenantLimitsHandler(TokonomicsDbContext db) : IRequestHandler<GetTenantLimits, Outcome<TenantLimits>>
{
    public async Task<Outcome<TenantLimits>> Handle(GetTenantLimits request, CancellationToken cancellationToken) =>
        await db.Tenants.AsNoTracking().FirstOrDefaultAsync(t => t.Id == request.TenantId, cancellationToken) is { } tenant
            ? new TenantLimits(tenant.Id, tenant.Limits)
            : Refusal.NotFound("tenant");
}

internal static class LimitRules
{
    public static IRuleBuilderOptions<T, CallLimits> AreLimits<T>(this IRuleBuilder<T, CallLimits> rule) =>
        rule.Must((_, limits, context) =>
        {
            if (limits.Problem() is not { } problem)
                return true;
            context.MessageFormatter.AppendArgument("Problem", problem);
            return false;
        }).WithMessage("{Problem}");
}
