using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

/// <summary>All keys of a tenant, revoked ones too, newest first.</summary>
public sealed record ListKeys(Caller Caller, string TenantId, KeyEnvironment? Environment = null) : IUseCase<KeyList>
{
    public Right Needs => Right.ReadKeys;
}

public sealed record KeyList(IReadOnlyList<KeyLine> Keys);

/// <param name="Masked"><c>mk_live_AbCdEfGhIj…</c>.</param>
/// <param name="Status">Active, revoked or expired at the time of asking.</param>
public sealed record KeyLine(
    string Id, string Name, string Masked, KeyEnvironment Environment, KeyStatus Status, string? TeamId, string? ProjectId, IReadOnlyList<Tag> Tags,
    DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt, string? RevokedBy, string? ReplacedBy, CallLimits Limits);

internal sealed class ListKeysHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<ListKeys, Outcome<KeyList>>
{
    public async Task<Outcome<KeyList>> Handle(ListKeys request, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var rows = await db.Keys.AsNoTracking()
            .Where(k => k.TenantId == request.TenantId && (request.Environment == null || k.Environment == request.Environment))
            .OrderByDescending(k => k.Id)
            .ToListAsync(cancellationToken);
        return new KeyList(rows.ConvertAll(k => new KeyLine(
            k.Id, k.Name, k.Masked, k.Environment,
            k.RevokedAt is not null ? KeyStatus.Revoked : k.ExpiresAt <= now ? KeyStatus.Expired : KeyStatus.Active,
            k.TeamId, k.ProjectId, KeyTags.Read(k.Tags), k.CreatedAt, k.CreatedBy, k.ExpiresAt, k.RevokedAt, k.RevokedBy, k.ReplacedBy, k.Limits)));
    }
}
