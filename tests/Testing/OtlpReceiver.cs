using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Tokonomics.Testing;

/// <summary>A collector as far as a test needs one: it takes what OTLP sends over HTTP and keeps it as it came. Texts stand in protobuf as they are, so that they can be looked for.</summary>
public sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;

    private OtlpReceiver(WebApplication app) => (_app, Url) = (app, new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()));

    public Uri Url { get; }

    public ConcurrentQueue<(string Path, string ContentType, byte[] Body)> Received { get; } = [];

    public static async Task<OtlpReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        OtlpReceiver? receiver = null;
        app.Run(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            receiver!.Received.Enqueue((context.Request.Path, context.Request.ContentType ?? "", body.ToArray()));
            context.Response.ContentType = "application/x-protobuf";
        });
        await app.StartAsync();
        return receiver = new OtlpReceiver(app);
    }

    /// <summary>Waits, half a minute at most, until something arrived on the path with all of the texts in it.</summary>
    public async Task<byte[]> WaitAsync(string path, params string[] texts)
    {
        for (var tries = 0; ; tries++)
        {
            foreach (var (at, _, body) in Received)
                if (at == path && Array.TrueForAll(texts, t => Has(body, Encoding.UTF8.GetBytes(t))))
                    return body;
            if (tries == 600)
                throw new InvalidOperationException($"nothing with {string.Join(", ", texts)} arrived on {path}; {Received.Count} messages did, and in none of them was {string.Join(", ", texts.Where(t => !Received.Any(r => r.Path == path && Has(r.Body, Encoding.UTF8.GetBytes(t)))))}");
            await Task.Delay(50);
        }
    }

    public static bool Has(byte[] body, byte[] part) => body.AsSpan().IndexOf(part) >= 0;

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
