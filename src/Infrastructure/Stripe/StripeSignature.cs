using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Tokonomics.Infrastructure.Stripe;

/// <summary>
/// Whether a body came from Stripe, by its header <c>Stripe-Signature: t=UNIX,v1=HEX[,v1=HEX…]</c>: HMAC-SHA256 over <c>t.body</c> under the whole secret. Never
/// looser than the official SDK, and stricter in two places: a time from the future is refused like one from the past, and a header with two times.
/// </summary>
public static class StripeSignature
{
    public static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(300);

    private const int LongestHeader = 4096;

    /// <param name="body">As it came, byte for byte.</param>
    /// <param name="secrets">Several while one takes the other's place: any of them may have signed.</param>
    /// <returns>Null where it is right; else what is wrong, for a log: nothing of the secret or the body is in it.</returns>
    public static string? Problem(string? header, ReadOnlySpan<byte> body, IReadOnlyList<string> secrets, DateTimeOffset now)
    {
        if (string.IsNullOrEmpty(header))
            return "there is no Stripe-Signature header";
        if (header.Length > LongestHeader)
            return "the Stripe-Signature header is too long";
        string? stamp = null;
        var signatures = new List<byte[]>();
        foreach (var part in header.Split(','))
        {
            if (part.StartsWith("t=", StringComparison.Ordinal))
            {
                if (stamp is not null)
                    return "the Stripe-Signature header has two times";
                stamp = part[2..];
            }
            else if (part.StartsWith("v1=", StringComparison.Ordinal) && part.Length == 67 && part.Skip(3).All(char.IsAsciiHexDigitLower))
                signatures.Add(Convert.FromHexString(part.AsSpan(3)));
        }

        if (stamp is null || stamp.Length > 15 || !long.TryParse(stamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
            return "the Stripe-Signature header has no time";
        if (signatures.Count == 0)
            return "the Stripe-Signature header has no signature of the scheme v1";
        var age = now.ToUnixTimeSeconds() - seconds;
        if (Math.Abs(age) > Tolerance.TotalSeconds)
            return age > 0 ? $"it was signed {age} s ago, which is more than {Tolerance.TotalSeconds} s: an old event was sent again, or this machine's clock is ahead" : $"it was signed {-age} s in the future: this machine's clock is behind";
        Span<byte> expected = stackalloc byte[32];
        var matches = false;
        foreach (var secret in secrets)
        {
            using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret));
            hmac.AppendData(Encoding.ASCII.GetBytes(stamp + "."));
            hmac.AppendData(body);
            hmac.GetHashAndReset(expected);
            foreach (var signature in signatures)
                matches |= CryptographicOperations.FixedTimeEquals(expected, signature);
        }

        return matches ? null : "no secret in Billing:WebhookSecrets makes this signature: the secret is another endpoint's, or the body was changed on its way";
    }
}
