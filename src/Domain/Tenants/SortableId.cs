using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Tokonomics.Domain.Tenants;

/// <summary>
/// Ids such as <c>ten_01jcz…</c>: a prefix that says of what, then 26 characters (48 bits of milliseconds, 80 random bits, Crockford's base32
/// in lower case) that sort by time and can't be guessed.
/// </summary>
public static class SortableId
{
    private const string Alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

    private const int RandomBytes = 10;

    // From the system's generator for 64 ids at a time: asking it costs more than all the rest of a call's id. Used bytes are wiped.
    [ThreadStatic]
    private static byte[]? s_random;

    [ThreadStatic]
    private static int s_left;

    public static string New(string prefix, DateTimeOffset at)
    {
        Span<byte> bytes = stackalloc byte[16];
        TakeRandom(bytes[6..]);
        return Of(prefix, at, BinaryPrimitives.ReadUInt128BigEndian(bytes));
    }

    /// <summary>The id that these bits make, for whoever must make the same again. Nobody may be kept out by not knowing it.</summary>
    /// <param name="bits">The lower 80 are taken.</param>
    public static string Of(string prefix, DateTimeOffset at, UInt128 bits)
    {
        var number = ((UInt128)(ulong)at.ToUnixTimeMilliseconds() << 80) | (bits & ((UInt128.One << 80) - 1));
        Span<char> text = stackalloc char[26];
        for (var i = 25; i >= 0; i--)
        {
            text[i] = Alphabet[(int)(number & 31)];
            number >>= 5;
        }

        return string.Concat(prefix, "_", text);
    }

    private static void TakeRandom(Span<byte> bytes)
    {
        var random = s_random ??= new byte[64 * RandomBytes];
        if (s_left == 0)
        {
            RandomNumberGenerator.Fill(random);
            s_left = random.Length;
        }

        s_left -= RandomBytes;
        var taken = random.AsSpan(s_left, RandomBytes);
        taken.CopyTo(bytes);
        taken.Clear();
    }
}
