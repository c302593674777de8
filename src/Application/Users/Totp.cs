using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Tokonomics.Application.Users;

/// <summary>One-time codes as authenticator apps make them: RFC 6238 with HMAC-SHA-1, steps of 30 seconds, six digits.</summary>
public static class Totp
{
    public const int StepSeconds = 30;

    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    /// <summary>160 random bits in base 32, as apps take them.</summary>
    public static string NewSeed()
    {
        var text = new StringBuilder(32);
        foreach (var b in RandomNumberGenerator.GetBytes(32))
            text.Append(Alphabet[b & 31]);
        return text.ToString();
    }

    /// <summary>What the picture says to an app.</summary>
    public static string Address(string email, string seed) =>
        $"otpauth://totp/Tokonomics:{Uri.EscapeDataString(email)}?secret={seed}&issuer=Tokonomics&digits=6&period=30";

    public static long StepOf(DateTimeOffset at) => at.ToUnixTimeSeconds() / StepSeconds;

    [SuppressMessage("Security", "CA5350", Justification = "the algorithm of RFC 6238 that every app knows; a collision of SHA-1 is of no use against HMAC")]
    public static string Code(string seed, long step)
    {
        Span<byte> counter = stackalloc byte[8];
        BinaryPrimitives.WriteInt64BigEndian(counter, step);
        Span<byte> mac = stackalloc byte[HMACSHA1.HashSizeInBytes];
        HMACSHA1.HashData(Bytes(seed), counter, mac);
        var number = BinaryPrimitives.ReadInt32BigEndian(mac[(mac[^1] & 15)..]) & int.MaxValue;
        return (number % 1_000_000).ToString("D6", CultureInfo.InvariantCulture);
    }

    /// <summary>The step whose code this is: that of now or one beside it, for clocks that differ.</summary>
    /// <param name="taken">The last step whose code was taken; neither it nor an earlier one is taken again.</param>
    /// <returns>Null where it is the code of none.</returns>
    public static long? Match(string seed, string code, DateTimeOffset now, long taken)
    {
        long? found = null;
        var given = Encoding.UTF8.GetBytes(code);
        for (var step = StepOf(now) - 1; step <= StepOf(now) + 1; step++)
            if (CryptographicOperations.FixedTimeEquals(given, Encoding.UTF8.GetBytes(Code(seed, step))) && step > taken)
                found = step;
        return found;
    }

    private static byte[] Bytes(string seed)
    {
        var bytes = new byte[seed.Length * 5 / 8];
        int bits = 0, count = 0, at = 0;
        foreach (var c in seed)
        {
            bits = ((bits << 5) | Alphabet.IndexOf(c, StringComparison.Ordinal)) & 0xfff;
            count += 5;
            if (count < 8)
                continue;
            count -= 8;
            bytes[at++] = (byte)(bits >> count);
        }

        return bytes;
    }
}
