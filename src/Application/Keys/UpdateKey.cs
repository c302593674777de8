using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.RateLimits;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Caching;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

/// <summary>Sets a key's name, tags, expiry, limits, lists and caching, all of them: what the form shows is what is kept. Calls already recorded keep the tags that they had.</summary>
/// <param name="ExpiresAt">Null for never.</param>
public sealed record UpdateKey(Caller Caller, string TenantId, string KeyId, string Name, IReadOnlyList<Tag> Tags, DateTimeOffset? ExpiresAt)
    : IUseCase<KeyUpdated>, IChange
{
    /// <summary>What is null is not limited.</summary>
    public CallLimits Limits { get; init; } = new();

    /// <summary>By name. Empty: every provider.</summary>
    public IReadOnlyList<string> AllowedProviders { get; init; } = [];

    /// <summary>Names, or beginnings such as <c>gpt-5*</c>. Empty: every model.</summary>
    public IReadOnlyList<string> AllowedModels { get; init; } = [];

    /// <summary>For how long an answer may be given again to an exact repeat: 1 to <see cref="CacheTime.MostSeconds"/>; null for not at all.</summary>
    public int? CacheSeconds { get; init; }

    public Right Needs => Right.ManageKeys;

    public string AuditDetail => $"{Name}; tags {KeyTags.Write(Tags)}; expires {(ExpiresAt is { } at ? at.UtcDateTime.ToString("O") : "never")}; {Limits}{KeyLists.Describe(AllowedProviders, AllowedModels)}{KeyLists.Caching(CacheSeconds)}";
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
        RuleFor(u => u.AllowedModels).AreModels();
        RuleFor(u => u.CacheSeconds).Must(CacheTime.IsAllowed).WithMessage(CacheTime.Problem);
    }
}

internal sealed class UpdateKeyHandler(TokonomicsDbContext db, IBuiltInProviders providers) : IRequestHandler<UpdateKey, Outcome<KeyUpdated>>
{
    public async Task<Outcome<KeyUpdated>> Handle(UpdateKey request, CancellationToken cancellationToken)
    {
        var key = await db.Keys.FirstOrDefaultAsync(k => k.TenantId == request.TenantId && k.Id == request.KeyId, cancellationToken);
        if (key is null)
            return Refusal.NotFound("key");
        if (key.RevokedAt is not null)
            return new Refusal(RefusalKind.Conflict, "key_ended", "The key is revoked: it can't be changed any more.");
        // A provider that the list has already may stay, also where its endpoint was removed since.
        var added = request.AllowedProviders.Except(KeyAllowance.Read(key.AllowedProviders), StringComparer.Ordinal).ToList();
        if (await KeyLists.ProblemAsync(db, providers, request.TenantId, added, cancellationToken) is { } refusal)
            return refusal;
        key.Name = request.Name;
        key.Tags = KeyTags.Write(request.Tags);
        key.ExpiresAt = request.ExpiresAt;
        key.Limits = request.Limits;
        key.Allow(request.AllowedProviders, request.AllowedModels);
        key.CacheSeconds = request.CacheSeconds;
        return new KeyUpdated(key.Id);
    }
}

/// <summary>
/// Moves a key to another team or project, or out of both. Calls admitted after it count on their budgets; what is recorded stays where it was made.
/// </summary>
/// <param name="TeamId">Null for the project's, or none.</param>
public sealed record MoveKey(Caller Caller, string TenantId, string KeyId, string? TeamId, string? ProjectId) : IUseCase<KeyUpdated>, IChange
{
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => $"team {TeamId ?? "none"}; project {ProjectId ?? "none"}";
}

internal sealed class MoveKeyHandler(TokonomicsDbContext db) : IRequestHandler<MoveKey, Outcome<KeyUpdated>>
{
    public async Task<Outcome<KeyUpdated>> Handle(MoveKey request, CancellationToken cancellationToken)
    {
        var key = await db.Keys.FirstOrDefaultAsync(k => k.TenantId == request.TenantId && k.Id == request.KeyId, cancellationToken);
        if (key is null)
            return Refusal.NotFound("key");
        if (key.RevokedAt is not null)
            return new Refusal(RefusalKind.Conflict, "key_ended", "The key is revoked: it can't be moved any more.");
        var (team, nowhere) = await KeyPlace.FindAsync(db, request.TenantId, request.TeamId, request.ProjectId, cancellationToken);
        if (nowhere is not null)
            return nowhere;
        (key.TeamId, key.ProjectId) = (team, request.ProjectId);
        return new KeyUpdated(key.Id);
    }
}
