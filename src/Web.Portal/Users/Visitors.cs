using Tokonomics.Application.Users;

namespace Tokonomics.Web.Portal.Users;

/// <summary>Where requests come from: address and device.</summary>
internal static class Visitors
{
    // The more particular first: each of them names the later ones too.
    private static readonly (string Token, string Name)[] Browsers =
        [("Edg", "Edge"), ("OPR/", "Opera"), ("Vivaldi", "Vivaldi"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox"), ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari"), ("curl", "curl")];

    private static readonly (string Token, string Name)[] Systems =
        [("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux")];

    public static CameFrom From(this HttpContext http) => new(Address(http), Device(http.Request.Headers.UserAgent.ToString()));

    public static string Address(HttpContext http) => http.Connection.RemoteIpAddress is { } address ? (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString() : "an unknown address";

    /// <summary>Known words alone: what a browser says of itself is anybody's text.</summary>
    public static string Device(string userAgent)
    {
        var browser = Array.Find(Browsers, b => userAgent.Contains(b.Token, StringComparison.Ordinal)).Name;
        var system = Array.Find(Systems, s => userAgent.Contains(s.Token, StringComparison.Ordinal)).Name;
        return (browser, system) switch
        {
            (null, null) => "an unknown device",
            (null, _) => system,
            (_, null) => browser,
            _ => $"{browser} on {system}",
        };
    }

    /// <summary>Whom a limit by address counts together: one IPv4 address, or the /64 that one IPv6 host has to itself.</summary>
    public static string Network(HttpContext http)
    {
        if (http.Connection.RemoteIpAddress is not { } address)
            return "";
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        return address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? address.ToString() : Convert.ToHexString(address.GetAddressBytes(), 0, 8);
    }
}
