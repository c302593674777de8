using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

/// <summary>The one-way form in which keys are stored.</summary>
public interface IKeyHasher
{
    /// <summary>Writes 32 bytes.</summary>
    void Hash(ReadOnlySpan<char> key, Span<byte> destination);
}

/// <summary>Tells this process's key directory that something changed in the store. Completes when look-ups see it.</summary>
public interface IDirectoryRefresh
{
    Task RefreshAsync(CancellationToken cancellationToken);
}

/// <summary>The names of the providers in the product's own data, which a tenant's endpoints must not take.</summary>
public interface IBuiltInProviders
{
    bool Contains(string name);
}

/// <summary>What several use cases share: making a key or a token, and the row that is kept of it.</summary>
internal sealed class KeyIssuing(IKeyHasher hasher, TimeProvider time)
{
    public (MeteringKey Key, IssuedKey Row) Key(string tenantId, Caller by, string name, KeyEnvironment environment, string? teamId = null, string? projectId = null, IReadOnlyList<Tag>? tags = null, DateTimeOffset? expiresAt = null)
    {
        var key = MeteringKey.Generate(environment);
        var hash = new byte[32];
        hasher.Hash(key.Reveal(), hash);
        var now = time.GetUtcNow();
        return (key, new IssuedKey
        {
            TenantId = tenantId,
            Id = SortableId.New("key", now),
            Name = name,
            Environment = environment,
            LookupId = key.LookupId,
            Hash = hash,
            TeamId = teamId,
            ProjectId = projectId,
            Tags = KeyTags.Write(tags ?? []),
            CreatedAt = now,
            CreatedBy = by.Actor,
            ExpiresAt = expiresAt,
        });
    }

    public (ApiToken Token, IssuedToken Row) Token(string tenantId, Caller by, string name, Role role, DateTimeOffset? expiresAt = null)
    {
        var token = ApiToken.Generate();
        var hash = new byte[32];
        hasher.Hash(token.Reveal(), hash);
        var now = time.GetUtcNow();
        return (token, new IssuedToken
        {
            TenantId = tenantId,
            Id = SortableId.New("tok", now),
            Name = name,
            Role = role,
            LookupId = token.LookupId,
            Hash = hash,
            CreatedAt = now,
            CreatedBy = by.Actor,
            ExpiresAt = expiresAt,
        });
    }
}

/// <summary>A key that was just made. <see cref="Secret"/> is shown once and kept nowhere; <see cref="ToString"/> leaves it out.</summary>
public sealed record KeyMade(string TenantId, string Id, string Name, KeyEnvironment Environment, string Masked, string Secret) : IAuditSubject
{
    public string AuditSubject => Id;

    public override string ToString() => $"key {Id} {Masked}";
}
