using System.Buffers.Text;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Tokonomics.Bench.Load;

/// <summary>
/// One kept-alive HTTP/1.1 connection of one thread, with blocking calls: nothing stands between the answer's arrival and the clock but the thread's own
/// waking. An HTTP library's pool of threads would be a part of what is measured.
/// </summary>
internal sealed class Wire : IDisposable
{
    private readonly Stream _stream;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private int _at, _end;

    public Wire(Uri url)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 60_000, SendTimeout = 60_000 };
        try
        {
            socket.Connect(url.Host, url.Port);
            _stream = new NetworkStream(socket, ownsSocket: true);
            if (url.Scheme == "https")
            {
                var secure = new SslStream(_stream, false, IsOurs);
                _stream = secure;
                secure.AuthenticateAsClient("localhost");
            }
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>The benchmark's own certificate is nobody's but has this name.</summary>
    public static bool IsOurs(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) => certificate?.Subject == "CN=localhost";

    /// <summary>The server closes it after this answer.</summary>
    public bool Closing { get; private set; }

    /// <summary>Sends a request and reads its answer to the end.</summary>
    /// <param name="read">Sees each piece of the body; false leaves, after which the connection is no good.</param>
    /// <returns>The status.</returns>
    /// <exception cref="IOException">It broke.</exception>
    public int Call(byte[] request, PieceReader? read = null)
    {
        _stream.Write(request);
        _at = _end = 0;
        int head;
        while ((head = _buffer.AsSpan(0, _end).IndexOf("\r\n\r\n"u8)) < 0)
            Fill();
        var text = Encoding.ASCII.GetString(_buffer, 0, head);
        _at = head + 4;
        Closing = Header(text, "connection") == "close";
        if (Header(text, "transfer-encoding") == "chunked")
        {
            for (long size; (size = ChunkSize()) > 0;)
            {
                if (!Body(size, read))
                    return int.Parse(text.AsSpan(9, 3), provider: null);
                Line();
            }

            Line();
        }
        else
        {
            Body(long.Parse(Header(text, "content-length") ?? throw new IOException("an answer without a length"), provider: null), read);
        }

        return int.Parse(text.AsSpan(9, 3), provider: null);
    }

    public void Dispose() => _stream.Dispose();

    private bool Body(long size, PieceReader? read)
    {
        while (size > 0)
        {
            if (_at == _end)
                Fill();
            var piece = _buffer.AsSpan(_at, (int)Math.Min(size, _end - _at));
            _at += piece.Length;
            size -= piece.Length;
            if (read is not null && !read(piece))
                return false;
        }

        return true;
    }

    private long ChunkSize() => Utf8Parser.TryParse(Line(), out long size, out _, 'x') ? size : throw new IOException("a chunk without a size");

    private ReadOnlySpan<byte> Line()
    {
        int length;
        while ((length = _buffer.AsSpan(_at, _end - _at).IndexOf("\r\n"u8)) < 0)
            Fill();
        var line = _buffer.AsSpan(_at, length);
        _at += length + 2;
        return line;
    }

    private void Fill()
    {
        if (_at > 0)
        {
            _buffer.AsSpan(_at, _end - _at).CopyTo(_buffer);
            (_at, _end) = (0, _end - _at);
        }

        var read = _stream.Read(_buffer.AsSpan(_end));
        if (read == 0)
            throw new IOException("closed");
        _end += read;
    }

    private static string? Header(string head, string name)
    {
        var at = head.IndexOf($"\r\n{name}:", StringComparison.OrdinalIgnoreCase);
        if (at < 0)
            return null;
        var from = at + name.Length + 3;
        var to = head.IndexOf('\r', from);
        return (to < 0 ? head[from..] : head[from..to]).Trim();
    }
}

internal delegate bool PieceReader(ReadOnlySpan<byte> piece);
