using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Tokonomics.Bench.Load;

/// <summary>
/// What a server must withstand, for some seconds: connections that send a header's byte every three seconds (<c>slowloris</c>), that send nothing
/// (<c>idle</c>), that ask for a long answer and read 1 kB a second of it (<c>slow-read</c>), or requests over HTTP/2 that are reset as soon as they are sent
/// (<c>reset</c>). Who is closed comes again.
/// </summary>
internal sealed class Attack : IDisposable
{
    private readonly Uri _url;
    private readonly byte[]? _request;
    private readonly string _kind;
    private readonly CancellationTokenSource _over = new();
    private int _open, _most;
    private long _opened, _closed, _refused, _requests;

    private Attack(Arguments arguments)
    {
        (_url, _request, _kind) = (arguments.Url(), arguments.Request(), arguments.Text("kind"));
        _over.CancelAfter(TimeSpan.FromSeconds(arguments.Number("seconds", 20)));
    }

    public static async Task<int> RunAsync(Arguments arguments)
    {
        using var attack = new Attack(arguments);
        if (attack._kind is not ("slowloris" or "idle" or "slow-read" or "reset"))
            return Arguments.Usage($"there is no attack {attack._kind}");
        var attackers = new List<Task>();
        for (var i = 0; i < arguments.Count("connections", 1000) && !attack._over.IsCancellationRequested; i++)
        {
            attackers.Add(attack.GoOnAsync());
            if (i % 50 == 49)
                await Task.Delay(10);
        }

        await Task.WhenAll(attackers);
        Console.WriteLine(JsonSerializer.Serialize(new { kind = attack._kind, most_open = attack._most, opened = attack._opened, closed = attack._closed, refused = attack._refused, requests = attack._requests }));
        return 0;
    }

    public void Dispose() => _over.Dispose();

    private async Task GoOnAsync()
    {
        while (!_over.IsCancellationRequested)
        {
            try
            {
                await OnceAsync();
                Interlocked.Increment(ref _closed);
            }
            catch (Exception e) when (e is SocketException or IOException or System.Security.Authentication.AuthenticationException)
            {
                Interlocked.Increment(ref _closed);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            await Task.Delay(100);
        }
    }

    private async Task OnceAsync()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        // A window of few bytes: the server finds out soon that nobody reads.
        if (_kind == "slow-read")
            socket.ReceiveBufferSize = 4096;
        try
        {
            await socket.ConnectAsync(IPAddress.Parse(_url.Host), _url.Port, _over.Token);
        }
        catch (SocketException)
        {
            Interlocked.Increment(ref _refused);
            throw;
        }

        Interlocked.Increment(ref _opened);
        _most = Math.Max(_most, Interlocked.Increment(ref _open));
        try
        {
            await (_kind switch
            {
                "idle" => UntilClosedAsync(socket),
                "slowloris" => DripAsync(socket),
                "slow-read" => SipAsync(socket),
                _ => RapidReset.RunAsync(socket, _url, () => Interlocked.Increment(ref _requests), _over.Token),
            });
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    private async Task UntilClosedAsync(Socket socket)
    {
        var nothing = new byte[256];
        while (await socket.ReceiveAsync(nothing, _over.Token) > 0)
        {
            // An answer to nothing, such as a 408: its end comes next.
        }
    }

    private async Task DripAsync(Socket socket)
    {
        await socket.SendAsync(Encoding.ASCII.GetBytes($"POST {_url.PathAndQuery} HTTP/1.1\r\nHost: localhost\r\nX-Slow: "), _over.Token);
        var closed = UntilClosedAsync(socket);
        while (!closed.IsCompleted)
        {
            await socket.SendAsync("a"u8.ToArray(), _over.Token);
            await Task.WhenAny(closed, Task.Delay(TimeSpan.FromSeconds(3), _over.Token));
        }

        await closed;
    }

    private async Task SipAsync(Socket socket)
    {
        await socket.SendAsync(_request!, _over.Token);
        Interlocked.Increment(ref _requests);
        var sip = new byte[1024];
        while (await socket.ReceiveAsync(sip, _over.Token) > 0)
            await Task.Delay(1000, _over.Token);
    }
}
