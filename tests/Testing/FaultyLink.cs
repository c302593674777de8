using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Tokonomics.Testing;

/// <summary>A TCP connection to a server that a test can make silent or break: what a partition looks like from inside.</summary>
public sealed class FaultyLink : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<Socket, bool> _sockets = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;

    /// <param name="to">The server's port on 127.0.0.1.</param>
    public FaultyLink(int to)
    {
        To = to;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Where new connections lead: another server may take over.</summary>
    public int To { get; set; }

    /// <summary>Connections are accepted and nothing crosses, in either direction, until this is over.</summary>
    public bool Silent { get; set; }

    /// <summary>New connections are reset.</summary>
    public bool Refusing { get; set; }

    /// <summary>Connections that were accepted so far.</summary>
    public int Accepted { get; private set; }

    /// <summary>Breaks all connections with RST.</summary>
    public void Reset()
    {
        foreach (var socket in _sockets.Keys)
        {
            try
            {
                FakeProvider.Reset(socket);
            }
            catch (ObjectDisposedException)
            {
                // Its other end closed it a moment ago.
            }
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_stop.Token);
                Accepted++;
                if (Refusing)
                    FakeProvider.Reset(client);
                else
                    _ = LinkAsync(client);
            }
        }
        catch (OperationCanceledException)
        {
            // The test is over.
        }
    }

    private async Task LinkAsync(Socket client)
    {
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using var owned = client;
        (_sockets[client], _sockets[server]) = (true, true);
        try
        {
            await server.ConnectAsync("127.0.0.1", To, _stop.Token);
            await Task.WhenAny(CopyAsync(client, server), CopyAsync(server, client));
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // One of the two has gone.
        }

        _sockets.TryRemove(client, out _);
        _sockets.TryRemove(server, out _);
    }

    private async Task CopyAsync(Socket from, Socket to)
    {
        var buffer = new byte[16 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, _stop.Token) is > 0 and var read)
            {
                while (Silent)
                    await Task.Delay(10, _stop.Token);
                await to.SendAsync(buffer.AsMemory(0, read), _stop.Token);
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The same.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        Reset();
        await _accepting;
        _stop.Dispose();
    }
}
