using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Journal;

/// <summary>An event on its way to the ledger.</summary>
/// <param name="Segment">The one that is kept until the event is in the ledger; null where the journal could not be written.</param>
/// <param name="End">Where its record ends in that segment; 0 where it has none of its own.</param>
internal readonly record struct Settled(UsageEvent Event, Segment? Segment, long End);

/// <summary>
/// The node's append-only file of what happens to its calls. A record is on file, in the operating system's hands, when its method returns: a killed
/// process loses none. What a power cut can take is bounded by <see cref="JournalOptions.SyncEvery"/>.
/// </summary>
/// <remarks>
/// Every method of the hot path is one record built in the thread's own buffer and one write to the page cache under a lock; fsync, deleting and making files
/// are <see cref="Tidy"/>'s, which one background loop calls. Segments are deleted oldest first and never out of order: were the end of a call
/// deleted before its beginning, a replay would see it open. What of a call is still open in a segment that is in the way is carried over to the newest.
/// See docs/decisions/0008-the-journal.md.
/// </remarks>
public sealed partial class CallJournal : IDisposable
{
    /// <summary>What is kept free for the event of each open call before another is admitted, besides what its admission took: an event says 200 to 500 bytes more.</summary>
    private const int SettlementBytes = 1024;

    private readonly Lock _turn = new();
    private readonly string _folder;
    private readonly JournalOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly JournalDisk _disk;
    private readonly Channel<Settled> _settled = Channel.CreateUnbounded<Settled>(new UnboundedChannelOptions { SingleReader = true });
    private readonly List<Segment> _segments = []; // oldest first; the last is written to
    private FileStream? _lock;
    private string? _identity;
    private Segment? _current;
    private Segment? _next; // an empty file that is set aside; its header comes when its turn does
    private long _lastNumber;
    private long _lastSync;
    private long _taken; // bytes of all segments; those of this process count whole
    private bool _refused; // what could not be admitted was said
    private bool _failed; // a write or a sync failed, and nothing has succeeded since
    private volatile bool _writable;

    // Open calls by ticket. A ticket is generation and slot: one that is used twice, or after its end, meets another generation and does nothing.
    private Slot[] _slots = new Slot[256];
    private int _free = -1;
    private int _used;
    private int _open;
    private long _reserved; // for the events of open calls

    private struct Slot
    {
        public Segment? Segment;
        public int At;
        public int Length;
        public int Sends;
        public int Generation;
        public int NextFree;
        public string RequestId;

        /// <summary>The record of the last extension of its hold; null where there was none.</summary>
        public byte[]? Extension;
    }

    internal CallJournal(string folder, JournalOptions options, TimeProvider time, ILogger log, JournalDisk? disk = null)
    {
        if (options.Problem() is { } problem)
            throw new InvalidOperationException(problem);
        (_options, _time, _log, _disk) = (options, time, log, disk ?? JournalDisk.Real);
        _folder = Path.GetFullPath(Path.Combine(folder, options.Node));
    }

    /// <summary>False where nothing may be admitted: before <see cref="Open"/>, and while the disk is full, broken, or the journal at its bound.</summary>
    public bool Writable => _writable;

    /// <summary>Calls admitted and neither recorded nor void.</summary>
    public int OpenCalls
    {
        get
        {
            lock (_turn)
                return _open;
        }
    }

    /// <summary>Of all its files, those that are set aside included.</summary>
    public long Bytes
    {
        get
        {
            lock (_turn)
                return _taken;
        }
    }

    /// <summary>What <see cref="Bytes"/> may be at most.</summary>
    public long MaxBytes => _options.MaxBytes;

    /// <summary>Events for the ledger, in the order of the journal.</summary>
    internal ChannelReader<Settled> ToShip => _settled.Reader;

    /// <inheritdoc cref="IUsageRecorder.Admit"/>
    public CallTicket Admit(in CallAdmission call, bool sent)
    {
        if (!_writable)
            return default;
        var record = new RecordWriter(RecordType.Admitted);
        record.Number(sent ? call.Attempt : 0);
        EventFields.Write(ref record, call);
        var bytes = record.Finish();
        lock (_turn)
        {
            // It, and an event that says as much again.
            if (!HasRoomFor(bytes.Length + bytes.Length + SettlementBytes) || !Append(bytes, out var end))
            {
                Judge();
                return default;
            }

            var index = Take();
            ref var slot = ref _slots[index];
            slot.Segment = _current;
            slot.At = (int)end - bytes.Length;
            slot.Length = bytes.Length;
            slot.Sends = sent ? call.Attempt : 0;
            slot.RequestId = call.RequestId;
            _reserved += bytes.Length + SettlementBytes;
            _current!.Open++;
            return new CallTicket(((long)slot.Generation << 32) | (uint)(index + 1));
        }
    }

    /// <inheritdoc cref="IUsageRecorder.Sent"/>
    public bool Sent(CallTicket call, int attempt)
    {
        lock (_turn)
        {
            if (Find(call) is var index && index < 0)
                return false;
            if (!Append(SentRecord(_slots[index].RequestId, attempt), out _))
            {
                Judge();
                return false;
            }

            _slots[index].Sends = Math.Max(_slots[index].Sends, attempt);
            return true;
        }
    }

