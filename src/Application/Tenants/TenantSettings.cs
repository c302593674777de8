using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>What a tenant decides for all its calls.</summary>
public sealed record TenantSettings(string TenantId, DisconnectPolicy OnDisconnect) : IAuditSubject
{
    public string AuditSubject => TenantId;
}

public sealed record GetTenantSettings(Caller Caller, string TenantId) : IUseCase<TenantSettings>
{
    public Right Needs => Right.ReadKeys;
}

internal sealed class GetTenantSettingsHandler(TokonomicsDbContext db) : IRequestHandler<GetTenantSettings, Outcome<TenantSettings>>
{
    public async Task<Outcome<TenantSettings>> Handle(GetTenantSettings request, CancellationToken cancellationToken) =>
        await db.Tenants.AsNoTracking().FirstOrDefaultAsync(t => t.Id == request.TenantId, cancellationToken) is { } tenant
            ? new TenantSettings(tenant.Id, tenant.OnDisconnect)
            : Refusal.NotFound("tenant");
}

/// <summary>Holds for calls that begin after it; every proxy knows within a second.</summary>
public sealed record SetTenantSettings(Caller Caller, string TenantId, DisconnectPolicy OnDisconnect) : IUseCase<TenantSettings>, IChange
{
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => $"on disconnect: {OnDisconnect}";
}

internal sealed class SetTenantSettingsHandler(TokonomicsDbContext db) : IRequestHandler<SetTenantSettings, Outcome<TenantSettings>>
{
    public async Task<Outcome<TenantSettings>> Handle(SetTenantSettings request, CancellationToken cancellationToken)
    {
        var tenant = await db.Tenants.FirstOrDefaultAsync(t => t.Id == request.TenantId, cancellationToken);
        if (tenant is null)
            return Refusal.NotFound("tenant");
        tenant.OnDisconnect = request.OnDisconnect;
        return new TenantSettings(tenant.Id, tenant.OnDisconnect);
    }
}
