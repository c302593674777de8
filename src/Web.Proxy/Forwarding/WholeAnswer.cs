using System.Net;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>An answer that is read to its end before anybody gets it, and then goes on as if it came from the provider.</summary>
internal static class WholeAnswer
{
    /// <summary>A longer one goes on as it comes: nobody can say whether it is well.</summary>
    public const int MaxBytes = 4 * 1024 * 1024;

    /// <summary>Reads the answer's body into memory and puts it back in the answer's place.</summary>
    /// <param name="idle">The longest silence.</param>
    /// <returns>The bytes, which live as long as <paramref name="answer"/>; null where there were too many, or memory is short: the answer's body is whole all the same.</returns>
    /// <exception cref="IOException">The provider broke off; what came stands in the answer's place.</exception>
    public static async Task<ReadOnlyMemory<byte>?> ReadAsync(HttpResponseMessage answer, BufferBudget budget, TimeSpan idle, CancellationTokenSource upstream)
    {
        var held = new HeldAnswer(budget, MaxBytes);
        var buffer = new byte[16 * 1024];
        var content = answer.Content;
        Stream? rest = null;
        try
        {
            var body = await content.ReadAsStreamAsync(upstream.Token);
            while (true)
            {
                upstream.CancelAfter(idle);
                var read = await body.ReadAsync(buffer, upstream.Token);
                if (read == 0)
                    return held.Bytes;
                if (held.TryAdd(buffer.AsSpan(0, read)))
                    continue;
                rest = new Joined(buffer.AsMemory(0, read), body);
                return null;
            }
        }
        finally
        {
            answer.Content = new Replay(held, rest, content);
        }
    }

    /// <summary>What was held, and what comes after it. Disposing it disposes the provider's own.</summary>
    private sealed class Replay : HttpContent
    {
        private readonly HeldAnswer _held;
        private readonly Stream? _rest;
        private readonly HttpContent _provider;

        public Replay(HeldAnswer held, Stream? rest, HttpContent provider)
        {
            (_held, _rest, _provider) = (held, rest, provider);
            foreach (var (name, values) in provider.Headers.NonValidated)
                Headers.TryAddWithoutValidation(name, values);
        }

        protected override Task<Stream> CreateContentReadStreamAsync() => Task.FromResult<Stream>(new Joined(_held.Bytes, _rest));

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(_held.Bytes);
            if (_rest is not null)
                await _rest.CopyToAsync(stream);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _held.Dispose();
                _provider.Dispose();
            }

            base.Dispose(disposing);
        }
    }

    /// <summary>Bytes, then a stream.</summary>
    private sealed class Joined(ReadOnlyMemory<byte> first, Stream? then) : Stream
    {
        private int _at;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_at == first.Length)
                return then?.ReadAsync(buffer, cancellationToken) ?? new ValueTask<int>(0);
            var take = Math.Min(buffer.Length, first.Length - _at);
            first.Slice(_at, take).CopyTo(buffer);
            _at += take;
            return new ValueTask<int>(take);
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Read it asynchronously.");

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
