using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>
/// The sockets that the server listens on: what their connections get from them, and that they can be closed without breaking a connection. Closing a listening socket resets the
/// connections that the kernel has made on it and the server has not accepted yet; the client has sent its request by then, and a balancer
/// can't tell whether it was carried out. So new connections are turned away first, what is waiting is accepted, and only then it is closed.
/// </summary>
/// <remarks>On Linux alone, by a filter in the kernel that drops SYN segments (a client tries again after a second, and then is refused). Elsewhere nothing is done.</remarks>
public sealed class ListenSockets
{
    // Many times what the server's accept loop takes, and a round trip in a data centre.
    private static readonly TimeSpan Accepting = TimeSpan.FromMilliseconds(150);

    private readonly ConcurrentBag<Socket> _sockets = [];

    /// <summary>How many connections the kernel makes before the server has accepted them; its own limit (<c>net.core.somaxconn</c>) holds besides. One more must try again after a second.</summary>
    public const int Backlog = 4096;

    // Bytes, of which the kernel takes twice. By itself it would let each reader that is too slow have 4 MB of an answer, at once and out of the reach of our own limit: memory, and work that calls wait for.
    // At a round trip of 100 ms it is enough for more than a megabyte a second.
    private const int SendBuffer = 128 * 1024;

    internal Socket Create(EndPoint endpoint)
    {
        var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
        if (socket.ProtocolType == ProtocolType.Tcp)
        {
            socket.SendBufferSize = SendBuffer; // whatever is accepted from it has the same
            _sockets.Add(socket);
        }

        return socket;
    }

    /// <summary>Lets no new connection come, and waits until those that the kernel holds are accepted.</summary>
    internal async Task EmptyAsync(CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux() || _sockets.IsEmpty)
            return;
        foreach (var socket in _sockets)
            TurnAway(socket);
        await Task.Delay(Accepting, cancellationToken);
    }

    private static void TurnAway(Socket socket)
    {
        const int SolSocket = 1, AttachFilter = 26;

        // Classic BPF on a segment from its TCP header on: of SYN and ACK only SYN is set → drop; anything else → pass.
        (ushort Code, byte True, byte False, uint Value)[] program =
        [
            (0x30, 0, 0, 13), // load the byte with the flags
            (0x54, 0, 0, 0x12), // keep SYN (2) and ACK (16)
            (0x15, 0, 1, 0x02), // SYN alone?
            (0x06, 0, 0, 0), // drop
            (0x06, 0, 0, 0xffff), // pass
        ];
        var instructions = new byte[program.Length * 8];
        for (var i = 0; i < program.Length; i++)
        {
            var at = instructions.AsSpan(i * 8);
            MemoryMarshal.Write(at, program[i].Code);
            (at[2], at[3]) = (program[i].True, program[i].False);
            MemoryMarshal.Write(at[4..], program[i].Value);
        }

        var pinned = GCHandle.Alloc(instructions, GCHandleType.Pinned);
        try
        {
            // struct sock_fprog: the count, then a pointer at the next word.
            var filter = new byte[IntPtr.Size * 2];
            MemoryMarshal.Write(filter, (ushort)program.Length);
            MemoryMarshal.Write(filter.AsSpan(IntPtr.Size), pinned.AddrOfPinnedObject());
            socket.SetRawSocketOption(SolSocket, AttachFilter, filter);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // A kernel without it (gVisor): the socket is closed as it is.
        }
        finally
        {
            pinned.Free();
        }
    }
}
