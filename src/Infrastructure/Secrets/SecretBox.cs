using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Tokonomics.Application.Secrets;

namespace Tokonomics.Infrastructure.Secrets;

/// <summary>
/// AES-256-GCM twice: a fresh data key seals the secret, the ring's current key wraps the data key. Tenant, id and purpose are authenticated
/// with both, and the wrapping key's id with the wrapping.
/// </summary>
/// <remarks>
/// Nonces are random. A data key seals once, so its nonce can't repeat. A key-encryption key wraps many data keys under random 96-bit nonces:
/// NIST SP 800-38D allows 2^32 of these, more secrets than any installation will hold.
/// Layout of both texts: version (1), nonce (12), tag (16), ciphertext.
/// </remarks>
public sealed class SecretBox(MasterKeyRing ring, TimeProvider time) : ISecretBox
{
    private const byte Version = 1;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const int Overhead = 1 + NonceBytes + TagBytes;

    public SealedSecret Seal(string tenantId, string id, string purpose, string secret)
    {
        Span<byte> dataKey = stackalloc byte[32];
        RandomNumberGenerator.Fill(dataKey);
        var plain = Encoding.UTF8.GetBytes(secret);
        try
        {
            var kekId = ring.CurrentId;
            return new SealedSecret
            {
                TenantId = tenantId,
                Id = id,
                Purpose = purpose,
                KekId = kekId,
                WrappedKey = Encrypt(Kek(kekId), dataKey, Context("wrap", tenantId, id, purpose, kekId)),
                Ciphertext = Encrypt(dataKey, plain, Context("seal", tenantId, id, purpose, "")),
                CreatedAt = time.GetUtcNow(),
            };
        }
        finally
        {
            CryptographicOperations.ZeroMemory(dataKey);
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    public string Open(SealedSecret secret)
    {
        var dataKey = Unwrap(secret);
        byte[]? plain = null;
        try
        {
            plain = Decrypt(dataKey, secret.Ciphertext, Context("seal", secret.TenantId, secret.Id, secret.Purpose, ""), secret.Id);
            return Encoding.UTF8.GetString(plain);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(dataKey);
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    public bool Rewrap(SealedSecret secret)
    {
        var current = ring.CurrentId;
        if (secret.KekId == current)
            return false;
        var dataKey = Unwrap(secret);
        secret.WrappedKey = Encrypt(Kek(current), dataKey, Context("wrap", secret.TenantId, secret.Id, secret.Purpose, current));
        secret.KekId = current;
        CryptographicOperations.ZeroMemory(dataKey);
        return true;
    }

    private byte[] Unwrap(SealedSecret secret) =>
        Decrypt(Kek(secret.KekId), secret.WrappedKey, Context("wrap", secret.TenantId, secret.Id, secret.Purpose, secret.KekId), secret.Id);

    private byte[] Kek(string id) =>
        ring.Find(id) ?? throw new CryptographicException($"The key ring ({ring.Source}) has no key {id}, which sealed a secret of this store. Put it back into the ring.");

    private static byte[] Encrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> plain, byte[] context)
    {
        var text = new byte[Overhead + plain.Length];
        text[0] = Version;
        var nonce = text.AsSpan(1, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(key, TagBytes);
        aes.Encrypt(nonce, plain, text.AsSpan(Overhead), text.AsSpan(1 + NonceBytes, TagBytes), context);
        return text;
    }

    private static byte[] Decrypt(ReadOnlySpan<byte> key, byte[] text, byte[] context, string id)
    {
        if (text.Length < Overhead || text[0] != Version)
            throw new CryptographicException($"secret {id} is damaged: it has {text.Length} bytes and no known version");
        var plain = new byte[text.Length - Overhead];
        using var aes = new AesGcm(key, TagBytes);
        aes.Decrypt(text.AsSpan(1, NonceBytes), text.AsSpan(Overhead), text.AsSpan(1 + NonceBytes, TagBytes), plain, context);
        return plain;
    }

    // Each part with its length before it: no two lists of parts give the same bytes.
    private static byte[] Context(params ReadOnlySpan<string> parts)
    {
        using var bytes = new MemoryStream();
        Span<byte> length = stackalloc byte[4];
        foreach (var part in parts)
        {
            var text = Encoding.UTF8.GetBytes(part);
            BinaryPrimitives.WriteInt32BigEndian(length, text.Length);
            bytes.Write(length);
            bytes.Write(text);
        }

        return bytes.ToArray();
    }
}
