using System.Buffers;
using System.IO.Pipelines;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Web.Proxy.RateLimits;
using Tokonomics.Web.Proxy.Telemetry;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>
/// Carries the provider's answer to the client as it comes, one flush for each read, with the meter beside it. The meter can't hurt the
/// client: it never throws, and what it doesn't understand goes on all the same.
/// </summary>
internal sealed class Relay(IBudgetGate gate, IUsageRecorder recorder, Settlement settlement, BufferBudget buffers, CallMetrics metrics, IOptions<ProxyOptions> options)
{
    private const int BufferBytes = 16 * 1024;

    // Tokens from one record of a stream's progress to the next, at least.
    private const int LeastProgress = 16;

    // What is read at most of what came while nobody listened.
    private const int MostUnreadBytes = 8 * 1024 * 1024;

    // Below half of the smallest window that a system opens for a connection (64 KiB): with no more than that unread, the provider was never held up.
    private const int FewUnreadBytes = 32 * 1024;

    private static readonly TimeSpan FailureReadFor = TimeSpan.FromSeconds(2);

    private readonly ProxyOptions _options = options.Value;

    /// <summary>One answer on its way, and what stands beside it.</summary>
    /// <param name="Upstream">Ends the call at the provider.</param>
    /// <param name="Filter">Takes out a usage chunk that the client didn't ask for; null where nothing is taken out.</param>
    /// <param name="Paid">Keeps the hold of a stream ahead of it; null where nothing is held for one.</param>
    /// <param name="Receipt">Where the cost is told.</param>
    /// <param name="Translated">Speaks to a client of another dialect; null where provider and client speak one.</param>
    private sealed record Passage(
        HttpContext Context, HttpResponseMessage Answer, ProxyCall Call, CancellationTokenSource Upstream, UsageChunkFilter? Filter, PaidStream? Paid, ReceiptPlace Receipt, TranslatedWriter? Translated)
    {
        public HttpResponse Response => Context.Response;

        /// <summary>Takes the provider's bytes: the response's own, or what translates for it.</summary>
        public PipeWriter Writer { get; } = Translated ?? Context.Response.BodyWriter;

        /// <summary>What is written here is seen by the stream's payer as well.</summary>
        public IBufferWriter<byte> Shown { get; } = Paid is null ? Translated ?? Context.Response.BodyWriter : new PaidWriter(Translated ?? Context.Response.BodyWriter, Paid);

        public CancellationToken ClientGone => Context.RequestAborted;
    }

