using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

/// <summary>
/// Ends a key for good. This process refuses it before the answer is given, every other within a second. Revoking a revoked key succeeds and
/// changes nothing.
/// </summary>
public sealed record RevokeKey(Caller Caller, string TenantId, string KeyId) : IUseCase<KeyRevoked>, IChange
{
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => "";
}

public sealed record KeyRevoked(string KeyId, DateTimeOffset At) : IAuditSubject
{
    public string AuditSubject => KeyId;
}

internal sealed class RevokeKeyHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<RevokeKey, Outcome<KeyRevoked>>
{
    public async Task<Outcome<KeyRevoked>> Handle(RevokeKey request, CancellationToken cancellationToken)
    {
        var key = await db.Keys.FirstOrDefaultAsync(k => k.TenantId == request.TenantId && k.Id == request.KeyId, cancellationToken);
        if (key is null)
            return Refusal.NotFound("key");
        key.Revoke(time.GetUtcNow(), request.Caller.Actor);
        return new KeyRevoked(key.Id, key.RevokedAt!.Value);
    }
}
