using System.Buffers;
using System.IO.Pipelines;
using Tokonomics.Application.Dialects;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>
/// Carries the provider's answer to the client as it comes, one flush for each read, with the meter beside it. The meter can't hurt the
/// client: it never throws, and what it doesn't understand goes on all the same.
/// </summary>
internal static class Relay
{
    private const int BufferBytes = 16 * 1024;

    /// <exception cref="OperationCanceledException">The client left, or nothing came for too long before the answer had begun.</exception>
    public static async Task RunAsync(HttpContext context, HttpResponseMessage answer, ProxyCall call, TimeSpan idle, long maxBytes, CancellationTokenSource upstream)
    {
        var response = context.Response;
        var contentType = Header(answer, "Content-Type");
        call.Streamed = call.Peek.Stream || call.Facts.PathStreams || IsEventStream(contentType);
        if (call.Dialect is { } dialect)
            call.Reader = DecodingReader.For(dialect.Read(call.Facts, call.Peek, new ResponseFacts(call.Status, contentType)), Header(answer, "Content-Encoding"));
        var filter = call.Swallows && call.Status < 300 && IsEventStream(contentType) ? new UsageChunkFilter() : null;

        response.StatusCode = call.Status;
        // RFC 9110 15.3.5, 15.3.6: no body, whatever the provider sent behind; Kestrel would throw at it.
        var bodiless = call.Status is 204 or 205;
        HeaderRules.ToClient(answer, response, resized: filter is not null || bodiless);
        if (bodiless)
            return;
        if (call.Streamed)
            await response.StartAsync(context.RequestAborted);

        var writer = response.BodyWriter;
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            var body = await answer.Content.ReadAsStreamAsync(upstream.Token);
            if (call.Streamed)
                await writer.FlushAsync(context.RequestAborted);
            while (true)
            {
                upstream.CancelAfter(idle);
                var read = await body.ReadAsync(buffer, upstream.Token);
                if (read == 0)
                    break;
                call.FirstByte ??= call.Elapsed;
                call.ResponseBytes += read;
                await ForwardAsync(writer, filter, buffer.AsMemory(0, read), call.Reader, context.RequestAborted);
                if (call.ResponseBytes > maxBytes)
                {
                    call.Outcome = CallOutcome.CutByProxy;
                    context.Abort();
                    return;
                }
            }

            if (filter is not null)
            {
                filter.Flush(writer);
                await writer.FlushAsync(context.RequestAborted);
            }
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            call.Outcome = CallOutcome.TimedOut;
            await BreakOffAsync(context, call, filter, contentType, "the provider sent nothing more in time");
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            call.Outcome = CallOutcome.Truncated;
            await BreakOffAsync(context, call, filter, contentType, "the provider broke off its answer");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    private static async ValueTask ForwardAsync(PipeWriter writer, UsageChunkFilter? filter, ReadOnlyMemory<byte> bytes, ResponseReader? reader, CancellationToken clientGone)
    {
        // The bytes are on their way to the client before the meter looks at them.
        ValueTask<FlushResult> flush;
        if (filter is null)
        {
            flush = writer.WriteAsync(bytes, clientGone);
        }
        else
        {
            filter.Write(bytes.Span, writer);
            flush = writer.FlushAsync(clientGone);
        }

        reader?.Feed(bytes.Span);
        var result = await flush;
        // A response pipe completes when the connection is gone.
        if (result.IsCompleted || result.IsCanceled)
            throw new OperationCanceledException(clientGone);
    }

    // Tells the client that the answer is not whole: in a stream by the protocol's own error event, otherwise by an aborted connection, since a
    // regular end would look like success.
    private static async Task BreakOffAsync(HttpContext context, ProxyCall call, UsageChunkFilter? filter, string? contentType, string message)
    {
        var writer = context.Response.BodyWriter;
        if (call.Dialect is null || !IsEventStream(contentType) || context.Response.ContentLength is not null || call.Status >= 400)
        {
            context.Abort();
            return;
        }

        filter?.Flush(writer);
        ProxyError.WriteStreamEvent(
            writer, call.Match!.Surface.Errors, ProxyError.FormOf(call.Dialect!, contentType), 502, "provider_broke_off", $"{message}; what came before is incomplete", call.RequestId);
        try
        {
            await writer.FlushAsync(context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            // The client has left as well.
        }
    }

    private static string? Header(HttpResponseMessage answer, string name) => answer.Content.Headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;

    private static bool IsEventStream(string? contentType) => contentType is not null && contentType.StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase);
}
