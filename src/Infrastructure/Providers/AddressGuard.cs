using System.Net;
using System.Net.Sockets;
using Tokonomics.Domain.Keys;

namespace Tokonomics.Infrastructure.Providers;

/// <summary>
/// Keeps connections to URLs that tenants chose away from addresses that only we can reach: this machine, the private network, a cloud's
/// metadata service. A name is resolved once, every address it has is checked, and the connection goes to a checked address: an answer of
/// DNS that changes between check and connect (rebinding) has nothing to change.
/// </summary>
public static class AddressGuard
{
    /// <summary>Connects to the first reachable address of a host, all of whose addresses are public.</summary>
    /// <exception cref="AddressRefusedException">An address of the host is not public.</exception>
    public static async ValueTask<Stream> ConnectAsync(DnsEndPoint endPoint, Func<string, CancellationToken, Task<IPAddress[]>> resolve, CancellationToken cancellationToken)
    {
        var addresses = IPAddress.TryParse(endPoint.Host, out var literal) ? [literal] : await resolve(endPoint.Host, cancellationToken);
        foreach (var address in addresses)
            if (!EndpointAddress.IsPublic(address))
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
