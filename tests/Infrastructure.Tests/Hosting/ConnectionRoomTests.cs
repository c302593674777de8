using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Testing;
using static Tokonomics.Testing.Eventually;

namespace Tokonomics.Tests.Hosting;

/// <summary>Clients that take connections and say nothing, until there is no room for others.</summary>
public sealed class ConnectionRoomTests : IAsyncDisposable
{
    private readonly Clock _clock = new();
    private readonly TaskCompletionSource _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SemaphoreSlim _called = new(0);
    private readonly List<Socket> _sockets = [];
    private readonly MeterListener _listener = new();
    private WebApplication? _app;
    private long _open; // connections, as the server counts them: one is taken off after its room is free

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task New_callers_get_in_while_another_keeps_all_connections_silent()
    {
        await StartAsync(most: 1024); // room is made beyond 960
        var known = await ConnectAsync();
        (await CallAsync(known, "/")).ShouldBe("HTTP/1.1 200 OK");
        var silent = await ConnectManyAsync(1024);
        await UntilAsync(() => Volatile.Read(ref _open) >= 1024);
        _clock.Pass(TimeSpan.FromSeconds(2));
        (await EndsAsync(silent[0])).ShouldBeTrue(); // those that came first go first
        await UntilAsync(() => Volatile.Read(ref _open) <= 960);
        for (var i = 0; i < 40; i++)
            (await CallAsync(await ConnectAsync(), "/")).ShouldBe("HTTP/1.1 200 OK");

        (await CallAsync(known, "/")).ShouldBe("HTTP/1.1 200 OK"); // who once spoke went after all of them
    }

    [Fact]
    public async Task Who_never_spoke_goes_sooner_than_who_did()
    {
        await StartAsync(most: 64); // room is made beyond 60
        var spoken = await ConnectManyAsync(30);
        foreach (var socket in spoken)
            (await CallAsync(socket, "/")).ShouldBe("HTTP/1.1 200 OK");
        var silent = await ConnectManyAsync(30);
        await UntilAsync(() => Volatile.Read(ref _open) == 60);
        _clock.Pass(TimeSpan.FromMilliseconds(500));
        for (var i = 0; i < 30; i++)
        {
            (await CallAsync(await ConnectAsync(), "/")).ShouldBe("HTTP/1.1 200 OK");
            (await EndsAsync(silent[i])).ShouldBeTrue();
            await UntilAsync(() => Volatile.Read(ref _open) <= 60);
        }

        foreach (var socket in spoken)
            (await CallAsync(socket, "/")).ShouldBe("HTTP/1.1 200 OK");
    }

    [Fact]
    public async Task A_call_that_waits_for_its_answer_keeps_its_connection()
    {
        await StartAsync(most: 64); // room is made beyond 60
        var calling = new List<Task<string?>>();
        for (var i = 0; i < 60; i++)
            calling.Add(CallAsync(await ConnectAsync(), "/slow"));
        await using var two = await Http2Frames.BeginAsync(new NetworkStream(await ConnectAsync(url: 1)));
        var slow = two.RequestAsync([(":method", "POST"), (":scheme", "http"), (":path", "/slow"), (":authority", "localhost")], "");
        for (var i = 0; i < 61; i++)
            (await _called.WaitAsync(TimeSpan.FromSeconds(30), Cancel)).ShouldBeTrue();
        _clock.Pass(TimeSpan.FromHours(1));
        var silent = await ConnectManyAsync(20); // some of them find no room
        await UntilAsync(() => Volatile.Read(ref _open) >= 64);
        _clock.Pass(TimeSpan.FromSeconds(2));
        (await EndsAsync(silent[0])).ShouldBeTrue();
        await UntilAsync(() => Volatile.Read(ref _open) == 61);
        (await CallAsync(await ConnectAsync(), "/")).ShouldBe("HTTP/1.1 200 OK");

        _answer.SetResult();
        (await Task.WhenAll(calling)).ShouldAllBe(status => status == "HTTP/1.1 200 OK");
        (await slow).ShouldBe(200);
    }

    [Fact]
    public async Task Where_there_is_room_silence_is_no_offence()
    {
        await StartAsync(most: 64);
        var silent = await ConnectManyAsync(54);
        await UntilAsync(() => Volatile.Read(ref _open) == 54);
        _clock.Pass(TimeSpan.FromHours(1));
        for (var i = 0; i < 5; i++)
            (await CallAsync(await ConnectAsync(), "/")).ShouldBe("HTTP/1.1 200 OK");
        foreach (var socket in silent)
            (await CallAsync(socket, "/")).ShouldBe("HTTP/1.1 200 OK");
    }

    private async Task StartAsync(int most)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<TimeProvider>(_clock);
        builder.Services.AddSingleton<ConnectionRoom>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxConcurrentConnections = most;
            void Listen(HttpProtocols protocol) => kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                listen.Protocols = protocol;
                listen.Use(next => connection => kestrel.ApplicationServices.GetRequiredService<ConnectionRoom>().WatchAsync(connection, next));
            });
            Listen(HttpProtocols.Http1);
            Listen(HttpProtocols.Http2);
        });
        _app = builder.Build();
        var meters = _app.Services.GetRequiredService<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "kestrel.active_connections" && instrument.Meter.Scope == meters)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, change, _, _) => Interlocked.Add(ref _open, change));
        _listener.Start();
        _app.UseConnectionRoom();
        _app.Run(context =>
        {
            if (context.Request.Path != "/slow")
                return Task.CompletedTask;
            _called.Release();
            return _answer.Task;
        });
        await _app.StartAsync(Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        _answer.TrySetResult();
        _sockets.ForEach(s => s.Dispose());
        await _app!.DisposeAsync();
        _listener.Dispose();
        _called.Dispose();
    }

    private async Task<List<Socket>> ConnectManyAsync(int many)
    {
        var all = new List<Socket>();
        for (var i = 0; i < many; i++)
            all.Add(await ConnectAsync());
        return all;
    }

    private async Task<Socket> ConnectAsync(int url = 0)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        _sockets.Add(socket);
        await socket.ConnectAsync(IPAddress.Loopback, new Uri(_app!.Urls.ElementAt(url)).Port, Cancel);
        return socket;
    }

    // The answer's first line; null where there was none.
    private static async Task<string?> CallAsync(Socket socket, string path)
    {
        await socket.SendAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"), Cancel);
        var buffer = new byte[4096];
        try
        {
            var read = await socket.ReceiveAsync(buffer, Cancel);
            return read == 0 ? null : Encoding.ASCII.GetString(buffer, 0, read).Split("\r\n")[0];
        }
        catch (SocketException)
        {
            return null;
        }
    }

    private static async Task<bool> EndsAsync(Socket socket)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[1], Cancel) == 0;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    private sealed class Clock : TimeProvider
    {
        private long _passed;

        public override long GetTimestamp() => base.GetTimestamp() + Interlocked.Read(ref _passed);

        public void Pass(TimeSpan time) => Interlocked.Add(ref _passed, (long)(time.TotalSeconds * TimestampFrequency));
    }
}
