using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Testing;

namespace Tokonomics.Tests.Hosting;

/// <summary>Clients of HTTP/2 that reset what they send.</summary>
public sealed class ResetGuardTests
{
    [Fact]
    public async Task Who_resets_all_requests_is_closed_and_who_resets_half_of_what_may_be_open_is_not()
    {
        await using var app = await StartAsync();
        await using var patient = await ConnectAsync(app);
        for (var i = 0; i < 100; i++)
            (await ResetAsync(patient)).ShouldBeTrue();

        await using var rude = await ConnectAsync(app);
        var sent = 1;
        // Each is read, and answered if it is, before the next: it is not their number at once.
        while (sent < 1000 && await ResetAsync(rude))
            sent++;
        sent.ShouldBeInRange(201, 400); // twice the 100 that may be open, and those that Kestrel lets pass before it has had enough

        (await patient.RequestAsync(Call, "")).ShouldBe(200);
    }

    private static readonly (string, string)[] Call = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "localhost")];

    private static async Task<bool> ResetAsync(Http2Frames client)
    {
        await client.ResetManyAsync(Call, 1);
        return await client.PingAsync();
    }

    private static async Task<WebApplication> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddSingleton<TimeProvider>(new StoppedTimers());
        var app = builder.Build();
        app.UseResetGuard();
        // Reading the body finds out that there is none to come.
        app.Run(async context => await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted));
        await app.StartAsync();
        return app;
    }

    private static async Task<Http2Frames> ConnectAsync(WebApplication app)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, new Uri(app.Urls.First()).Port);
        return await Http2Frames.BeginAsync(new NetworkStream(socket, ownsSocket: true));
    }

    // No place is given back for as long as the test takes.
    private sealed class StoppedTimers : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }
}