    /// <exception cref="OperationCanceledException">The client left, or nothing came for too long before the answer had begun.</exception>
    public async Task RunAsync(HttpContext context, HttpResponseMessage answer, ProxyCall call, CancellationTokenSource upstream)
    {
        var (response, idle) = (context.Response, call.Provider!.IdleTimeout);
        var contentType = Header(answer, "Content-Type");
        call.Streamed = call.Peek.Stream || call.Facts.PathStreams || IsEventStream(contentType);
        if (call.Dialect is { } dialect)
        {
            call.Reader = DecodingReader.For(dialect.Read(call.Facts, call.Peek, new ResponseFacts(call.Status, contentType)), Header(answer, "Content-Encoding"));
            call.Reader.Correction = call.Correction;
        }

        // Compressed although identity was asked for: nobody can read the copy.
        if (call.Copy is not null && !IsPlain(answer))
            call.Copy.Spoil();

        // A provider that compresses although identity was asked for: its bytes can't be read for the chunk, and must not be held back for it.
        var filter = call.Swallows && call.Status < 300 && IsEventStream(contentType) && IsPlain(answer) ? new UsageChunkFilter() : null;
        var paid = PaidStreamOf(call, contentType, IsPlain(answer));
        // HTTP allows these no body. One that is sent all the same is metered and dropped.
        var bodiless = call.Status is 204 or 205 or 304;

        // Who asks for the cost of an answer in one piece gets it when it is whole, unless it is too long to be held back.
        var receipt = Receipt.PlaceOf(call, IsEventStream(contentType) && call.Translation is not { JsonArray: true }, IsPlain(answer));
        var held = receipt == ReceiptPlace.Headers ? new HeldAnswer(buffers, Receipt.MaxHeldBytes) : null;
        var translated = call.Translation is { } translation
            ? new TranslatedWriter(response, translation, translation.Wishes(call.At, call.Provider.Quirks), call.Status, events: call.Streamed && call.Status < 300 && IsEventStream(contentType), streamAsked: call.Peek.Stream || call.Facts.PathStreams, context.RequestAborted)
            : null;
        var begun = call.Streamed && held is null && translated is not { Streams: false };

        response.StatusCode = call.Status;
        if (translated is not null)
            HeaderRules.ToTranslatedClient(answer, response, translated.Streams && call.Translation is { JsonArray: false });
        else
            HeaderRules.ToClient(answer, response, resized: filter is not null || receipt == ReceiptPlace.Stream || call.Status is 204 or 205);
        RateAnswers.Write(response.Headers, call.Rate);
        Receipt.Announce(response, receipt);
        var passage = new Passage(context, answer, call, upstream, filter, paid, receipt, translated);
        var writer = passage.Writer;
        using var buffer = new ReadBuffer(BufferBytes);
        var body = Stream.Null;
        var reading = false;
        var streams = call.Streamed;
        try
        {
            if (streams)
                metrics.StreamBegins();
            // Plain bytes were asked for; others can't be translated.
            if (translated is not null && !IsPlain(answer))
                throw new IOException("the provider compresses although it was asked not to");
            body = await answer.Content.ReadAsStreamAsync(upstream.Token);
            // That the stream has begun is told at once, unless its first event came with it: then both go out together. A client that leaves meanwhile is seen below, where nothing else reads.
            var first = begun ? body.ReadAsync(Memory<byte>.Empty, upstream.Token).AsTask() : null;
            if (first is { IsCompleted: false })
            {
                await response.StartAsync(CancellationToken.None);
                await writer.FlushAsync(CancellationToken.None);
            }

            var last = (byte)'\n';
            // A timer that is set anew for each event costs more than the event: it is, when a sixteenth of its time has passed, and waits so much longer.
            var (slack, armed) = (idle / 16, TimeSpan.MinValue);
            while (true)
            {
                var now = call.Elapsed;
                if (now - slack > armed)
                {
                    upstream.CancelAfter(idle + slack);
                    armed = now;
                }

                reading = true;
                if (call.Streamed)
                {
                    // A stream waits for most of its time: without a buffer.
                    buffer.Release();
                    _ = first is null ? await body.ReadAsync(Memory<byte>.Empty, upstream.Token) : await first;
                    first = null;
                }

                var read = buffer.Has(await body.ReadAsync(buffer.Rented, upstream.Token));
                reading = false;
                if (read.IsEmpty)
                    break;
                call.FirstByte ??= call.Elapsed;
                call.ResponseBytes += read.Length;
                last = read.Span[^1];
                var kept = bodiless || held?.TryAdd(read.Span) == true;
                if (!kept && held is not null)
                {
                    Receipt.Announce(response, ReceiptPlace.Nowhere);
                    writer.Write(held.Bytes.Span);
                    held.Dispose();
                    held = null;
                }

                if (kept)
                    call.Feed(read.Span);
                else if (paid is { Ending: true, IsOver: false } ? await EndAsync(passage, paid, read) : !await ForwardAsync(passage, read))
                {
                    call.Outcome = call.CutAtBudget ? CallOutcome.CutByProxy : CallOutcome.ClientGone;
                    if (call.CutAtBudget)
                        await EndWithReceiptAsync(passage);
                    else
                        await LeftAsync(passage, body, buffer);
                    return;
                }

                if (paid is not null && await MustEndAsync(passage, paid))
                {
                    call.Outcome = CallOutcome.CutByProxy;
                    if (call.CutAtBudget)
                        await EndWithReceiptAsync(passage);
                    return;
                }

                if (call.ResponseBytes > _options.MaxAnswerBytes)
                {
                    call.Outcome = CallOutcome.CutByProxy;
                    context.Abort();
                    return;
                }
            }

            if (filter is not null)
            {
                filter.Flush(passage.Shown);
                await writer.FlushAsync(context.RequestAborted);
            }

            if (held is not null)
            {
                settlement.Settle(call);
                Receipt.WriteHeaders(response, call, gate);
                await writer.WriteAsync(held.Bytes, context.RequestAborted);
                if (translated is not null)
                    await translated.EndAsync(context.RequestAborted);
            }
            else if (translated is not null || last is (byte)'\n' or (byte)'\r')
            {
                // In the middle of a line a comment would become a part of it.
                await EndWithReceiptAsync(passage);
            }
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested && !reading)
        {
            call.Outcome = CallOutcome.ClientGone;
            await LeftAsync(passage, body, buffer);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            call.Outcome = CallOutcome.TimedOut;
            await BreakOffAsync(passage, 504, "the provider sent nothing more in time");
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            call.Outcome = CallOutcome.Truncated;
            await BreakOffAsync(passage, 502, "the provider broke off its answer");
        }
        finally
        {
            if (streams)
                metrics.StreamEnds();
            held?.Dispose();
        }
    }

