using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>Settings under <c>Drain</c>.</summary>
public sealed class DrainOptions
{
    /// <summary>How long a process that was told to stop goes on accepting, while `/readyz` answers 503 and every answer closes its connection: longer than a balancer takes to notice, and than it keeps an idle connection. 0 to 5 min; 0 where nothing stands before it.</summary>
    public TimeSpan Notice { get; set; } = TimeSpan.Zero;

    /// <summary>How long calls that run may take to end after the notice; what still runs then is cut off. 0 to 1 h.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(25);

    internal string? Problem() =>
        Notice < TimeSpan.Zero || Notice > TimeSpan.FromMinutes(5) ? $"Drain:Notice is {Notice}; it must be 0 to 5 min."
        : Timeout < TimeSpan.Zero || Timeout > TimeSpan.FromHours(1) ? $"Drain:Timeout is {Timeout}; it must be 0 to 1 h."
        : null;
}

/// <summary>
/// The orderly end of a host. Told to stop, it 1. is not ready any more, at once; 2. goes on serving for the notice, each answer closing its
/// connection; 3. takes no new connections; 4. waits for the calls that run, at most the timeout; 5. cuts off what is left. Then the other
/// services stop: the journal is shipped last.
/// </summary>
public sealed partial class Drain(IOptions<DrainOptions> options, IHostApplicationLifetime lifetime, ListenSockets sockets, TimeProvider time, ILogger<Drain> log) : IHostedLifecycleService, IDisposable
{
    private readonly ConcurrentDictionary<ConnectionContext, byte> _connections = [];
    private ITimer? _cut;

    /// <summary>Told to stop: nothing new should come here.</summary>
    public bool Draining => lifetime.ApplicationStopping.IsCancellationRequested;

    /// <summary>The time is up, and what still ran was cut off by this process, not by its client.</summary>
    public bool HasCut { get; private set; }

    /// <summary>Whether the end of a request's connection was this process's own doing.</summary>
    public static bool Cut(HttpContext context) => context.RequestServices.GetService<Drain>() is { HasCut: true };

    internal async Task WatchAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        _connections.TryAdd(connection, 0);
        try
        {
            await next(connection);
        }
        finally
        {
            _connections.TryRemove(connection, out _);
        }
    }

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        if (options.Value.Notice > TimeSpan.Zero && lifetime.ApplicationStarted.IsCancellationRequested)
        {
            await Task.Delay(options.Value.Notice, time, cancellationToken);
            await sockets.EmptyAsync(cancellationToken);
        }

        // The server stops next: it closes its listening sockets, and then waits for its connections.
        _cut = time.CreateTimer(_ => CutOff(), null, options.Value.Timeout, System.Threading.Timeout.InfiniteTimeSpan);
    }

    private void CutOff()
    {
        HasCut = true;
        if (_connections.IsEmpty)
            return;
        CutOff(_connections.Count, options.Value.Timeout);
        foreach (var connection in _connections.Keys)
            connection.Abort(new ConnectionAbortedException("the host stops"));
    }

    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        _cut?.Dispose();
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _cut?.Dispose();

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Connections} connections had calls running {Timeout} after the notice (Drain:Timeout); they were cut off")]
    private partial void CutOff(int connections, TimeSpan timeout);
}

internal static class DrainSetup
{
    /// <summary>While it drains, each answer tells the client to connect anew, and so elsewhere. HTTP/2 has its own way (GOAWAY), which the server goes.</summary>
    public static void UseDrain(this WebApplication app)
    {
        var drain = app.Services.GetRequiredService<Drain>();
        app.Use((context, next) =>
        {
            if (drain.Draining && HttpProtocol.IsHttp11(context.Request.Protocol))
                context.Response.Headers.Connection = "close";
            return next(context);
        });
    }
}
