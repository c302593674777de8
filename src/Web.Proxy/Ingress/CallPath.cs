using System.Net;
using System.Net.Sockets;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>
/// A byte on the way that every call's bytes go: out of the kernel, through what waits to be told of its socket, to a thread. That is where calls wait when more come than can be served; the queue of the
/// thread pool alone stays short, since all sockets' news are one piece of work there.
/// </summary>
internal sealed class CallPath : IDisposable
{
    private readonly Socket _from, _to;
    private readonly SocketAsyncEventArgs _arrival = new();
    private readonly Action _arrived;

    /// <param name="arrived">Called on a thread of the pool for each byte that has come through, and when none can come any more.</param>
    /// <exception cref="SocketException">The system gives no connection to itself.</exception>
    public CallPath(Action arrived)
    {
        _arrived = arrived;
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        _from = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            _from.Connect(listener.LocalEndPoint!);
            do
            {
                _to?.Dispose();
                _to = listener.Accept();
            }
            while (!_to.RemoteEndPoint!.Equals(_from.LocalEndPoint)); // whoever else found the port meanwhile
        }
        catch
        {
            _from.Dispose();
            _to?.Dispose();
            throw;
        }

        _arrival.SetBuffer(new byte[1], 0, 1);
        _arrival.Completed += (_, _) =>
        {
            if (Came())
                Receive();
        };
        Receive();
    }

    /// <summary>Sends a byte; to be called again when it has arrived.</summary>
    /// <exception cref="SocketException">The connection is broken.</exception>
    /// <exception cref="ObjectDisposedException">It is closed.</exception>
    public void Send() => _from.Send([1]);

    private void Receive()
    {
        try
        {
            while (!_to.ReceiveAsync(_arrival) && Came())
            {
            }
        }
        catch (ObjectDisposedException)
        {
            // It is over.
        }
    }

    // False when it is over.
    private bool Came()
    {
        _arrived();
        return _arrival.SocketError == SocketError.Success && _arrival.BytesTransferred != 0;
    }

    public void Dispose()
    {
        _from.Dispose();
        _to.Dispose();
        _arrival.Dispose();
    }
}
