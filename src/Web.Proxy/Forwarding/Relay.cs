using System.Buffers;
using System.IO.Pipelines;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Web.Proxy.RateLimits;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>
/// Carries the provider's answer to the client as it comes, one flush for each read, with the meter beside it. The meter can't hurt the
/// client: it never throws, and what it doesn't understand goes on all the same.
/// </summary>
internal static class Relay
{
    private const int BufferBytes = 16 * 1024;

    /// <exception cref="OperationCanceledException">The client left, or nothing came for too long before the answer had begun.</exception>
    public static async Task RunAsync(
        HttpContext context, HttpResponseMessage answer, ProxyCall call, IBudgetGate gate, IUsageRecorder recorder, Settlement settlement, BufferBudget buffers, TimeSpan idle, ProxyOptions limits, CancellationTokenSource upstream)
    {
        var response = context.Response;
        var contentType = Header(answer, "Content-Type");
        call.Streamed = call.Peek.Stream || call.Facts.PathStreams || IsEventStream(contentType);
        if (call.Dialect is { } dialect)
            call.Reader = DecodingReader.For(dialect.Read(call.Facts, call.Peek, new ResponseFacts(call.Status, contentType)), Header(answer, "Content-Encoding"));
        // A provider that compresses although identity was asked for: its bytes can't be read for the chunk, and must not be held back for it.
        var filter = call.Swallows && call.Status < 300 && IsEventStream(contentType) && IsPlain(answer) ? new UsageChunkFilter() : null;
        var paid = PaidStreamOf(call, contentType, IsPlain(answer), gate, recorder);
        // HTTP allows these no body. One that is sent all the same is metered and dropped.
        var bodiless = call.Status is 204 or 205 or 304;

        // Who asks for the cost of an answer in one piece gets it when it is whole, unless it is too long to be held back.
        var receipt = Receipt.PlaceOf(call, IsEventStream(contentType), IsPlain(answer));
        var held = receipt == ReceiptPlace.Headers ? new HeldAnswer(buffers, Receipt.MaxHeldBytes) : null;
        var begun = call.Streamed && held is null;

        response.StatusCode = call.Status;
        HeaderRules.ToClient(answer, response, resized: filter is not null || receipt == ReceiptPlace.Stream || call.Status is 204 or 205);
        RateAnswers.Write(response.Headers, call.Rate);
        Receipt.Announce(response, receipt);
        var writer = response.BodyWriter;
        var shown = paid is null ? (IBufferWriter<byte>)writer : new PaidWriter(writer, paid);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        var body = Stream.Null;
        try
        {
            body = await answer.Content.ReadAsStreamAsync(upstream.Token);
            if (begun)
            {
                await response.StartAsync(context.RequestAborted);
                await writer.FlushAsync(context.RequestAborted);
            }

            var last = (byte)'\n';
            while (true)
            {
                upstream.CancelAfter(idle);
                var read = await body.ReadAsync(buffer, upstream.Token);
                if (read == 0)
                    break;
                call.FirstByte ??= call.Elapsed;
                call.ResponseBytes += read;
                last = buffer[read - 1];
                var kept = bodiless || held?.TryAdd(buffer.AsSpan(0, read)) == true;
                if (!kept && held is not null)
                {
                    Receipt.Announce(response, ReceiptPlace.Nowhere);
                    writer.Write(held.Bytes.Span);
                    held.Dispose();
                    held = null;
                }

                if (kept)
                    call.Reader?.Feed(buffer.AsSpan(0, read));
                else if (paid is { Ending: true, IsOver: false } ? await EndAsync(writer, shown, paid, filter, buffer.AsMemory(0, read), call, context.RequestAborted)
                    : !await ForwardAsync(writer, shown, filter, buffer.AsMemory(0, read), call.Reader, paid, upstream, context.RequestAborted))
                {
                    call.Outcome = call.CutAtBudget ? CallOutcome.CutByProxy : CallOutcome.ClientGone;
                    if (call.CutAtBudget)
                        await EndWithReceiptAsync(context, receipt, call, settlement, gate);
                    else if (call.ReadsOn)
                        await ReadOnAsync(body, buffer, call, paid, idle, limits, upstream);
                    return;
                }

                if (paid is not null && await MustEndAsync(context, paid, shown, call, filter, answer, upstream.Token))
                {
                    call.Outcome = CallOutcome.CutByProxy;
                    if (call.CutAtBudget)
                        await EndWithReceiptAsync(context, receipt, call, settlement, gate);
                    return;
                }

                if (call.ResponseBytes > limits.MaxAnswerBytes)
                {
                    call.Outcome = CallOutcome.CutByProxy;
                    context.Abort();
                    return;
                }
            }

            if (filter is not null)
            {
                filter.Flush(shown);
                await writer.FlushAsync(context.RequestAborted);
            }

            if (held is not null)
            {
                settlement.Settle(call);
                Receipt.WriteHeaders(response, call, gate);
                await writer.WriteAsync(held.Bytes, context.RequestAborted);
            }
            else if (last is (byte)'\n' or (byte)'\r')
            {
                // In the middle of a line a comment would become a part of it.
                await EndWithReceiptAsync(context, receipt, call, settlement, gate);
            }
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested && call.ReadsOn && !upstream.IsCancellationRequested)
        {
            call.Outcome = CallOutcome.ClientGone;
            await ReadOnAsync(body, buffer, call, paid, idle, limits, upstream);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            call.Outcome = CallOutcome.TimedOut;
            await BreakOffAsync(context, call, filter, answer, 504, "the provider sent nothing more in time");
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            call.Outcome = CallOutcome.Truncated;
            await BreakOffAsync(context, call, filter, answer, 502, "the provider broke off its answer");
        }
        finally
        {
            held?.Dispose();
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    // The client has left: the rest is read for its usage alone, for a while, and while budgets pay for it.
    private static async ValueTask ReadOnAsync(Stream body, byte[] buffer, ProxyCall call, PaidStream? paid, TimeSpan idle, ProxyOptions limits, CancellationTokenSource upstream)
    {
        var until = call.Elapsed + limits.ReadOnFor;
        try
        {
            while (call.ResponseBytes <= limits.MaxAnswerBytes && until - call.Elapsed is var left && left > TimeSpan.Zero && paid is not ({ Ending: true } or { Overrun: true }))
            {
                upstream.CancelAfter(left < idle ? left : idle);
                var read = await body.ReadAsync(buffer, upstream.Token);
                if (read == 0)
                {
                    call.WasReadOn = true;
                    return;
                }

                call.FirstByte ??= call.Elapsed;
                call.ResponseBytes += read;
                call.Reader?.Feed(buffer.AsSpan(0, read));
                if (paid is not null)
                    await paid.PayAsync(upstream.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or HttpRequestException)
        {
            // What was read until then is what there is.
        }
    }

    // The stream has ended in order: its cost is known, and a comment at its end says it.
    private static async ValueTask EndWithReceiptAsync(HttpContext context, ReceiptPlace receipt, ProxyCall call, Settlement settlement, IBudgetGate gate)
    {
        if (receipt != ReceiptPlace.Stream)
            return;
        settlement.Settle(call);
        Receipt.WriteComment(context.Response.BodyWriter, call, gate);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    /// <returns>False where the client has left.</returns>
    private static async ValueTask<bool> ForwardAsync(
        PipeWriter writer, IBufferWriter<byte> shown, UsageChunkFilter? filter, ReadOnlyMemory<byte> bytes, ResponseReader? reader, PaidStream? paid, CancellationTokenSource upstream, CancellationToken clientGone)
    {
        // The bytes are on their way to the client before the meter looks at them.
        ValueTask<FlushResult> flush;
        try
        {
            if (filter is null)
            {
                flush = writer.WriteAsync(bytes, clientGone);
                paid?.Relayed(bytes.Span);
            }
            else
            {
                filter.Write(bytes.Span, shown);
                flush = writer.FlushAsync(clientGone);
            }
        }
        finally
        {
            // Also where the client has left already and nothing can be written: they were generated, and are charged.
            reader?.Feed(bytes.Span);
        }

        // While the client is slow to read, the provider is held back: that is not the provider's silence.
        if (!flush.IsCompleted)
        {
            upstream.CancelAfter(Timeout.InfiniteTimeSpan);
            if (paid is not null)
                await paid.PayWholeAsync(clientGone);
        }

        // A response pipe completes when the connection is gone. That can be seen here before RequestAborted says so.
        return await flush is { IsCompleted: false, IsCanceled: false };
    }

    private static PaidStream? PaidStreamOf(ProxyCall call, string? contentType, bool plain, IBudgetGate gate, IUsageRecorder recorder)
    {
        if (!call.Streamed || call.Hold.Count == 0 || call.Reader is null || call.Status >= 300)
            return null;
        var cut = call.PaidTokens > 0 && plain ? StreamCut.For(call.Dialect!.Name, call.Peek, call.RequestModel ?? "", contentType) : null;
        return new PaidStream(call, gate, recorder, cut);
    }

    // Pays for what has passed. True where the stream has been ended for want of room, or because the provider keeps no limit.
    private static async ValueTask<bool> MustEndAsync(
        HttpContext context, PaidStream paid, IBufferWriter<byte> shown, ProxyCall call, UsageChunkFilter? filter, HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        await paid.PayAsync(cancellationToken);
        if (paid.Overrun)
        {
            call.Overran = true;
            await BreakOffAsync(context, call, filter, answer, 502, "the provider ignored the output limit that it was sent");
            return true;
        }

        if (!paid.Ending || paid.IsOver)
            return false;
        if (paid.Endless || (!paid.AtBoundary && paid.Runaway))
        {
            context.Abort();
            return true;
        }

        if (!paid.AtBoundary)
            return false;

        paid.WriteEnd(shown);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
        return true;
    }

    // Relays what still belongs to the event that has begun, and then ends the stream. True where it has ended.
    private static async ValueTask<bool> EndAsync(
        PipeWriter writer, IBufferWriter<byte> shown, PaidStream paid, UsageChunkFilter? filter, ReadOnlyMemory<byte> bytes, ProxyCall call, CancellationToken clientGone)
    {
        call.Reader!.Feed(bytes.Span);
        bool over;
        if (filter is not null)
        {
            filter.Write(bytes.Span, shown);
            over = paid.AtBoundary;
        }
        else
        {
            var rest = paid.UntilBoundary(bytes.Span);
            over = rest >= 0;
            shown.Write(over ? bytes.Span[..rest] : bytes.Span);
            // It was the protocol's own end that came: the answer is whole.
            if (over && paid.IsOver)
                shown.Write(bytes.Span[rest..]);
        }

        over &= !paid.IsOver;
        if (over)
            paid.WriteEnd(shown);
        return await writer.FlushAsync(clientGone) is { IsCompleted: true } or { IsCanceled: true } || over;
    }

    // Tells the client that the answer is not whole: by a status of its own where nothing has left yet, in a stream by the protocol's own error
    // event, otherwise by an aborted connection, since a regular end would look like success.
    private static async Task BreakOffAsync(HttpContext context, ProxyCall call, UsageChunkFilter? filter, HttpResponseMessage answer, int status, string message)
    {
        var response = context.Response;
        if (!response.HasStarted)
        {
            response.Clear();
            response.Headers[Forwarder.RequestIdHeader] = call.RequestId;
            await new Refusal(status, "provider_broke_off", message, call.RetryAfter).WriteAsync(context, call.Match!.Surface.Errors);
            return;
        }

        var contentType = Header(answer, "Content-Type");
        if (call.Dialect is not { } dialect || response.ContentLength is not null || call.Status >= 300 || !IsPlain(answer)
            || !(IsEventStream(contentType) || (IsJsonLines(contentType) && ProxyError.FormOf(dialect, contentType) == StreamForm.Line)))
        {
            context.Abort();
            return;
        }

        filter?.Flush(response.BodyWriter);
        ProxyError.WriteStreamEvent(
            response.BodyWriter, call.Match!.Surface.Errors, ProxyError.FormOf(dialect, contentType), status, "provider_broke_off", $"{message}; what came before is incomplete", call.RequestId);
        try
        {
            await response.BodyWriter.FlushAsync(context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            // The client has left as well.
        }
    }

    private static string? Header(HttpResponseMessage answer, string name) => answer.Content.Headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;

    private static bool IsEventStream(string? contentType) => contentType is not null && contentType.StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase);

    private static bool IsJsonLines(string? contentType) =>
        contentType is not null && (contentType.Contains("ndjson", StringComparison.OrdinalIgnoreCase) || contentType.Contains("stream+json", StringComparison.OrdinalIgnoreCase));

    private static bool IsPlain(HttpResponseMessage answer) => Header(answer, "Content-Encoding") is null or "" or "identity";
}
