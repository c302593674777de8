namespace Tokonomics.Application.Secrets;

/// <summary>A secret as it is stored: sealed by a data key of its own, which a key-encryption key outside the store wraps.</summary>
public sealed class SealedSecret
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    /// <summary>What it is for: <c>provider-credential</c>. Authenticated, so that one kind can't be passed off as another.</summary>
    public required string Purpose { get; init; }

    public required string KekId { get; set; }

    public required byte[] WrappedKey { get; set; }

    public required byte[] Ciphertext { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>Seals secrets for the store and opens them again.</summary>
public interface ISecretBox
{
    SealedSecret Seal(string tenantId, string id, string purpose, string secret);

    /// <exception cref="System.Security.Cryptography.CryptographicException">The row was tampered with or moved, or its key-encryption key is not in the ring.</exception>
    string Open(SealedSecret secret);

    /// <summary>Wraps the data key by the current key-encryption key; the ciphertext stays. False where it is wrapped so already.</summary>
    bool Rewrap(SealedSecret secret);
}

/// <summary>The key-encryption keys, outside the store.</summary>
public interface IMasterKeys
{
    string CurrentId { get; }

    /// <summary>Adds a new key and makes it the current one; those before stay readable.</summary>
    /// <exception cref="InvalidOperationException">The ring comes from settings and can only be changed there.</exception>
    string Add();
}
