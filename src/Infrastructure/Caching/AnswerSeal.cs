using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Tokonomics.Application.Caching;
using Tokonomics.Infrastructure.Secrets;

namespace Tokonomics.Infrastructure.Caching;

/// <summary>
/// AES-256-GCM under a key that is derived (HKDF-SHA256) from the ring's current key, the tenant, its epoch and the answer's name, and kept nowhere. Without the ring nobody reads an answer, without the
/// tenant's row nobody either, and one that is moved to another name or tenant doesn't open.
/// </summary>
/// <remarks>
/// A key of its own for each name: however many answers a tenant has, one key seals no more of them than were kept under that name, so that random nonces can't meet.
/// Layout: version (1), the ring's key by the six bytes of its id, nonce (12), tag (16), ciphertext. What comes before the nonce is authenticated.
/// </remarks>
internal sealed class AnswerSeal(MasterKeyRing ring)
{
    private const byte Version = 1;
    private const int IdBytes = 6;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const int HeadBytes = 1 + IdBytes;

    public const int Overhead = HeadBytes + NonceBytes + TagBytes;

    public byte[] Seal(AnswerName name, ReadOnlySpan<byte> plain)
    {
        var id = ring.CurrentId;
        var text = new byte[Overhead + plain.Length];
        text[0] = Version;
        Convert.FromHexString(id.AsSpan("kek_".Length)).CopyTo(text, 1);
        var nonce = text.AsSpan(HeadBytes, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var aes = Cipher(ring.Find(id)!, name);
        aes.Encrypt(nonce, plain, text.AsSpan(Overhead), text.AsSpan(HeadBytes + NonceBytes, TagBytes), text.AsSpan(0, HeadBytes));
        return text;
    }

    /// <returns>Null where it was sealed by another version, by a key that the ring doesn't have any more, for another name, or was changed.</returns>
    public byte[]? Open(AnswerName name, ReadOnlySpan<byte> text)
    {
        if (text.Length < Overhead || text[0] != Version || ring.Find("kek_" + Convert.ToHexStringLower(text.Slice(1, IdBytes))) is not { } kek)
            return null;
        var plain = new byte[text.Length - Overhead];
        using var aes = Cipher(kek, name);
        try
        {
            aes.Decrypt(text.Slice(HeadBytes, NonceBytes), text[Overhead..], text.Slice(HeadBytes + NonceBytes, TagBytes), plain, text[..HeadBytes]);
            return plain;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    private static AesGcm Cipher(byte[] kek, AnswerName name)
    {
        Span<byte> key = stackalloc byte[32];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, kek, key, [], Context("tokonomics answer cache", name));
        var aes = new AesGcm(key, TagBytes);
        CryptographicOperations.ZeroMemory(key);
        return aes;
    }

    // Each part with its length before it: no two names give the same bytes.
    private static byte[] Context(string purpose, AnswerName name)
    {
        using var bytes = new MemoryStream();
        Span<byte> length = stackalloc byte[4];
        foreach (var part in (ReadOnlySpan<byte[]>)[Encoding.UTF8.GetBytes(purpose), Encoding.UTF8.GetBytes(name.TenantId), Encoding.UTF8.GetBytes(name.Epoch), name.Hash])
        {
            BinaryPrimitives.WriteInt32BigEndian(length, part.Length);
            bytes.Write(length);
            bytes.Write(part);
        }

        return bytes.ToArray();
    }
}
