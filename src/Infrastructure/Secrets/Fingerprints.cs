using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Tokonomics.Infrastructure.Secrets;

/// <summary>
/// Keyed hashes by which something is recognised that must not be kept. Without the pepper, which is not in the database, nobody can try out what it was;
/// and what two tenants sent can't be compared.
/// </summary>
public sealed class Fingerprints(MasterKeyRing ring)
{
    /// <summary>32 bytes.</summary>
    /// <param name="purpose">Hashes for different purposes never match.</param>
    public byte[] Of(string purpose, string tenantId, string text, ReadOnlySpan<byte> bytes = default)
    {
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, ring.Pepper);
        Append(hash, Encoding.UTF8.GetBytes(purpose));
        Append(hash, Encoding.UTF8.GetBytes(tenantId));
        Append(hash, Encoding.UTF8.GetBytes(text));
        Append(hash, bytes);
        return hash.GetHashAndReset();
    }

    // The length first: where one part ends and the next begins must not be open.
    private static void Append(IncrementalHash hash, ReadOnlySpan<byte> part)
    {
        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, part.Length);
        hash.AppendData(length);
        hash.AppendData(part);
    }
}
