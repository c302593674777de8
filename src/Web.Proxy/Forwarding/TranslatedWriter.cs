using System.Buffers;
using System.IO.Pipelines;
using Tokonomics.Application.Translation;
using Tokonomics.Web.Proxy.Routing;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>
/// Takes what a provider of another dialect says and gives it to the client in its own: a stream's events one by one, an answer in one piece at its end. What stands between the provider and this (the meter,
/// the filter, the cut) goes on speaking the provider's dialect.
/// </summary>
internal sealed class TranslatedWriter(HttpResponse response, CallTranslation translation, AnswerWishes wishes, int status, bool events, bool streamAsked, CancellationToken clientGone) : PipeWriter
{
    /// <summary>The longest answer in one piece.</summary>
    public const int MaxWholeBytes = 32 * 1024 * 1024;

    private readonly ArrayBufferWriter<byte> _pending = new();
    private readonly StreamTranslation? _stream = events ? translation.Translator.Stream(wishes) : null;
    private bool _ended;

    /// <summary>Events are passed on as they come; otherwise nothing leaves before the end.</summary>
    public bool Streams => _stream is not null;

    public override void Advance(int bytes) => _pending.Advance(bytes);

    public override Memory<byte> GetMemory(int sizeHint = 0) => _pending.GetMemory(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => _pending.GetSpan(sizeHint);

    /// <exception cref="IOException">An answer in one piece is longer than <see cref="MaxWholeBytes"/>.</exception>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (_stream is null)
            return _pending.WrittenCount > MaxWholeBytes
                ? throw new IOException("the answer is too long to be translated")
                : new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: clientGone.IsCancellationRequested));
        Push();
        return response.BodyWriter.FlushAsync(cancellationToken);
    }

    /// <summary>The provider's answer is over, in order or cut in order.</summary>
    public async ValueTask EndAsync(CancellationToken cancellationToken)
    {
        if (_ended)
            return;
        _ended = true;
        if (_stream is not null)
        {
            Push();
            _stream.Complete(response.BodyWriter);
        }
        else
        {
            WriteWhole();
        }

        await response.BodyWriter.FlushAsync(cancellationToken);
    }

    private void WriteWhole()
    {
        var body = _pending.WrittenMemory;
        if (status < 300 && streamAsked)
        {
            // One answer where a stream was asked for.
            var written = new ArrayBufferWriter<byte>(body.Length + 256);
            if (translation.Translator.Stream(wishes).Whole(body, written))
            {
                response.ContentType = translation.JsonArray ? "application/json" : "text/event-stream; charset=utf-8";
                response.BodyWriter.Write(written.WrittenSpan);
                return;
            }
        }
        else if (status < 300 && translation.Translator.Answer(body, wishes) is { } answer)
        {
            response.BodyWriter.Write(answer.Body.Span);
            return;
        }

        var (told, error) = translation.Translator.Error(status, body.Span);
        response.StatusCode = told;
        response.BodyWriter.Write(error.Span);
    }

    private void Push()
    {
        if (_pending.WrittenCount == 0)
            return;
        _stream!.Push(_pending.WrittenSpan, response.BodyWriter);
        _pending.ResetWrittenCount();
    }

    public override void CancelPendingFlush() => response.BodyWriter.CancelPendingFlush();

    public override void Complete(Exception? exception = null)
    {
        // The response's own writer is the server's to complete.
    }
}
