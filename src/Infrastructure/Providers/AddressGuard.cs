using System.Net;
using System.Net.Sockets;

namespace Tokonomics.Infrastructure.Providers;

/// <summary>
/// Keeps connections to URLs that tenants chose away from addresses that only we can reach: this machine, the private network, a cloud's
/// metadata service. A name is resolved once, every address it has is checked, and the connection goes to a checked address: an answer of
/// DNS that changes between check and connect (rebinding) has nothing to change.
/// </summary>
public static class AddressGuard
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

    /// <summary>True where the address belongs to the public internet.</summary>
    public static bool IsPublic(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        foreach (var block in Closed)
            if (block.Contains(address))
                return false;
        return true;
    }

    /// <summary>Connects to the first reachable address of a host, all of whose addresses are public.</summary>
    /// <exception cref="AddressRefusedException">An address of the host is not public.</exception>
    public static async ValueTask<Stream> ConnectAsync(DnsEndPoint endPoint, Func<string, CancellationToken, Task<IPAddress[]>> resolve, CancellationToken cancellationToken)
    {
        var addresses = IPAddress.TryParse(endPoint.Host, out var literal) ? [literal] : await resolve(endPoint.Host, cancellationToken);
        foreach (var address in addresses)
            if (!IsPublic(address))
                throw new AddressRefusedException($"{endPoint.Host} leads to an address that is not public; an operator can allow it with Endpoints:AllowPrivate=true");
        SocketException? last = null;
        foreach (var address in addresses)
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(address, endPoint.Port), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException e)
            {
                socket.Dispose();
                last = e;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        throw last ?? new SocketException((int)SocketError.HostNotFound);
    }
}

/// <summary>A tenant's URL leads to an address that the operator has not opened.</summary>
public sealed class AddressRefusedException(string message) : Exception(message);
