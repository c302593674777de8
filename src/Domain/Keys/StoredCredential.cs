namespace Tokonomics.Domain.Keys;

/// <summary>A tenant's provider key as lists show it. The key itself is sealed under <see cref="SecretId"/>.</summary>
public sealed class StoredCredential
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    public required string Provider { get; init; }

    /// <summary>The last four characters; empty where the key is so short that four would tell much of it.</summary>
    public required string Last4 { get; init; }

    /// <summary>Null once the credential has ended: its sealed text is then deleted, the row stays as history.</summary>
    public string? SecretId { get; private set; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required string CreatedBy { get; init; }

    public DateTimeOffset? EndedAt { get; private set; }

    public string? EndedBy { get; private set; }

    /// <summary>When it was last tried at the provider; null before the first time. What came of it is in the two below.</summary>
    public DateTimeOffset? TestedAt { get; private set; }

    public bool? TestPassed { get; private set; }

    /// <summary>What the provider said, in its words, or why it could not be asked.</summary>
    public string? TestAnswer { get; private set; }

    public void Tested(DateTimeOffset at, bool passed, string answer) => (TestedAt, TestPassed, TestAnswer) = (at, passed, answer);

    public static StoredCredential Create(string tenantId, string id, string provider, string last4, string secretId, DateTimeOffset at, string by) =>
        new() { TenantId = tenantId, Id = id, Provider = provider, Last4 = last4, SecretId = secretId, CreatedAt = at, CreatedBy = by };

    /// <returns>The id of the sealed text, which is to be deleted with it.</returns>
    public string End(DateTimeOffset at, string by)
    {
        var secret = SecretId ?? throw new InvalidOperationException($"credential {Id} ended at {EndedAt:O} already; it can't end at {at:O}");
        (SecretId, EndedAt, EndedBy) = (null, at, by);
        return secret;
    }
}

/// <summary>An endpoint of a tenant's own, as it is stored.</summary>
public sealed class StoredEndpoint
{
    public required string TenantId { get; init; }

    public required string Name { get; init; }

    public required string BaseUrl { get; init; }

    public required string Surface { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required string CreatedBy { get; init; }
}
