using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Tokonomics.Testing;

/// <summary>A collector as far as a test needs one: it takes what OTLP sends over HTTP or by gRPC and keeps it as it came, without gRPC's frame. Texts stand in protobuf as they are, so that they can be looked for.</summary>
public sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;

    private OtlpReceiver(WebApplication app) => (_app, Url) = (app, new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()));

    public Uri Url { get; }

    public ConcurrentQueue<(string Path, string ContentType, byte[] Body)> Received { get; } = [];

    /// <param name="grpc">Speaks HTTP/2 alone, in the clear, and answers each call as gRPC's servers do: an empty message, and the status in the trailers.</param>
    public static async Task<OtlpReceiver> StartAsync(bool grpc = false)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        if (grpc)
            builder.WebHost.ConfigureKestrel(o => o.ConfigureEndpointDefaults(e => e.Protocols = HttpProtocols.Http2));
        var app = builder.Build();
        OtlpReceiver? receiver = null;
        app.Run(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            var sent = body.ToArray();
            receiver!.Received.Enqueue((context.Request.Path, context.Request.ContentType ?? "", grpc ? Message(sent) : sent));
            context.Response.ContentType = grpc ? "application/grpc" : "application/x-protobuf";
            if (!grpc)
                return;
            await context.Response.Body.WriteAsync(new byte[5]);
            context.Response.AppendTrailer("grpc-status", "0");
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

    // One message: a byte that says whether it is compressed, four with its length, and itself.
    private static byte[] Message(byte[] frame) =>
        frame is [0, ..] && BinaryPrimitives.ReadUInt32BigEndian(frame.AsSpan(1)) == frame.Length - 5 ? frame[5..] : throw new InvalidOperationException($"{frame.Length} bytes are no message of gRPC's");

    public static bool Has(byte[] body, byte[] part) => body.AsSpan().IndexOf(part) >= 0;

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
