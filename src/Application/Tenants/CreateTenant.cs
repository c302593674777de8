using FluentValidation;
using MediatR;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>Makes a tenant and its owner.</summary>
/// <param name="TimeZone">An IANA name.</param>
public sealed record CreateTenant(Caller Caller, string Name, string OwnerEmail, string TimeZone = "UTC", TenantPlan Plan = TenantPlan.Free) : IUseCase<TenantCreated>, IChange
{
    public string TenantId => AuditEntry.SystemTenant;

    public Right Needs => Right.Operate;

    public string AuditDetail => Name;
}

public sealed record TenantCreated(string TenantId, string OwnerId) : IAuditSubject, IInTenant
{
    public string AuditSubject => TenantId;
}

internal sealed class CreateTenantRules : AbstractValidator<CreateTenant>
{
    public CreateTenantRules()
    {
        RuleFor(c => c.Name).IsName();
        RuleFor(c => c.OwnerEmail).Must(TenantMaking.IsEmail).WithMessage("The owner's e-mail address must look like name@host.");
        RuleFor(c => c.TimeZone).Must(TenantMaking.IsTimeZone).WithMessage("The time zone must be an IANA name, such as Europe/Berlin.");
        RuleFor(c => c.Plan).IsInEnum();
    }
}

internal sealed class CreateTenantHandler(TokonomicsDbContext db, PlansInForce plans, TimeProvider time) : IRequestHandler<CreateTenant, Outcome<TenantCreated>>
{
    public Task<Outcome<TenantCreated>> Handle(CreateTenant request, CancellationToken cancellationToken)
    {
        var (tenant, owner) = TenantMaking.Make(time.GetUtcNow(), request.Name, request.OwnerEmail, request.TimeZone, request.Plan);
        db.Add(tenant);
        db.Add(owner);
        db.AddRange(plans.Begin(tenant.Id, PlansInForce.Granted(request.Plan), tenant.CreatedAt));
        return Task.FromResult<Outcome<TenantCreated>>(new TenantCreated(tenant.Id, owner.Id));
    }
}

internal static class TenantMaking
{
    public static bool IsEmail(string? text) =>
        text is { Length: >= 3 and <= 254 } && text.IndexOf('@', StringComparison.Ordinal) is > 0 and var at && at < text.Length - 1
        && at == text.LastIndexOf('@') && text.All(c => c is > ' ' and < (char)0x7f);

    public static bool IsTimeZone(string? name) => !string.IsNullOrEmpty(name) && TimeZoneInfo.TryFindSystemTimeZoneById(name, out _);

    public static (Tenant Tenant, Member Owner) Make(DateTimeOffset now, string name, string ownerEmail, string timeZone, TenantPlan plan)
    {
        var tenant = new Tenant { Id = SortableId.New("ten", now), Name = name, Plan = plan, TimeZone = timeZone, CreatedAt = now };
        return (tenant, new Member { TenantId = tenant.Id, Id = SortableId.New("mem", now), Email = ownerEmail.ToLowerInvariant(), Role = Role.Owner, CreatedAt = now });
    }
}
