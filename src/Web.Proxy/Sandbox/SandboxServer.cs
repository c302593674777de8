using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>
/// A provider that needs no account: a real HTTP server on 127.0.0.1 that answers in every dialect, misbehaves on request (the model's name
/// says how) and keeps its own bill. Test keys are served by it, and the tests use it as the provider. It shares no code with the proxy that it
/// is a witness against: not its dialects, not its prices, not its ledger.
/// </summary>
public sealed class SandboxServer : IHostedService, IAsyncDisposable
{
    private readonly SandboxOptions _options;
    private readonly SandboxCache _cache = new();
    private readonly ConcurrentDictionary<string, int> _flaky = new();
    private readonly ConcurrentQueue<SandboxRequest> _requests = new();
    private readonly string _run = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4));
    private WebApplication? _app;
    private Uri? _baseUrl;
    private int _inFlight;

    public SandboxServer(SandboxOptions options)
    {
        _options = options;
        Bill = new SandboxBill(options.BillPath);
    }

    /// <summary>Where it listens, with a trailing slash. Known once it has started.</summary>
    public Uri BaseUrl => _baseUrl ?? throw new InvalidOperationException("The sandbox has not started, so it has no address yet. Call StartAsync first.");

    public SandboxBill Bill { get; }

    /// <summary>The last requests, oldest first; empty unless <see cref="SandboxOptions.RememberRequests"/> is set.</summary>
    public IReadOnlyList<SandboxRequest> Requests => [.. _requests];

    /// <summary>Starts, and returns the server for a one-line test set-up.</summary>
    public static async Task<SandboxServer> StartNewAsync(SandboxOptions? options = null, CancellationToken cancellationToken = default)
    {
        var server = new SandboxServer(options ?? new SandboxOptions());
        await server.StartAsync(cancellationToken);
        return server;
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder(
            new WebApplicationOptions { Args = [HostSetup.SettingsReadOnce], EnvironmentName = Environments.Production, ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.Sources.Clear(); // the host's own URLs and settings are not the sandbox's
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IHostLifetime, OwnersLifetime>();
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromMilliseconds(500));
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = _options.MaxBodyBytes;
            kestrel.Limits.MinResponseDataRate = null; // a slow reader is the proxy's to judge
            kestrel.Listen(IPAddress.Loopback, _options.Port, listen => listen.Protocols = HttpProtocols.Http1);
        });

        _app = builder.Build();
        _app.Run(AnswerAsync);
        await _app.StartAsync(cancellationToken);
        var address = _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        _baseUrl = new Uri(address + "/");
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_app is not null) await _app.StopAsync(cancellationToken);
    }

    /// <summary>Waits until no call is being answered, so that the bill stands.</summary>
    public async Task WhenIdleAsync(CancellationToken cancellationToken = default)
    {
        while (Volatile.Read(ref _inFlight) > 0) await Task.Delay(5, cancellationToken);
    }

    private async Task AnswerAsync(HttpContext http)
    {
        Interlocked.Increment(ref _inFlight);
        try
        {
            await AnswerCountedAsync(http);
        }
        finally
        {
            Interlocked.Decrement(ref _inFlight);
        }
    }

    private async Task AnswerCountedAsync(HttpContext http)
    {
        var route = SandboxRoutes.Find(http.Request.Method, http.Request.Path.Value ?? "/");
        SandboxBillLine? accepted = null;
        SandboxCall? call = null;
        JsonDocument? document = null;
        var outcome = SandboxOutcome.Error;
        try
        {
            // 1. The request, read whole.
            SandboxRefusal? refusal = null;
            byte[] body = [];
            try
            {
                body = await ReadAsync(http);
                (document, route) = await SandboxRoutes.ParseAsync(http, body, route);
            }
            catch (SandboxRefusal e)
            {
                refusal = e;
            }

            // 2. Onto the bill, before anything else can happen to it.
            var json = document?.RootElement ?? default;
            var name = route.Model ?? Text(json, "model");
            accepted = Bill.Accept(_run, _options.Time.GetUtcNow(), name, route.Dialect, route.Streams(json), ClientRequestId(http));
            Remember(http, accepted.Id, body);
            http.Response.Headers["x-request-id"] = accepted.Id;
            if (route.Shape == SandboxShape.Anthropic) http.Response.Headers["request-id"] = accepted.Id;

            // 3. Refusals, asked for or deserved.
            var model = SandboxModel.Parse(name ?? "");
            if (model.Is(SandboxBehaviour.Hang)) await Task.Delay(Timeout.Infinite, http.RequestAborted);
            if (model.Is(SandboxBehaviour.Redirect))
            {
                http.Response.Redirect(new Uri(BaseUrl, "elsewhere").ToString());
                return;
            }

            if (model.Is(SandboxBehaviour.Flaky) && _flaky.AddOrUpdate(model.Name, 1, (_, calls) => calls + 1) % 2 == 0)
                refusal ??= new SandboxRefusal(500, SandboxErrors.Message(500));
            if (model.Status is { } status) refusal ??= new SandboxRefusal(status, SandboxErrors.Message(status));

            // 4. The answer.
            call = new SandboxCall(http, model, json, accepted, Bill, _options.Pace, new SandboxPrompt(model.Name, _cache));
            if (refusal is null)
            {
                try
                {
                    await route.AnswerAsync(call);
                    await call.CompleteAsync();
                    outcome = http.RequestAborted.IsCancellationRequested && model.Is(SandboxBehaviour.BillsOn) ? SandboxOutcome.ClientGone : SandboxOutcome.Ok;
                    return;
                }
                catch (SandboxRefusal e) when (!http.Response.HasStarted)
                {
                    refusal = e;
                }
                catch (Exception e) when (!http.Response.HasStarted && e is InvalidOperationException or FormatException or OverflowException)
                {
                    // A value of a kind or size that no route foresaw.
                    refusal = new SandboxRefusal(400, "The request's body has a value of a kind that the sandbox can't read.");
                }
            }

            await RefuseAsync(http, route.Shape, accepted.Id, refusal);
        }
        catch (SandboxBrokeOff e)
        {
            outcome = e.Outcome;
        }
        catch (Exception e) when (http.RequestAborted.IsCancellationRequested && e is OperationCanceledException or IOException)
        {
            outcome = SandboxOutcome.ClientGone;
        }
        finally
        {
            // 5. The bill's second line comes before the answer's last byte (the chunk that ends the body follows this method).
            if (accepted is not null) Bill.End(Settled(http, accepted, call, outcome));
            if (call is not null) await call.DisposeAsync();
            document?.Dispose();
        }
    }

    private static SandboxBillLine Settled(HttpContext http, SandboxBillLine accepted, SandboxCall? call, SandboxOutcome outcome)
    {
        var units = outcome == SandboxOutcome.Error || call is null ? new SandboxUnits() : call.Units;
        return accepted with
        {
            Outcome = outcome,
            Status = outcome == SandboxOutcome.ClientGone && !http.Response.HasStarted ? 0 : http.Response.StatusCode,
            Units = units,
            DeliveredOutput = call?.DeliveredOutput ?? 0,
            UsageDelivered = call?.UsageDelivered ?? false,
            CostNanoUsd = SandboxRates.Cost(accepted.Model, units),
        };
    }

    private async Task RefuseAsync(HttpContext http, SandboxShape shape, string id, SandboxRefusal refusal)
    {
        http.Response.StatusCode = refusal.Status;
        http.Response.ContentType = "application/json";
        SandboxErrors.Headers(shape, refusal.Status, _options.Time.GetUtcNow(), http.Response.Headers);
        await http.Response.Body.WriteAsync(SandboxErrors.Body(shape, refusal.Status, refusal.Message, id), http.RequestAborted);
    }

    private async Task<byte[]> ReadAsync(HttpContext http)
    {
        try
        {
            using var body = new MemoryStream((int)Math.Clamp(http.Request.ContentLength ?? 0, 0, Math.Min(_options.MaxBodyBytes, 1 << 20)));
            await http.Request.Body.CopyToAsync(body, http.RequestAborted);
            return body.ToArray();
        }
        catch (Microsoft.AspNetCore.Http.BadHttpRequestException e)
        {
            throw new SandboxRefusal(e.StatusCode, e.StatusCode == 413 ? $"The request is larger than {_options.MaxBodyBytes} bytes." : "The request's body could not be read.");
        }
    }

    // A caller's own text goes onto the bill only where it can be nothing but an id.
    private static string? ClientRequestId(HttpContext http) =>
        http.Request.Headers["X-Client-Request-Id"].ToString() is { Length: > 0 and <= 64 } id && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') ? id : null;

    private void Remember(HttpContext http, string id, byte[] body)
    {
        if (_options.RememberRequests <= 0) return;
        _requests.Enqueue(new SandboxRequest(
            id,
            http.Request.Method,
            http.Request.Path + http.Request.QueryString.Value,
            http.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase),
            body));
        while (_requests.Count > _options.RememberRequests) _requests.TryDequeue(out _);
    }

    private static string? Text(JsonElement body, string name) =>
        body.ValueKind == JsonValueKind.Object && body.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? SandboxRoutes.Text(value) : null;

    /// <summary>Signals to the process are its owner's to hear: the sandbox ends when it is told to, after the calls that the owner drains.</summary>
    private sealed class OwnersLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null) await _app.DisposeAsync();
        Bill.Dispose();
    }
}
