using System.Net;

namespace Tokonomics.Domain.Keys;

/// <summary>
/// The rules for the address of a tenant's own endpoint. What stands here is what its text alone can tell; which addresses a name resolves
/// to is checked at each connection, where it can't change afterwards.
/// </summary>
public static class EndpointAddress
{
    // Blocks that are not for the public internet, RFC 6890 and the IANA special-purpose registries (read 2026-11-21).
    private static readonly IPNetwork[] Closed =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24",
            "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            // IPv6: all but global unicast, and of that the blocks that embed an IPv4 address or are set aside.
            "::/3", "4000::/2", "8000::/1", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
        }.Select(IPNetwork.Parse),
    ];

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

    /// <summary>
    /// True for an address of the public internet. The one rule for both: what a URL names, and what a name resolves to. IPv6 forms that carry an IPv4
    /// address (6to4, NAT64) are closed whatever they carry: nobody serves a model from one, and a gateway on our side would lead inside.
    /// </summary>
    public static bool IsPublic(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        foreach (var block in Closed)
            if (block.Contains(address))
                return false;
        return true;
    }
}
