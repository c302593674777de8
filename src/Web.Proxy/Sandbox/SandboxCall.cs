using System.IO.Compression;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Connections.Features;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>Ends a call before its answer is complete.</summary>
internal sealed class SandboxBrokeOff(SandboxOutcome outcome) : Exception
{
    public SandboxOutcome Outcome { get; } = outcome;
}

/// <summary>
/// One call: what it asks, what was generated for it so far, and the way out to the client. All behaviours of a model's name that concern
/// sending happen here, so that the dialects only say what is to be sent.
/// </summary>
internal sealed class SandboxCall(HttpContext http, SandboxModel model, JsonElement body, SandboxBillLine accepted, SandboxBill bill, SandboxPace pace, SandboxPrompt prompt)
    : IAsyncDisposable
{
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly TimeSpan SlowPace = TimeSpan.FromMilliseconds(20);

    // What was written needs a moment to leave the machine before the connection is broken, or the break overtakes it.
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(20);

    private Stream? _out;
    private int _events;

    public HttpContext Http => http;

    public SandboxModel Model => model;

    public JsonElement Body => body;

    public SandboxPrompt Prompt => prompt;

    public string Id => accepted.Id;

    /// <summary>The id without its prefix, for the ids inside answers.</summary>
    public string Suffix => accepted.Id["sbx_".Length..];

    public long Created => accepted.At.ToUnixTimeSeconds();

    public bool Stream => accepted.Stream;

    public bool ReportsUsage => !model.Is(SandboxBehaviour.NoUsage);

    public SandboxUnits Units { get; } = new();

    public long DeliveredOutput { get; private set; }

    public bool UsageDelivered { get; private set; }

    private CancellationToken Gone => model.Is(SandboxBehaviour.BillsOn) ? CancellationToken.None : http.RequestAborted;

    /// <summary>Waits for the first byte. The prompt must have been charged: from here on the call costs something.</summary>
    public async Task BeginAsync(string contentType)
    {
        bill.Charge(accepted with { Units = Units with { }, CostNanoUsd = SandboxRates.Cost(accepted.Model, Units) });
        await PauseAsync(pace.FirstByte);
        http.Response.ContentType = contentType;
        if (model.Is(SandboxBehaviour.Empty)) throw new SandboxBrokeOff(SandboxOutcome.Ok);
    }

    /// <summary>Generates a whole answer before anything of it is sent.</summary>
    public async Task GenerateAsync(SandboxReply reply)
    {
        foreach (var (pieces, reasoning) in new[] { (reply.Reasoning, true), (reply.Pieces, false) })
        foreach (var piece in pieces)
        {
            if (model.Is(SandboxBehaviour.Slow)) await PauseAsync(SlowPace);
            Count(piece, reasoning);
        }
    }

    /// <summary>Sends a plain answer. <paramref name="usage"/>: what is billed can be read from it, or from the request.</summary>
    public Task SendAsync(object answer, bool usage = true) => SendAsync(JsonSerializer.SerializeToUtf8Bytes(answer, Json), usage);

    public async Task SendAsync(ReadOnlyMemory<byte> bytes, bool usage = true)
    {
        var half = bytes[..(bytes.Length / 2)];
        if (model.Is(SandboxBehaviour.BadJson)) bytes = bytes[..(bytes.Length * 2 / 3)];
        if (model.Is(SandboxBehaviour.HangMid | SandboxBehaviour.Cut | SandboxBehaviour.Reset))
        {
            await WriteAsync(half);
            if (model.Is(SandboxBehaviour.HangMid)) await Task.Delay(Timeout.Infinite, http.RequestAborted);
            await BreakAsync();
        }

        for (; bytes.Length > 0; bytes = bytes[Math.Min(bytes.Length, 65_536)..])
            if (!await WriteAsync(bytes[..Math.Min(bytes.Length, 65_536)])) return;
        DeliveredOutput = Units.OutputTotal;
        UsageDelivered = usage && ReportsUsage && !model.Is(SandboxBehaviour.BadJson);
    }

    /// <summary>Generates one piece and streams the event that carries it.</summary>
    public async Task PieceAsync(string frame, Piece piece, bool reasoning = false)
    {
        await PauseAsync(model.Is(SandboxBehaviour.Slow) ? SlowPace : pace.PerChunk);
        Count(piece, reasoning);
        if (await EventAsync(frame)) DeliveredOutput += piece.Tokens;
    }

    /// <summary>Generates a piece that the client never sees.</summary>
    public async Task HiddenPieceAsync(Piece piece)
    {
        await PauseAsync(model.Is(SandboxBehaviour.Slow) ? SlowPace : pace.PerChunk);
        Count(piece, reasoning: true);
    }

    /// <summary>Streams an event. <paramref name="usage"/>: it carries the final usage, so the hidden output is delivered with it.</summary>
    /// <returns>False when it could not be written any more.</returns>
    public async Task<bool> EventAsync(string frame, bool usage = false)
    {
        _events++;
        if (model.Is(SandboxBehaviour.BadJson) && _events == 2) frame = BreakJson(frame);
        if (model.Is(SandboxBehaviour.BadSse) && IsSse) frame = BreakFraming(frame);
        var written = await WriteAsync(Encoding.UTF8.GetBytes(frame));
        if (written && usage && ReportsUsage)
        {
            UsageDelivered = !(model.Is(SandboxBehaviour.BadSse) && IsSse); // no reader can be held to framing as broken as that
            DeliveredOutput = Units.OutputTotal;
        }

        if (model.Is(SandboxBehaviour.HangMid) && _events == 3) await Task.Delay(Timeout.Infinite, http.RequestAborted);
        if ((model.Is(SandboxBehaviour.Reset) && _events == 3) || (model.Is(SandboxBehaviour.Cut) && _events == 6)) await BreakAsync();
        return written;
    }

    /// <summary>Streams the marker that ends a stream, where a dialect has one.</summary>
    public async Task EndMarkerAsync(string frame)
    {
        if (!model.Is(SandboxBehaviour.BadSse)) await WriteAsync(Encoding.UTF8.GetBytes(frame));
    }

    public static string Sse(object data) => $"data: {JsonSerializer.Serialize(data, Json)}\n\n";

    public static string Sse(string name, object data) => $"event: {name}\ndata: {JsonSerializer.Serialize(data, Json)}\n\n";

    public static string Line(object data) => JsonSerializer.Serialize(data, Json) + "\n";

    /// <summary>Completes a compressed answer.</summary>
    public async Task CompleteAsync()
    {
        if (_out is null || ReferenceEquals(_out, http.Response.Body) || http.RequestAborted.IsCancellationRequested) return;
        await _out.DisposeAsync();
        _out = http.Response.Body;
    }

    private bool IsSse => http.Response.ContentType?.StartsWith("text/event-stream", StringComparison.Ordinal) == true;

    private void Count(Piece piece, bool reasoning)
    {
        if (reasoning) Units.Reasoning += piece.Tokens;
        else Units.Output += piece.Tokens;
    }

    private async Task PauseAsync(TimeSpan time)
    {
        Gone.ThrowIfCancellationRequested();
        if (time > TimeSpan.Zero) await Task.Delay(time, Gone);
    }

    private async Task<bool> WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        Gone.ThrowIfCancellationRequested();
        if (http.RequestAborted.IsCancellationRequested) return false; // bills-on: nobody listens, the meter runs
        try
        {
            var output = _out ??= Compressed();
            for (var i = 0; model.Is(SandboxBehaviour.Drip) && i < bytes.Length; i++)
            {
                await output.WriteAsync(bytes.Slice(i, 1), http.RequestAborted);
                await output.FlushAsync(http.RequestAborted);
            }

            if (!model.Is(SandboxBehaviour.Drip)) await output.WriteAsync(bytes, http.RequestAborted);
            await output.FlushAsync(http.RequestAborted);
            Gone.ThrowIfCancellationRequested();
            return !http.RequestAborted.IsCancellationRequested;
        }
        catch (Exception e) when (model.Is(SandboxBehaviour.BillsOn) && e is IOException or OperationCanceledException && http.RequestAborted.IsCancellationRequested)
        {
            return false;
        }
    }

    private Stream Compressed()
    {
        var (name, stream) = model switch
        {
            _ when model.Is(SandboxBehaviour.Gzip) => ("gzip", new GZipStream(http.Response.Body, CompressionLevel.Fastest, leaveOpen: true)),
            _ when model.Is(SandboxBehaviour.Brotli) => ("br", new BrotliStream(http.Response.Body, CompressionLevel.Fastest, leaveOpen: true)),
            _ when model.Is(SandboxBehaviour.Deflate) => ("deflate", new ZLibStream(http.Response.Body, CompressionLevel.Fastest, leaveOpen: true)),
            _ => ((string?)null, http.Response.Body),
        };
        if (name is not null) http.Response.Headers.ContentEncoding = name;
        return stream;
    }

    /// <summary>Closes the connection in the middle: with a FIN for <c>cut</c>, with an RST for <c>reset</c>.</summary>
    private async Task BreakAsync()
    {
        await Task.Delay(Settling, http.RequestAborted);
        if (model.Is(SandboxBehaviour.Cut) && http.Features.Get<IConnectionSocketFeature>()?.Socket is { } socket)
        {
            socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);

            // The client closes its side when it reads the end. Aborting at once would send an RST after the FIN, which may discard what it hasn't read yet.
            await Task.WhenAny(Task.Delay(TimeSpan.FromSeconds(1)), Task.Delay(Timeout.Infinite, http.RequestAborted));
        }

        http.Abort();
        throw new SandboxBrokeOff(SandboxOutcome.Cut);
    }

    private static string BreakJson(string frame)
    {
        var text = frame.TrimEnd('\n');
        return text[..(text.Length * 2 / 3)] + frame[text.Length..];
    }

    private string BreakFraming(string frame) => (_events % 4) switch
    {
        1 => (_events == 1 ? "\uFEFF" : "") + ": the sandbox keeps the line open\n\n" + frame,
        2 => frame.Replace('\n', '\r'),
        3 => "data\n\nevent: nothing\n\n" + frame,
        _ => frame.Replace("data: ", "data:", StringComparison.Ordinal),
    };

    /// <summary>Gives the compressor's memory back where <see cref="CompleteAsync"/> was never reached.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_out is null || ReferenceEquals(_out, http.Response.Body)) return;
        try
        {
            await _out.DisposeAsync();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // It wanted to write its trailer to a connection that is gone.
        }
    }
}
