using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.RateLimits;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

/// <summary>Sets a key's name, tags, expiry and limits, all of them: what the form shows is what is kept. Calls already recorded keep the tags that they had.</summary>
/// <param name="ExpiresAt">Null for never.</param>
public sealed record UpdateKey(Caller Caller, string TenantId, string KeyId, string Name, IReadOnlyList<Tag> Tags, DateTimeOffset? ExpiresAt)
    : IUseCase<KeyUpdated>, IChange
{
    /// <summary>What is null is not limited.</summary>
    public CallLimits Limits { get; init; } = new();

    public Right Needs => Right.ManageKeys;

    public string AuditDetail => $"{Name}; tags {KeyTags.Write(Tags)}; expires {(ExpiresAt is { } at ? at.UtcDateTime.ToString("O") : "never")}; {Limits}";
}

public sealed record KeyUpdated(string KeyId) : IAuditSubject
{
    public string AuditSubject => KeyId;
}

internal sealed class UpdateKeyRules : AbstractValidator<UpdateKey>
{
    public UpdateKeyRules()
    {
        RuleFor(u => u.Name).IsName();
        RuleFor(u => u.Tags).AreTags();
        RuleFor(u => u.Limits).AreLimits();
    }
}

internal sealed class UpdateKeyHandler(TokonomicsDbContext db) : IRequestHandler<UpdateKey, Outcome<KeyUpdated>>
{
    public async Task<Outcome<KeyUpdated>> Handle(UpdateKey request, CancellationToken cancellationToken)
    {
        var key = await db.Keys.FirstOrDefaultAsync(k => k.TenantId == request.TenantId && k.Id == request.KeyId, cancellationToken);
        if (key is null)
            return Refusal.NotFound("key");
        if (key.RevokedAt is not null)
            return new Refusal(RefusalKind.Conflict, "key_ended", "The key is revoked: it can't be changed any more.");
        key.Name = request.Name;
        key.Tags = KeyTags.Write(request.Tags);
        key.ExpiresAt = request.ExpiresAt;
        key.Limits = request.Limits;
        return new KeyUpdated(key.Id);
    }
}