    /// <inheritdoc cref="IUsageRecorder.Extend"/>
    public bool Extend(CallTicket call, NanoUsd upperBound, IReadOnlyList<BudgetCharge> charges)
    {
        lock (_turn)
        {
            if (Find(call) is var index && index < 0)
                return false;
            var record = new RecordWriter(RecordType.Extended);
            record.Text(_slots[index].RequestId);
            record.Number(upperBound.Value);
            EventFields.Write(ref record, charges);
            var bytes = record.Finish();
            // It must not take the room of the events.
            if (!HasRoomFor(bytes.Length) || !Append(bytes, out _))
            {
                Judge();
                return false;
            }

            _slots[index].Extension = bytes.ToArray();
            return true;
        }
    }

    /// <inheritdoc cref="IUsageRecorder.Progress"/>
    public void Progress(CallTicket call, in TokenUsage usage)
    {
        lock (_turn)
        {
            if (Find(call) is var index && index < 0)
                return;
            var record = new RecordWriter(RecordType.Progress);
            record.Text(_slots[index].RequestId);
            EventFields.Write(ref record, usage);
            var bytes = record.Finish();
            // It must not take the room of the events, and is none that a call can't do without.
            if (HasRoomFor(bytes.Length) && !Append(bytes, out _))
                Judge();
        }
    }

    /// <inheritdoc cref="IUsageRecorder.Void"/>
    public void Void(CallTicket call)
    {
        lock (_turn)
        {
            if (Find(call) is var index && index < 0)
                return;
            var record = new RecordWriter(RecordType.Void);
            record.Text(_slots[index].RequestId);
            // Where it can't be written, nothing is lost: a call that is on file as not sent is void at the next start all the same.
            if (!Append(record.Finish(), out _))
                Judge();
            Close(index);
        }
    }

    /// <summary>Puts an event on file and hands it to <see cref="ToShip"/>, where it is safe while the process lives even if the disk is not.</summary>
    /// <returns>False after <see cref="Dispose"/>, or where nothing ships any more and it is not on file either.</returns>
    internal bool Settle(UsageEvent usage, CallTicket call, bool last)
    {
        var record = new RecordWriter(RecordType.Settled);
        record.Byte(last ? (byte)1 : (byte)0);
        EventFields.Write(ref record, usage);
        var bytes = record.Finish();
        lock (_turn)
        {
            if (_lock is null)
                return false;
            var onFile = Append(bytes, out var end);
            if (!onFile)
                Judge();
            // Where it is not on file, what keeps the call is its admission: that segment has to wait for the ledger.
            var index = Find(call);
            var segment = onFile ? _current : index >= 0 ? _slots[index].Segment : null;
            if (segment is not null)
                segment.Unshipped++;
            if (last && index >= 0)
                Close(index);
            // Inside the lock, so that the events leave in the order of the journal and "shipped up to here" is true.
            return _settled.Writer.TryWrite(new Settled(usage, segment, onFile ? end : 0)) || onFile;
        }
    }

    /// <summary>Puts on file that events are in the ledger, so that they aren't shipped again.</summary>
    /// <param name="batch">In the order in which <see cref="ToShip"/> gave them, none left out.</param>
    internal void Shipped(List<Settled> batch)
    {
        lock (_turn)
        {
            Settled? furthest = null;
            foreach (var settled in batch)
            {
                if (settled.Segment is { } segment)
                    segment.Unshipped--;
                if (settled.End > 0)
                    furthest = settled;
            }

            if (furthest is not { } mark)
                return;
            var record = new RecordWriter(RecordType.Shipped);
            record.Number(mark.Segment!.Number);
            record.Number(mark.End);
            // Where it can't be written they are shipped again one day, and the ledger leaves them out.
            if (!Append(record.Finish(), out _))
                Judge();
        }
    }

    /// <summary>No further events go to <see cref="ToShip"/>; what is recorded from here on waits in the journal for the next start.</summary>
    internal void CompleteShipping() => _settled.Writer.TryComplete();

    // Everything below is called with the lock held.

    private static ReadOnlySpan<byte> SentRecord(string requestId, int attempt)
    {
        var record = new RecordWriter(RecordType.Sent);
        record.Text(requestId);
        record.Number(attempt);
        return record.Finish();
    }

    private int Take()
    {
        _open++;
        if (_free >= 0)
        {
            var index = _free;
            _free = _slots[index].NextFree;
            return index;
        }

        if (_used == _slots.Length)
            Array.Resize(ref _slots, _slots.Length * 2);
        return _used++;
    }

    private int Find(CallTicket call)
    {
        var index = (int)(call.Value & uint.MaxValue) - 1;
        return index >= 0 && index < _used && _slots[index].Segment is not null && _slots[index].Generation == (int)(call.Value >> 32) ? index : -1;
    }

    private void Close(int index)
    {
        ref var slot = ref _slots[index];
        slot.Segment!.Open--;
        _reserved -= slot.Length + SettlementBytes;
        slot.Segment = null;
        slot.Extension = null;
        slot.RequestId = "";
        slot.Generation++;
        slot.NextFree = _free;
        _free = index;
        _open--;
    }
}
