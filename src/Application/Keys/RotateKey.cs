using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

/// <summary>Makes a key that takes another's place: same name, tags, limits, lists, team and project. The old one ends after the overlap, at once where it is zero.</summary>
/// <param name="Overlap">0 to 30 days, in which both are accepted, so that services can be moved over one by one.</param>
public sealed record RotateKey(Caller Caller, string TenantId, string KeyId, TimeSpan Overlap) : IUseCase<KeyMade>, IChange
{
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => $"replaces {KeyId}, overlap {Overlap}";
}

internal sealed class RotateKeyRules : AbstractValidator<RotateKey>
{
    public RotateKeyRules() =>
        RuleFor(r => r.Overlap).InclusiveBetween(TimeSpan.Zero, TimeSpan.FromDays(30)).WithMessage("The overlap is 0 to 30 days.");
}

internal sealed class RotateKeyHandler(TokonomicsDbContext db, KeyIssuing issuing, TimeProvider time) : IRequestHandler<RotateKey, Outcome<KeyMade>>
{
    public async Task<Outcome<KeyMade>> Handle(RotateKey request, CancellationToken cancellationToken)
    {
        var old = await db.Keys.FirstOrDefaultAsync(k => k.TenantId == request.TenantId && k.Id == request.KeyId, cancellationToken);
        if (old is null)
            return Refusal.NotFound("key");
        if (old.RevokedAt is not null || old.ReplacedBy is not null)
            return new Refusal(RefusalKind.Conflict, "key_ended", "The key is revoked or replaced already; make a new one instead.");
        var (key, row) = issuing.Key(request.TenantId, request.Caller, old.Name, old.Environment, old.TeamId, old.ProjectId, KeyTags.Read(old.Tags), old.ExpiresAt);
        row.Limits = old.Limits;
        row.Allow(KeyAllowance.Read(old.AllowedProviders), KeyAllowance.Read(old.AllowedModels));
        row.CacheSeconds = old.CacheSeconds;
        db.Keys.Add(row);
        old.ReplacedBy = row.Id;
        var now = time.GetUtcNow();
        if (request.Overlap == TimeSpan.Zero)
            old.Revoke(now, request.Caller.Actor);
        else if (old.ExpiresAt is null || old.ExpiresAt > now + request.Overlap)
            old.ExpiresAt = now + request.Overlap;
        return new KeyMade(row.TenantId, row.Id, row.Name, row.Environment, row.Masked, key.Reveal());
    }
}
