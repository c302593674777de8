using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Tokonomics.Infrastructure.Alerts;

/// <summary>The signature of a message by the Standard Webhooks specification 1.0.0.</summary>
internal static class StandardWebhook
{
    private const string Prefix = "whsec_";

    /// <summary>The three headers of a message.</summary>
    /// <param name="secrets"><c>whsec_</c> and base64; one signature for each.</param>
    public static IEnumerable<(string Name, string Value)> Headers(string id, DateTimeOffset at, string body, IReadOnlyList<string> secrets)
    {
        var seconds = at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var signed = Encoding.UTF8.GetBytes($"{id}.{seconds}.{body}");
        yield return ("webhook-id", id);
        yield return ("webhook-timestamp", seconds);
        yield return ("webhook-signature", string.Join(' ', secrets.Select(s => "v1," + Convert.ToBase64String(HMACSHA256.HashData(Key(s), signed)))));
    }

    private static byte[] Key(string secret) => Convert.FromBase64String(secret.StartsWith(Prefix, StringComparison.Ordinal) ? secret[Prefix.Length..] : secret);
}
