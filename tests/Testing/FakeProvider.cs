using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Tokonomics.Testing;

/// <summary>
/// A provider at the level of the socket: it reads one request at a time and hands it with the bare connection to the test, which may
/// answer any bytes in any pieces, hang, or break off. What an HTTP library would refuse to send, this sends.
/// </summary>
public sealed class FakeProvider : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<FakeRequest, Socket, Task> _answer;
    private readonly Task _accepting;

    /// <param name="answer">Answers one request on its socket. When it returns, the connection goes on to the next request unless it was closed.</param>
    public FakeProvider(Func<FakeRequest, Socket, Task> answer)
    {
        _answer = answer;
        _listener.Start();
        Url = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");
        _accepting = AcceptAsync();
    }

    public Uri Url { get; }

    /// <summary>Every request as it arrived.</summary>
    public ConcurrentQueue<FakeRequest> Requests { get; } = [];

    /// <summary>One that answers every request with the same bytes, whole.</summary>
    public static FakeProvider Always(string answer) => new((_, socket) => SendAsync(socket, answer));

    /// <summary>A plain 200 with a length.</summary>
    public static string Json(string body, string more = "") =>
        $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n{more}\r\n{body}";

    public static async Task SendAsync(Socket socket, string text) => await SendAsync(socket, Encoding.UTF8.GetBytes(text));

    public static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
            bytes = bytes[await socket.SendAsync(bytes)..];
    }

    /// <summary>The head of an event stream in chunked coding; send its pieces with <see cref="ChunkAsync"/>, its end with an empty one.</summary>
    public const string StreamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

    public static Task ChunkAsync(Socket socket, string text) => ChunkAsync(socket, Encoding.UTF8.GetBytes(text));

    public static Task ChunkAsync(Socket socket, ReadOnlyMemory<byte> bytes) =>
        SendAsync(socket, (byte[])[.. Encoding.ASCII.GetBytes($"{bytes.Length:x}\r\n"), .. bytes.Span, .. "\r\n"u8]);

    /// <summary>Closes with RST instead of FIN.</summary>
    public static void Reset(Socket socket)
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Close();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptSocketAsync(_stop.Token));
        }
        catch (Exception) when (_stop.IsCancellationRequested)
        {
            // Cancelled while it waited, or stopped before it waited again.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var owned = socket;
        socket.NoDelay = true;
        var buffer = new List<byte>();
        var chunk = new byte[64 * 1024];
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                FakeRequest? request;
                while ((request = FakeRequest.TryRead(buffer)) is null)
                {
                    var read = await socket.ReceiveAsync(chunk, _stop.Token);
                    if (read == 0)
                        return;
                    buffer.AddRange(chunk.AsSpan(0, read));
                }

                Requests.Enqueue(request);
                await _answer(request, socket);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The proxy closed the connection, or the test did: both are what tests are about.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }
}

/// <summary>A request as it stood on the wire. The body is decoded from chunks.</summary>
public sealed record FakeRequest(string Line, IReadOnlyList<KeyValuePair<string, string>> Headers, byte[] Body)
{
    public string? Header(string name) => Headers.Where(h => h.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(h => h.Value).FirstOrDefault();

    public string Text => Encoding.UTF8.GetString(Body);

    /// <summary>Takes a whole request off the front of what has arrived; null where it isn't whole yet.</summary>
    internal static FakeRequest? TryRead(List<byte> buffer)
    {
        var bytes = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(buffer);
        var end = bytes.IndexOf("\r\n\r\n"u8);
        if (end < 0)
            return null;
        var lines = Encoding.Latin1.GetString(bytes[..end]).Split("\r\n");
        var headers = lines.Skip(1).Select(l => KeyValuePair.Create(l[..l.IndexOf(':')], l[(l.IndexOf(':') + 1)..].Trim())).ToList();
        var request = new FakeRequest(lines[0], headers, []);
        var at = end + 4;
        if (request.Header("Transfer-Encoding") is null)
        {
            var length = int.Parse(request.Header("Content-Length") ?? "0", System.Globalization.CultureInfo.InvariantCulture);
            if (bytes.Length < at + length)
                return null;
            request = request with { Body = bytes.Slice(at, length).ToArray() };
            buffer.RemoveRange(0, at + length);
            return request;
        }

        var body = new List<byte>();
        while (true)
        {
            var line = bytes[at..].IndexOf("\r\n"u8);
            if (line < 0)
                return null;
            var size = Convert.ToInt32(Encoding.ASCII.GetString(bytes.Slice(at, line)).Split(';')[0], 16);
            if (bytes.Length < at + line + 2 + size + 2)
                return null;
            body.AddRange(bytes.Slice(at + line + 2, size));
            at += line + 2 + size + 2;
            if (size == 0)
                break;
        }

        buffer.RemoveRange(0, at);
        return request with { Body = [.. body] };
    }
}
