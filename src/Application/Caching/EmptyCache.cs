using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Caching;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Caching;

/// <summary>
/// Takes away every answer that was kept for the tenant's calls, on every proxy within a second: nothing is found by the old names any more, and what is left of it is sealed with an epoch that is
/// nowhere any more.
/// </summary>
public sealed record EmptyCache(Caller Caller, string TenantId) : IUseCase<CacheEmptied>, IChange
{
    // Whoever may let answers be kept may have them taken away.
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => "";
}

public sealed record CacheEmptied(string TenantId) : IAuditSubject
{
    public string AuditSubject => TenantId;
}

internal sealed class EmptyCacheHandler(TokonomicsDbContext db) : IRequestHandler<EmptyCache, Outcome<CacheEmptied>>
{
    public async Task<Outcome<CacheEmptied>> Handle(EmptyCache request, CancellationToken cancellationToken)
    {
        var tenant = await db.Tenants.FirstOrDefaultAsync(t => t.Id == request.TenantId, cancellationToken);
        if (tenant is null)
            return Refusal.NotFound("tenant");
        tenant.CacheEpoch = CacheTime.NewEpoch();
        return new CacheEmptied(tenant.Id);
    }
}
