using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Tokonomics.Web.Proxy.Tests.Ingress;

/// <summary>A client at the level of the socket: it sends any bytes, and reads answers strictly, one after the other.</summary>
internal sealed class RawClient : IAsyncDisposable
{
    // A hang fails the test instead of the run; nothing depends on how long anything takes.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Socket _socket;
    private readonly Stream _stream;
    private readonly List<byte> _arrived = [];

    private RawClient(Socket socket, Stream stream) => (_socket, _stream) = (socket, stream);

    public static async Task<RawClient> ConnectAsync(int port, Func<Stream, Task<Stream>>? secure = null)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync("127.0.0.1", port);
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        return new RawClient(socket, secure is null ? stream : await secure(stream));
    }

    /// <summary>One character, one byte.</summary>
    public Task SendAsync(string latin1) => SendAsync(Encoding.Latin1.GetBytes(latin1));

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            await _stream.WriteAsync(bytes, patience.Token);
        }
        catch (IOException)
        {
            // The server has refused and closed already; its answer is what counts.
        }
    }

    public void FinishSending() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>The next answer, an interim one too; null where the connection ends instead.</summary>
    /// <param name="toHead">The request was a HEAD: the answer has no body whatever its length says.</param>
    public async Task<RawAnswer?> ReadAsync(bool toHead = false)
    {
        var end = await FindAsync("\r\n\r\n", 0);
        if (end < 0)
            return _arrived.Count == 0 ? null : throw new InvalidDataException("the connection ended inside a head: " + Text(0, _arrived.Count));
        var lines = Text(0, end).Split("\r\n");
        var status = int.Parse(lines[0].Split(' ')[1], CultureInfo.InvariantCulture);
        var answer = new RawAnswer(lines[0], status, [.. lines.Skip(1).Select(l => KeyValuePair.Create(l[..l.IndexOf(':')], l[(l.IndexOf(':') + 1)..].Trim()))], [], true);
        var at = end + 4;
        if (toHead || status is < 200 or 204 or 304)
            return Take(at, answer);
        if (answer["Transfer-Encoding"] is not null)
            return await ReadChunksAsync(at, answer);
        if (answer["Content-Length"] is { } length)
        {
            var size = int.Parse(length, CultureInfo.InvariantCulture);
            var whole = await HasAsync(at + size);
            var body = _arrived.Skip(at).Take(size).ToArray();
            return Take(at + body.Length, answer with { Body = body, Whole = whole });
        }

        // Until the connection closes (HTTP/1.0).
        while (await MoreAsync())
        {
        }

        return Take(_arrived.Count, answer with { Body = [.. _arrived.Skip(at)] });
    }

    /// <summary>True where the server ends the connection without a further byte.</summary>
    public async Task<bool> EndsAsync() => _arrived.Count == 0 && !await MoreAsync();

    private async Task<RawAnswer> ReadChunksAsync(int at, RawAnswer answer)
    {
        var body = new List<byte>();
        while (true)
        {
            var line = await FindAsync("\r\n", at);
            if (line < 0)
                return Take(_arrived.Count, answer with { Body = [.. body], Whole = false });
            var size = int.Parse(Text(at, line), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (!await HasAsync(line + 2 + size + 2))
                return Take(_arrived.Count, answer with { Body = [.. body], Whole = false });
            body.AddRange(_arrived.Skip(line + 2).Take(size));
            at = line + 2 + size + 2;
            if (size == 0)
                return Take(at, answer with { Body = [.. body] });
        }
    }

    private RawAnswer Take(int count, RawAnswer answer)
    {
        _arrived.RemoveRange(0, count);
        return answer;
    }

    private string Text(int from, int to) => Encoding.Latin1.GetString([.. _arrived.Skip(from).Take(to - from)]);

    private async Task<int> FindAsync(string mark, int from)
    {
        var bytes = Encoding.ASCII.GetBytes(mark);
        while (true)
        {
            var found = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_arrived)[Math.Min(from, _arrived.Count)..].IndexOf(bytes);
            if (found >= 0)
                return from + found;
            if (!await MoreAsync())
                return -1;
        }
    }

    private async Task<bool> HasAsync(int count)
    {
        while (_arrived.Count < count)
            if (!await MoreAsync())
                return false;
        return true;
    }

    private async Task<bool> MoreAsync()
    {
        var buffer = new byte[64 * 1024];
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            var read = await _stream.ReadAsync(buffer, patience.Token);
            _arrived.AddRange(buffer.AsSpan(0, read));
            return read > 0;
        }
        catch (IOException)
        {
            return false; // a reset is an end, too
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException("the server says nothing and keeps the connection open; so far: " + Text(0, _arrived.Count));
        }
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();
}

/// <param name="Line">The status line.</param>
/// <param name="Whole">The body came to the end that its head promised.</param>
internal sealed record RawAnswer(string Line, int Status, IReadOnlyList<KeyValuePair<string, string>> Headers, byte[] Body, bool Whole)
{
    public string? this[string name] => Headers.Where(h => h.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(h => h.Value).FirstOrDefault();

    public string Text => Encoding.UTF8.GetString(Body);
}
