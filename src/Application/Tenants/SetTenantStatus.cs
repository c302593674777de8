using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>Suspends a tenant (its keys are refused from then on) or lets it go on.</summary>
public sealed record SetTenantStatus(Caller Caller, string Tenant, TenantStatus Status) : IUseCase<TenantStatusSet>, IChange
{
    public string TenantId => AuditEntry.SystemTenant;

    public Right Needs => Right.Operate;

    public string AuditDetail => Status.ToString();
}

public sealed record TenantStatusSet(string TenantId, TenantStatus Status) : IAuditSubject, IInTenant
{
    public string AuditSubject => TenantId;
}

internal sealed class SetTenantStatusHandler(TokonomicsDbContext db) : IRequestHandler<SetTenantStatus, Outcome<TenantStatusSet>>
{
    public async Task<Outcome<TenantStatusSet>> Handle(SetTenantStatus request, CancellationToken cancellationToken)
    {
        var tenant = await db.Tenants.FirstOrDefaultAsync(t => t.Id == request.Tenant, cancellationToken);
        if (tenant is null)
            return Refusal.NotFound("tenant");
        tenant.Status = request.Status;
        return new TenantStatusSet(tenant.Id, tenant.Status);
    }
}
