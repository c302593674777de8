using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Tokonomics.Domain.Routing;

/// <summary>
/// Requests of one purpose, told by what the caller shows anyway: its key, its system prompt, the tools it offers, the form of answer it asks for. A keyed hash under the tenant's secret: who
/// has the store alone can't try out which system prompt it was, and two tenants with the same one have nothing in common.
/// </summary>
public readonly record struct TrafficClass(ulong Key) : IComparable<TrafficClass>
{
    /// <param name="secret">The tenant's, 16 bytes or more; another secret makes other classes.</param>
    /// <param name="tools">Names, in any order.</param>
    /// <param name="responseFormat">Such as <c>json_schema:invoice</c>; empty for text.</param>
    /// <exception cref="ArgumentException">The secret is shorter than 16 bytes.</exception>
    public static TrafficClass Of(ReadOnlySpan<byte> secret, string keyId, string systemPrompt, IEnumerable<string> tools, string responseFormat)
    {
        using var hash = KeyedHash.Begin(secret);
        hash.Part(keyId);
        hash.Part(systemPrompt);
        var names = tools.Order(StringComparer.Ordinal).ToList();
        hash.Number(names.Count);
        foreach (var name in names)
            hash.Part(name);
        hash.Part(responseFormat);
        return new TrafficClass(hash.First64());
    }

    public int CompareTo(TrafficClass other) => Key.CompareTo(other.Key);

    /// <summary>Sixteen hexadecimal digits.</summary>
    public override string ToString() => Key.ToString("x16", CultureInfo.InvariantCulture);

    public static bool operator <(TrafficClass left, TrafficClass right) => left.Key < right.Key;

    public static bool operator <=(TrafficClass left, TrafficClass right) => left.Key <= right.Key;

    public static bool operator >(TrafficClass left, TrafficClass right) => left.Key > right.Key;

    public static bool operator >=(TrafficClass left, TrafficClass right) => left.Key >= right.Key;
}

/// <summary>Two models and what they cost, as sums are kept for them: when a name, a version or a price changes, what was learned is about something else and begins anew.</summary>
public readonly record struct PairFingerprint(ulong Key)
{
    /// <param name="strongRates">The rate card in any form that changes when a price does.</param>
    public static PairFingerprint Of(string strongModel, string strongRates, string candidateModel, string candidateRates)
    {
        using var hash = KeyedHash.Begin("tokonomics pair fingerprint"u8);
        hash.Part(strongModel);
        hash.Part(strongRates);
        hash.Part(candidateModel);
        hash.Part(candidateRates);
        return new PairFingerprint(hash.First64());
    }
}

/// <summary>The share of requests that stays on the strong model for ever, so that drift shows: picked by a keyed hash, not by chance, so that a retry of the same request goes the same way.</summary>
public static class Holdout
{
    /// <returns>0 to 1, evenly spread over request ids; to be compared with the share.</returns>
    public static double Uniform(ReadOnlySpan<byte> secret, string requestId)
    {
        using var hash = KeyedHash.Begin(secret);
        hash.Part("holdout");
        hash.Part(requestId);
        return (hash.First64() >> 11) * (1.0 / (1UL << 53));
    }
}

/// <summary>HMAC-SHA256 over parts, each after its length: ("ab", "c") and ("a", "bc") are not the same.</summary>
internal sealed class KeyedHash : IDisposable
{
    private const int LeastSecret = 16;
    private readonly IncrementalHash _hash;

    private KeyedHash(ReadOnlySpan<byte> secret) => _hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, secret);

    public static KeyedHash Begin(ReadOnlySpan<byte> secret) => secret.Length >= LeastSecret
        ? new KeyedHash(secret)
        : throw new ArgumentException($"The secret has {secret.Length} bytes; {LeastSecret} are the least.", nameof(secret));

    public void Part(string text)
    {
        Number(Encoding.UTF8.GetByteCount(text));
        Span<byte> buffer = stackalloc byte[1024];
        var rest = text.AsSpan();
        while (rest.Length > 0)
        {
            var take = Math.Min(rest.Length, buffer.Length / 3);
            if (take < rest.Length && char.IsHighSurrogate(rest[take - 1]))
                take--; // a pair goes together
            var written = Encoding.UTF8.GetBytes(rest[..take], buffer);
            _hash.AppendData(buffer[..written]);
            rest = rest[take..];
        }
    }

    public void Number(int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        _hash.AppendData(bytes);
    }

    public ulong First64()
    {
        Span<byte> whole = stackalloc byte[32];
        _hash.GetHashAndReset(whole);
        return BinaryPrimitives.ReadUInt64BigEndian(whole);
    }

    public void Dispose() => _hash.Dispose();
}
