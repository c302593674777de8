using System.Security.Cryptography;

namespace Tokonomics.Domain.Keys;

/// <summary>
/// The text that metering keys and API tokens share: a prefix, 33 base62 characters of 192 random bits, and a checksum of 6 characters over
/// all that, so that a mistyped or truncated key is told apart from an unknown one without a look-up, and scanners for leaked keys don't
/// report every string that begins alike.
/// </summary>
/// <remarks>62^33 is just above 2^196, so that 192 bits always fit; 62^6 is above 2^32, so that a CRC-32 does.</remarks>
internal static class KeyText
{
    public const int RandomBytes = 24;
    public const int RandomChars = 33;
    public const int ChecksumChars = 6;
    public const int LookupChars = 10;

    private const string Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    public static string Generate(string prefix)
    {
        Span<byte> random = stackalloc byte[RandomBytes];
        RandomNumberGenerator.Fill(random);
        return Format(prefix, random);
    }

    /// <summary>The key for these 24 bytes; separate from <see cref="Generate"/> so that a test can name its bytes.</summary>
    public static string Format(string prefix, ReadOnlySpan<byte> random)
    {
        Span<char> text = stackalloc char[prefix.Length + RandomChars + ChecksumChars];
        prefix.CopyTo(text);
        // 192 bits don't fit one integer; long division over the bytes writes the digits from the right.
        Span<byte> rest = stackalloc byte[RandomBytes];
        random.CopyTo(rest);
        for (var at = prefix.Length + RandomChars - 1; at >= prefix.Length; at--)
        {
            var remainder = 0;
            for (var i = 0; i < rest.Length; i++)
            {
                var value = (remainder << 8) | rest[i];
                rest[i] = (byte)(value / 62);
                remainder = value % 62;
            }

            text[at] = Alphabet[remainder];
        }

        WriteChecksum(text[..(prefix.Length + RandomChars)], text[(prefix.Length + RandomChars)..]);
        CryptographicOperations.ZeroMemory(rest);
        return new string(text);
    }

    /// <summary>True where the text has the prefix, the length, the alphabet and the checksum. Says nothing about whether it was ever issued.</summary>
    public static bool IsWellFormed(ReadOnlySpan<char> text, string prefix)
    {
        if (text.Length != prefix.Length + RandomChars + ChecksumChars || !text.StartsWith(prefix, StringComparison.Ordinal))
            return false;
        foreach (var c in text[prefix.Length..])
            if (!char.IsAsciiLetterOrDigit(c))
                return false;
        Span<char> checksum = stackalloc char[ChecksumChars];
        WriteChecksum(text[..^ChecksumChars], checksum);
        return checksum.SequenceEqual(text[^ChecksumChars..]);
    }

    private static void WriteChecksum(ReadOnlySpan<char> text, Span<char> checksum)
    {
        var crc = Crc32(text);
        for (var i = ChecksumChars - 1; i >= 0; i--)
        {
            checksum[i] = Alphabet[(int)(crc % 62)];
            crc /= 62;
        }
    }

    // CRC-32 as in zlib and PNG (reflected, polynomial 0xEDB88320), over ASCII. Its check value, of "123456789", is 0xCBF43926.
    internal static uint Crc32(ReadOnlySpan<char> ascii)
    {
        var crc = uint.MaxValue;
        foreach (var c in ascii)
            crc = (crc >> 8) ^ Table[(byte)(crc ^ c)];
        return ~crc;
    }

    private static readonly uint[] Table = MakeTable();

    private static uint[] MakeTable()
    {
        var table = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            var crc = i;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
            table[i] = crc;
        }

        return table;
    }
}