    /// <summary>Reads an answer that nobody gets, for what it cost. It is short: a failure. What takes longer than a moment isn't waited for.</summary>
    /// <param name="silence">How long nothing may come; null: as long as a failure is waited for, all in all.</param>
    public static async Task ReadAsync(HttpResponseMessage answer, ProxyCall call, CancellationTokenSource upstream, TimeSpan? silence = null)
    {
        call.Reader = call.Dialect is { } dialect ? DecodingReader.For(dialect.Read(call.Facts, call.Peek, new ResponseFacts(call.Status, Header(answer, "Content-Type"))), Header(answer, "Content-Encoding")) : null;
        call.Streamed = IsEventStream(Header(answer, "Content-Type"));
        using var buffer = new ReadBuffer(BufferBytes);
        try
        {
            if (!IsPlain(answer))
                call.Copy?.Spoil();
            upstream.CancelAfter(silence ?? FailureReadFor);
            await using var body = await answer.Content.ReadAsStreamAsync(upstream.Token);
            for (ReadOnlyMemory<byte> read; call.ResponseBytes < MostUnreadBytes && (read = buffer.Has(await body.ReadAsync(buffer.Rented, upstream.Token))).Length > 0;)
            {
                call.FirstByte ??= call.Elapsed;
                call.ResponseBytes += read.Length;
                call.Feed(read.Span);
                if (silence is { } allowed)
                    upstream.CancelAfter(allowed);
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException)
        {
            call.Outcome = CallOutcome.Truncated;
        }
    }

    // Reads the usage. Of a stream it is put on file how far it came, again and again: should the process die, its row is estimated by that.
    private void Meter(ProxyCall call, ReadOnlySpan<byte> bytes)
    {
        if (call.Reader is not { } reader)
            return;
        call.Feed(bytes);
        if (!call.Streamed || reader.Passed.Total is var passed && (passed == 0 || passed < call.NextProgress))
            return;
        var step = Math.Max(LeastProgress, passed / 16);
        call.NextProgress = passed + step;
        var usage = reader.UsageSoFar;
        usage[UsageUnit.Output] = usage.Count(UsageUnit.Output) + (step / 2); // it stands for all that comes until the next
        recorder.Progress(call.Ticket, usage);
    }

    // The client has left, and not while we waited for the provider: there may be more of the answer.
    private ValueTask LeftAsync(Passage passage, Stream body, ReadBuffer buffer) =>
        passage.Call.ReadsOn && !passage.Upstream.IsCancellationRequested ? ReadOnAsync(passage, body, buffer) : CatchUpAsync(passage.Call, body, buffer);

    // What has come already was generated, and is charged: it is read before the connection is closed. Nothing here waits.
    private static async ValueTask CatchUpAsync(ProxyCall call, Stream body, ReadBuffer buffer)
    {
        call.Behind = true;
        using var close = new CancellationTokenSource();
        try
        {
            for (var unread = 0; unread < MostUnreadBytes;)
            {
                var next = body.ReadAsync(buffer.Rented, close.Token);
                if (!next.IsCompleted)
                {
                    call.Behind = unread > FewUnreadBytes;
                    await close.CancelAsync();
                }

                var read = buffer.Has(await next);
                if (read.IsEmpty)
                {
                    (call.Behind, call.WasReadOn) = (false, true); // all of it was there
                    return;
                }

                unread += read.Length;
                call.FirstByte ??= call.Elapsed;
                call.ResponseBytes += read.Length;
                call.Feed(read.Span);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or HttpRequestException)
        {
            // Closed.
        }
    }

    // The rest is read for its usage alone, for a while, and while budgets pay for it.
    private async ValueTask ReadOnAsync(Passage passage, Stream body, ReadBuffer buffer)
    {
        var (call, paid, upstream, idle) = (passage.Call, passage.Paid, passage.Upstream, passage.Call.Provider!.IdleTimeout);
        var until = call.Elapsed + _options.ReadOnFor;
        try
        {
            while (call.ResponseBytes <= _options.MaxAnswerBytes && until - call.Elapsed is var left && left > TimeSpan.Zero && paid is not ({ Ending: true } or { Overrun: true }))
            {
                upstream.CancelAfter(left < idle ? left : idle);
                var read = buffer.Has(await body.ReadAsync(buffer.Rented, upstream.Token));
                if (read.IsEmpty)
                {
                    call.WasReadOn = true;
                    return;
                }

                call.FirstByte ??= call.Elapsed;
                call.ResponseBytes += read.Length;
                Meter(call, read.Span);
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
    private async ValueTask EndWithReceiptAsync(Passage passage)
    {
        if (passage.Translated is { } translated)
            await translated.EndAsync(passage.ClientGone);
        if (passage.Receipt != ReceiptPlace.Stream)
            return;
        settlement.Settle(passage.Call);
        passage.Call.Caching?.Stop();
        Receipt.WriteComment(passage.Response.BodyWriter, passage.Call, gate);
        await passage.Response.BodyWriter.FlushAsync(passage.ClientGone);
    }

    /// <returns>False where the client has left.</returns>
    private async ValueTask<bool> ForwardAsync(Passage passage, ReadOnlyMemory<byte> bytes)
    {
        // The bytes are on their way to the client before the meter looks at them.
        ValueTask<FlushResult> flush;
        try
        {
            if (passage.Filter is null)
            {
                flush = passage.Writer.WriteAsync(bytes, passage.ClientGone);
                passage.Paid?.Relayed(bytes.Span);
            }
            else
            {
                passage.Filter.Write(bytes.Span, passage.Shown);
                flush = passage.Writer.FlushAsync(passage.ClientGone);
            }
        }
        finally
        {
            // Also where the client has left already and nothing can be written: they were generated, and are charged.
            Meter(passage.Call, bytes.Span);
        }

        // While the client is slow to read, the provider is held back: that is not the provider's silence.
        if (!flush.IsCompleted)
        {
            passage.Upstream.CancelAfter(Timeout.InfiniteTimeSpan);
            if (passage.Paid is { } paid)
                await paid.PayWholeAsync(passage.ClientGone);
        }

        // A response pipe completes when the connection is gone. That can be seen here before RequestAborted says so.
        return await flush is { IsCompleted: false, IsCanceled: false };
    }

    private PaidStream? PaidStreamOf(ProxyCall call, string? contentType, bool plain)
    {
        if (!call.Streamed || call.Hold.Count == 0 || call.Reader is null || call.Status >= 300)
            return null;
        var cut = call.PaidTokens > 0 && plain ? StreamCut.For(call.Dialect!.Name, call.Peek, call.RequestModel ?? "", contentType) : null;
        return new PaidStream(call, gate, recorder, cut);
    }

    // Pays for what has passed. True where the stream has been ended for want of room, or because the provider keeps no limit.
    private static async ValueTask<bool> MustEndAsync(Passage passage, PaidStream paid)
    {
        await paid.PayAsync(passage.Upstream.Token);
        if (paid.Overrun)
        {
            passage.Call.Overran = true;
            await BreakOffAsync(passage, 502, "the provider ignored the output limit that it was sent");
            return true;
        }

        if (!paid.Ending || paid.IsOver)
            return false;
        if (paid.Endless || (!paid.AtBoundary && paid.Runaway))
        {
            passage.Context.Abort();
            return true;
        }

        if (!paid.AtBoundary)
            return false;

        paid.WriteEnd(passage.Shown);
        await passage.Writer.FlushAsync(passage.ClientGone);
        return true;
    }

    // Relays what still belongs to the event that has begun, and then ends the stream. True where it has ended.
    private async ValueTask<bool> EndAsync(Passage passage, PaidStream paid, ReadOnlyMemory<byte> bytes)
    {
        Meter(passage.Call, bytes.Span);
        var shown = passage.Shown;
        bool over;
        if (passage.Filter is not null)
        {
            passage.Filter.Write(bytes.Span, shown);
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
        return await passage.Writer.FlushAsync(passage.ClientGone) is { IsCompleted: true } or { IsCanceled: true } || over;
    }

    // Tells the client that the answer is not whole: by a status of its own where nothing has left yet, in a stream by the protocol's own error
    // event, otherwise by an aborted connection, since a regular end would look like success.
    private static async Task BreakOffAsync(Passage passage, int status, string message)
    {
        var (context, answer, call, response) = (passage.Context, passage.Answer, passage.Call, passage.Response);
        if (!response.HasStarted)
        {
            response.Clear();
            response.Headers[Forwarder.RequestIdHeader] = call.RequestId;
            await new Refusal(status, "provider_broke_off", message, call.RetryAfter).WriteAsync(context, call.ClientErrors);
            return;
        }

        var contentType = Header(answer, "Content-Type");
        if (call.Dialect is not { } dialect || response.ContentLength is not null || call.Status >= 300 || !IsPlain(answer)
            || !(IsEventStream(contentType) || (IsJsonLines(contentType) && ProxyError.FormOf(dialect, contentType) == StreamForm.Line)))
        {
            context.Abort();
            return;
        }

        passage.Filter?.Flush(passage.Writer);
        ProxyError.WriteStreamEvent(
            passage.Writer, call.Match!.Surface.Errors, ProxyError.FormOf(dialect, contentType), status, "provider_broke_off", $"{message}; what came before is incomplete", call.RequestId);
        try
        {
            await passage.Writer.FlushAsync(context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            // The client has left as well.
        }
    }

    internal static string? Header(HttpResponseMessage answer, string name) => answer.Content.Headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;

    internal static bool IsEventStream(string? contentType) => contentType is not null && contentType.StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase);

    private static bool IsJsonLines(string? contentType) =>
        contentType is not null && (contentType.Contains("ndjson", StringComparison.OrdinalIgnoreCase) || contentType.Contains("stream+json", StringComparison.OrdinalIgnoreCase));

    internal static bool IsPlain(HttpResponseMessage answer) => Header(answer, "Content-Encoding") is null or "" or "identity";
}
