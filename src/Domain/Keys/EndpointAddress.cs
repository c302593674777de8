using System.Net;
using System.Net.Sockets;

namespace Tokonomics.Domain.Keys;

/// <summary>
/// The rules for the address of a tenant's own endpoint. What stands here is what its text alone can tell; which addresses a name resolves
/// to is checked at each connection, where it can't change afterwards.
/// </summary>
public static class EndpointAddress
{
    private static readonly string[] LocalSuffixes = ["localhost", "local", "internal", "intranet", "lan", "home.arpa", "localdomain"];

    /// <summary>Null where the address is allowed; otherwise the sentence that says what is wrong.</summary>
    /// <param name="text">The base URL as typed.</param>
    /// <param name="allowPrivate">The operator allows endpoints in the private network, and plain http to reach them.</param>
    public static string? Problem(string? text, bool allowPrivate)
    {
        if (string.IsNullOrEmpty(text) || text.Length > 2048)
            return "The base URL must have 1 to 2048 characters.";
        foreach (var c in text)
            if (c <= ' ' || c >= 0x7f || c == '\\')
                return "The base URL may hold ASCII characters only, without spaces, control characters and backslashes; write other hosts in punycode.";
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("https" or "http"))
            return "The base URL must be absolute and begin with https://.";
        if (uri.Scheme != "https" && !allowPrivate)
            return "The base URL must begin with https://.";
        if (text.AsSpan().IndexOfAny('?', '#') >= 0)
            return "The base URL must have no query and no fragment.";
        var authority = text.AsSpan(uri.Scheme.Length + 3);
        if (authority.IndexOf('/') is >= 0 and var slash)
        {
            var path = authority[slash..];
            if (path.Contains("..", StringComparison.Ordinal) || path.Contains("%2e", StringComparison.OrdinalIgnoreCase)
                || path.Contains("//", StringComparison.Ordinal) || path.Contains("%2f", StringComparison.OrdinalIgnoreCase))
                return "The base URL's path must be plain: no '..', no '//' and no encoded dots or slashes.";
            authority = authority[..slash];
        }

        if (authority.Contains('@') || uri.UserInfo.Length > 0)
            return "The base URL must hold no user name or password; store the key as a provider credential.";
        return allowPrivate ? null : HostProblem(uri, authority);
    }

    private static string? HostProblem(Uri uri, ReadOnlySpan<char> authority)
    {
        const string Private = "The base URL must name a public host; private, local and reserved addresses are refused.";
        if (uri.HostNameType is UriHostNameType.IPv6)
            return IPAddress.TryParse(uri.Host, out var six) && IsPublic(six) ? null : Private;
        var colon = authority.IndexOf(':');
        var typed = colon >= 0 ? authority[..colon] : authority;
        if (uri.HostNameType is UriHostNameType.IPv4)
        {
            // 2130706433, 0x7f.1 and 0177.0.0.1 are all 127.0.0.1 to a resolver. An honest address is typed as it is printed.
            if (!typed.SequenceEqual(uri.Host))
                return "The base URL's address must be four plain decimal numbers.";
            return IPAddress.TryParse(uri.Host, out var four) && IsPublic(four) ? null : Private;
        }

        if (uri.HostNameType is not UriHostNameType.Dns)
            return "The base URL must name a host.";
        var host = typed.TrimEnd('.').ToString().ToLowerInvariant();
        var last = host[(host.LastIndexOf('.') + 1)..];
        // A last label that is a number makes resolvers read the whole as an address, whatever stands before it.
        if (last.Length == 0 || last.All(char.IsAsciiDigit) || last.StartsWith("0x", StringComparison.Ordinal))
            return "The base URL's address must be four plain decimal numbers.";
        return host.Contains('.', StringComparison.Ordinal) && !LocalSuffixes.Any(s => host == s || host.EndsWith("." + s, StringComparison.Ordinal))
            ? null
            : Private;
    }

    /// <summary>True for an address of the public internet, also inside the IPv6 forms that carry an IPv4 address. IANA's special-purpose registries, checked 2026-11.</summary>
    public static bool IsPublic(IPAddress address)
    {
        Span<byte> b = stackalloc byte[16];
        if (!address.TryWriteBytes(b, out _))
            return false;
        if (address.AddressFamily == AddressFamily.InterNetwork)
            return IsPublic4(b[..4]);
        if (address.IsIPv4MappedToIPv6)
            return IsPublic4(b[12..]);
        if (b[0] == 0x20 && b[1] == 0x02) // 6to4
            return IsPublic4(b.Slice(2, 4));
        if (b[..12].SequenceEqual<byte>([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0])) // NAT64
            return IsPublic4(b[12..]);
        // Global unicast is 2000::/3; taken out of it: 2001::/23 (Teredo and protocol assignments), 2001:db8::/32 and 3fff::/20 (documentation).
        return (b[0] & 0xe0) == 0x20
            && !(b[0] == 0x20 && b[1] == 0x01 && b[2] < 0x02)
            && !(b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8)
            && !(b[0] == 0x3f && b[1] == 0xff && b[2] < 0x10);
    }

    private static bool IsPublic4(ReadOnlySpan<byte> b) => !(
        b[0] is 0 or 10 or 127 or >= 224
        || (b[0] == 100 && (b[1] & 0xc0) == 64)                 // shared by carriers
        || (b[0] == 169 && b[1] == 254)                         // link-local, cloud metadata
        || (b[0] == 172 && (b[1] & 0xf0) == 16)
        || (b[0] == 192 && b[1] == 168)
        || (b[0] == 192 && b[1] == 0 && b[2] is (0 or 2))       // protocol assignments, documentation
        || (b[0] == 192 && b[1] == 88 && b[2] == 99)            // 6to4 relays
        || (b[0] == 198 && (b[1] & 0xfe) == 18)                 // benchmarks
        || (b[0] == 198 && b[1] == 51 && b[2] == 100)
        || (b[0] == 203 && b[1] == 0 && b[2] == 113));
}
