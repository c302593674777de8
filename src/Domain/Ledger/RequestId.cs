using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Tokonomics.Domain.Ledger;

/// <summary>Ids of requests: <c>req_</c> and 26 characters of Crockford's base 32, 48 bits of time before 80 random ones, so that they sort by time.</summary>
public static class RequestId
{
    private const string Alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

    public const int Length = 30;

    public static string New(DateTimeOffset at) => string.Create(Length, at.ToUnixTimeMilliseconds(), static (text, milliseconds) =>
    {
        "req_".CopyTo(text);
        Span<byte> random = stackalloc byte[16];
        RandomNumberGenerator.Fill(random[..10]);
        var high = BinaryPrimitives.ReadUInt64LittleEndian(random);
        var low = BinaryPrimitives.ReadUInt64LittleEndian(random[8..]);
        for (var i = 9; i >= 0; i--, milliseconds >>= 5)
            text[4 + i] = Alphabet[(int)(milliseconds & 31)];
        for (var i = 14; i < 26; i++, high >>= 5)
            text[4 + i] = Alphabet[(int)(high & 31)];
        // 12 characters took 60 of the first 64 random bits; the other 4 characters take the remaining 20.
        low = (low & 0xffff) | (high << 16);
        for (var i = 10; i < 14; i++, low >>= 5)
            text[4 + i] = Alphabet[(int)(low & 31)];
    });

    public static bool IsValid(string? text)
    {
        if (text is not { Length: Length } || !text.StartsWith("req_", StringComparison.Ordinal))
            return false;
        foreach (var c in text.AsSpan(4))
            if (!Alphabet.Contains(c, StringComparison.Ordinal))
                return false;
        return true;
    }
}
