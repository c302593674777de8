using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;

namespace Tokonomics.Domain.Keys;

/// <summary>What is kept of a metering key: enough to recognise it, never enough to use it.</summary>
public sealed class IssuedKey
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    public required string Name { get; set; }

    public required KeyEnvironment Environment { get; init; }

    public required string LookupId { get; init; }

    /// <summary>32 bytes: the HMAC-SHA256 of the key under the pepper.</summary>
    public required byte[] Hash { get; init; }

    public string? TeamId { get; set; }

    public string? ProjectId { get; set; }

    /// <summary>As <see cref="KeyTags.Write"/> writes them.</summary>
    public required string Tags { get; set; }

    /// <summary>As <see cref="KeyAllowance.Write"/> writes them; <c>[]</c> allows every provider. Likewise the models.</summary>
    public string AllowedProviders { get; private set; } = "[]";

    public string AllowedModels { get; private set; } = "[]";

    public required DateTimeOffset CreatedAt { get; init; }

    public required string CreatedBy { get; init; }

    public DateTimeOffset? ExpiresAt { get; set; }

    public DateTimeOffset? RevokedAt { get; private set; }

    public string? RevokedBy { get; private set; }

    /// <summary>The key that took this one's place when it was rotated.</summary>
    public string? ReplacedBy { get; set; }

    public long? RequestsPerMinute { get; private set; }

    public long? TokensPerMinute { get; private set; }

    public int? ConcurrentRequests { get; private set; }

    public CallLimits Limits
    {
        get => new(RequestsPerMinute, TokensPerMinute, ConcurrentRequests);
        set => (RequestsPerMinute, TokensPerMinute, ConcurrentRequests) = (value.RequestsPerMinute, value.TokensPerMinute, value.ConcurrentRequests);
    }

    /// <summary>For how long an answer to one of its calls may be given again, seconds; null for not at all. See <see cref="Caching.CacheTime"/>.</summary>
    public int? CacheSeconds { get; set; }

    public string Masked => MeteringKey.Mask(Environment, LookupId);

    public void Allow(IReadOnlyList<string> providers, IReadOnlyList<string> models) =>
        (AllowedProviders, AllowedModels) = (KeyAllowance.Write(providers), KeyAllowance.Write(models));

    /// <summary>Ends the key for good. A second time changes nothing: the first moment and person stand.</summary>
    /// <returns>False where it was revoked already.</returns>
    public bool Revoke(DateTimeOffset at, string by)
    {
        if (RevokedAt is not null)
            return false;
        RevokedAt = at;
        RevokedBy = by;
        return true;
    }
}

/// <summary>What is kept of an API token.</summary>
public sealed class IssuedToken
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    public required string Name { get; init; }

    public required Tenants.Role Role { get; init; }

    public required string LookupId { get; init; }

    public required byte[] Hash { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required string CreatedBy { get; init; }

    public DateTimeOffset? ExpiresAt { get; init; }

    public DateTimeOffset? RevokedAt { get; private set; }

    public string? RevokedBy { get; private set; }

    public bool Revoke(DateTimeOffset at, string by)
    {
        if (RevokedAt is not null)
            return false;
        RevokedAt = at;
        RevokedBy = by;
        return true;
    }
}
