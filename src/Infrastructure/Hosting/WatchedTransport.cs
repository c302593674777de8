using System.IO.Pipelines;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>A connection's bytes as they are; it is noted when the server waits for the next.</summary>
internal sealed class WatchedTransport(IDuplexPipe transport, ConnectionRoom.Place place) : IDuplexPipe
{
    public PipeReader Input { get; } = new Reader(transport.Input, place);

    public PipeWriter Output => transport.Output;

    private sealed class Reader(PipeReader input, ConnectionRoom.Place place) : PipeReader
    {
        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => Noted(input.ReadAsync(cancellationToken));

        protected override ValueTask<ReadResult> ReadAtLeastAsyncCore(int minimumSize, CancellationToken cancellationToken) => Noted(input.ReadAtLeastAsync(minimumSize, cancellationToken));

        private ValueTask<ReadResult> Noted(ValueTask<ReadResult> read)
        {
            if (!read.IsCompleted)
                place.Asks();
            return read;
        }

        public override bool TryRead(out ReadResult result) => input.TryRead(out result);

        public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

        // Whatever was read comes by here, and before the server does anything about it.
        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
        {
            input.AdvanceTo(consumed, examined);
            place.Got();
        }

        public override void CancelPendingRead() => input.CancelPendingRead();

        public override void Complete(Exception? exception = null) => input.Complete(exception);

        public override ValueTask CompleteAsync(Exception? exception = null) => input.CompleteAsync(exception);
    }
}
