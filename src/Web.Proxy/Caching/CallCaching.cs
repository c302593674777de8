using System.IO.Pipelines;
using Microsoft.AspNetCore.Http.Features;
using Tokonomics.Application.Caching;
using Tokonomics.Web.Proxy.Forwarding;

namespace Tokonomics.Web.Proxy.Caching;

/// <summary>A call whose answer may be kept: under which name, for how long, and what of it has gone to the client.</summary>
internal sealed class CallCaching(AnswerName name, TimeSpan kept, IHttpResponseBodyFeature inner, HeldAnswer held) : PipeWriter, IHttpResponseBodyFeature, IDisposable
{
    private Memory<byte> _memory;
    private bool _stopped;
    private bool _whole = true;

    public AnswerName Name => name;

    public TimeSpan Kept => kept;

    /// <summary>What the client was sent; null where that was more than is kept, or memory is short.</summary>
    public ReadOnlyMemory<byte>? Answer => _whole ? held.Bytes : null;

    /// <summary>What is written from now on is this call's own, and no part of the answer.</summary>
    public void Stop() => _stopped = true;

    public PipeWriter Writer => this;

    public Stream Stream => field ??= AsStream(leaveOpen: true);

    public override bool CanGetUnflushedBytes => inner.Writer.CanGetUnflushedBytes;

    public override long UnflushedBytes => inner.Writer.UnflushedBytes;

    public override Memory<byte> GetMemory(int sizeHint = 0) => _memory = inner.Writer.GetMemory(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        Take(_memory.Span[..bytes]);
        inner.Writer.Advance(bytes);
    }

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        Take(source.Span);
        return inner.Writer.WriteAsync(source, cancellationToken);
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => inner.Writer.FlushAsync(cancellationToken);

    public override void CancelPendingFlush() => inner.Writer.CancelPendingFlush();

    public override void Complete(Exception? exception = null) => inner.Writer.Complete(exception);

    public void DisableBuffering() => inner.DisableBuffering();

    public Task StartAsync(CancellationToken cancellationToken = default) => inner.StartAsync(cancellationToken);

    public Task CompleteAsync() => inner.CompleteAsync();

    public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default)
    {
        _whole = false; // nobody does
        return inner.SendFileAsync(path, offset, count, cancellationToken);
    }

    private void Take(ReadOnlySpan<byte> bytes)
    {
        if (_stopped || !_whole || held.TryAdd(bytes))
            return;
        _whole = false;
        held.Dispose();
    }

    public void Dispose()
    {
        _whole = false;
        held.Dispose();
    }
}
