using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
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

    /// <summary>Segments that may stay for the sake of a call that is still open. Beyond, it is carried over.</summary>
    private const int KeptForOpenCalls = 3;

    /// <summary>With less room than that, besides what the events of open calls need, nothing is admitted: more than any admission takes.</summary>
    private const int LeastRoom = 16 * 1024;

    /// <summary>How often the file of the identity is asked for, a hundredth of a second apart.</summary>
    private const int IdentityTries = 200;

    /// <summary>Damaged files that are kept aside.</summary>
    private const int KeptDamaged = 8;

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

    /// <summary>
    /// Who this journal is, made up when its folder was: what an earlier process leased under this name was leased by nobody else, and what it did
    /// with it stands here.
    /// </summary>
    /// <exception cref="InvalidOperationException">The folder can't be used.</exception>
    public string Identity => _identity ??= ReadIdentity();

    /// <summary>An earlier process wrote something that could not be read. Remembered on the disk until <see cref="ForgetLoss"/>: the damaged file may be gone before what follows from it is done.</summary>
    public bool LostRecords => File.Exists(LossMark);

    private string LossMark => Path.Combine(_folder, "records-lost");

    public void ForgetLoss() => File.Delete(LossMark);

    /// <summary>Calls admitted and neither recorded nor void.</summary>
    public int OpenCalls
    {
        get
        {
            lock (_turn)
                return _open;
        }
    }

    /// <summary>Events for the ledger, in the order of the journal.</summary>
    internal ChannelReader<Settled> ToShip => _settled.Reader;

    /// <summary>Takes the folder for this process and closes what an earlier one left open.</summary>
    /// <param name="prices">For the cost of calls that were abandoned; null where they stay unpriced.</param>
    /// <returns>How many events wait for the ledger now.</returns>
    /// <exception cref="InvalidOperationException">Another process has this journal, it can't be read, or a later version wrote it.</exception>
    public int Open(IPriceVersions? prices)
    {
        try
        {
            Directory.CreateDirectory(_folder);
            _lock = new FileStream(Path.Combine(_folder, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"the journal {_folder} can't be taken: {e.Message} Where another process serves from it, give each a name of its own with Journal:Node.", e);
        }

        JournalReplay replay;
        try
        {
            replay = JournalReplay.Read(_folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"the journal {_folder} can't be read, and what it holds may not be in the ledger yet: {e.Message}", e);
        }

        foreach (var damage in replay.Damages)
            Damaged(damage.Path, damage.Dropped);
        if (replay.Damages.Count > 0)
            File.WriteAllText(LossMark, "");
        var waiting = new List<Settled>(replay.Unshipped);
        var (again, abandoned, unsent) = (waiting.Count, 0, 0);
        foreach (var call in replay.Open)
        {
            var rows = waiting.Count;
            waiting.AddRange(Recovery.Rows(call, prices).Select(row => new Settled(row, call.Segment, 0)));
            _ = waiting.Count > rows ? abandoned++ : unsent++;
        }

        lock (_turn)
        {
            _segments.AddRange(replay.Segments);
            _lastNumber = _segments.Count > 0 ? _segments[^1].Number : 0;
            _taken = _segments.Sum(s => s.Length);
            foreach (var settled in waiting)
            {
                settled.Segment!.Unshipped++;
                _settled.Writer.TryWrite(settled);
            }

            _lastSync = _time.GetTimestamp();
            SwitchToNext(orMake: true);
            Judge();
        }

        if (waiting.Count > 0 || unsent > 0)
            Recovered(again, abandoned, unsent);
        return waiting.Count;
    }

    /// <inheritdoc cref="IUsageRecorder.Admit"/>
    public CallTicket Admit(in CallAdmission call, bool sent)
    {
        if (!_writable)
            return default;
        var record = new RecordWriter(RecordType.Admitted);
        record.Number(sent ? 1 : 0);
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
            slot.Sends = sent ? 1 : 0;
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

    /// <summary>What is done beside the calls: deletes what is no longer needed, sets the next file aside, forces to the disk, tries again after a failure. By one caller at a time.</summary>
    public void Tidy()
    {
        Delete();
        CarryOver();
        Prepare();
        Sync();
    }

    /// <summary>After everything is shipped: leaves nothing behind that the next start would have to read.</summary>
    internal void Finish()
    {
        Sync(force: true);
        lock (_turn)
        {
            if (_lock is null || _open > 0 || _segments.Exists(s => s.Unshipped > 0))
                return;
            foreach (var segment in _segments)
                Remove(segment);
            _segments.Clear();
            DropNext();
            _current = null;
            _writable = false;
        }
    }

    /// <summary>Lets go of the files as they are, like a process that ends.</summary>
    public void Dispose()
    {
        lock (_turn)
        {
            _writable = false;
            foreach (var segment in _segments)
                segment.Dispose();
            _next?.Dispose();
            _current = null;
            _next = null;
            _lock?.Dispose();
            _lock = null;
        }
    }

    private string ReadIdentity()
    {
        var path = Path.Combine(_folder, "identity");
        for (var tries = 0; ; tries++)
        {
            try
            {
                Directory.CreateDirectory(_folder);
                // By one at a time: a second process that starts at the same moment, and will not get the journal, must not put another name in the file
                // after the first has read its own. What a kill left empty is written again; nothing was leased under it.
                using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                if (file.Length == 0)
                {
                    file.Write(Encoding.UTF8.GetBytes($"{Environment.MachineName}.{Guid.NewGuid():n}"));
                    file.Flush(flushToDisk: true);
                    file.Position = 0;
                }

                using var reader = new StreamReader(file, Encoding.UTF8);
                return reader.ReadToEnd();
            }
            catch (IOException) when (tries < IdentityTries && File.Exists(path))
            {
                Thread.Sleep(10); // another is at it
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new InvalidOperationException($"the journal {_folder} can't be used: {e.Message}", e);
            }
        }
    }

    // Everything below, up to Tidy's parts, is called with the lock held.

    private bool Append(ReadOnlySpan<byte> record, out long end)
    {
        end = 0;
        if (_current is null || (_current.Length + record.Length > _options.SegmentBytes && !SwitchToNext(orMake: true)))
            return false;
        if (!TryWrite(_current!, record))
        {
            // The next file has its bytes set aside already: a full disk doesn't reach it.
            if (_next is null || !SwitchToNext(orMake: false) || !TryWrite(_current!, record))
                return false;
        }

        end = _current!.Length;
        return true;
    }

    private bool TryWrite(Segment segment, ReadOnlySpan<byte> record)
    {
        try
        {
            _disk.Write(segment.File!, record, segment.Length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Failed(e);
            TakeBack(segment);
            return false;
        }

        segment.Length += record.Length;
        segment.Dirty = true;
        return true;
    }

    // A record that was refused must not be found one day: what was written of it, and all that an earlier one left behind it, could make it whole.
    private void TakeBack(Segment segment)
    {
        try
        {
            _disk.Truncate(segment.File!, segment.Length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Failed(e); // It stays, torn.
        }
    }

    private void Failed(Exception e)
    {
        if (!_failed)
            NotWritten(e, _folder);
        _failed = true;
    }

    // Whether so much more can be written and the events of all calls that are open after it. Where no further file is ready, the one at hand must
    // take them: a full disk shows before the call, not behind it.
    private bool HasRoomFor(int bytes)
    {
        if (_current is null)
            return false;
        var here = _options.SegmentBytes - _current.Length;
        var needed = bytes + _reserved;
        if (_next is not null ? here + _options.SegmentBytes >= needed : here >= needed)
            return true;
        var more = (_options.MaxBytes - _taken) / _options.SegmentBytes * _options.SegmentBytes;
        return here + (_next is null ? 0 : _options.SegmentBytes) + more >= needed && (_next ??= Make()) is not null;
    }

    private bool SwitchToNext(bool orMake)
    {
        if (_next is null && orMake)
            _next = Make();
        if (_next is not { } next)
            return false;
        var previous = _segments.Count > 0 ? _segments[^1] : null;
        // In a buffer of its own: the record that is to be appended stands in the thread's.
        var header = new RecordWriter(RecordType.Header, new byte[64]);
        header.Number(Segment.FormatVersion);
        header.Number(next.Number);
        header.Number(previous?.Number ?? 0);
        header.Number(previous?.Length ?? 0);
        if (!TryWrite(next, header.Finish()))
            return false;
        _segments.Add(next);
        _current = next;
        _next = null;
        return true;
    }

    // Null where there is no room.
    private Segment? Make()
    {
        if (_lock is null || _taken + _options.SegmentBytes > _options.MaxBytes)
            return null;
        var path = Segment.PathOf(_folder, ++_lastNumber); // used up even if it can't be made: what it left may stand in the way
        try
        {
            var made = new Segment(_lastNumber, path, _disk.Create(path, _options.SegmentBytes));
            _taken += _options.SegmentBytes;
            return made;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Failed(e);
            return null;
        }
    }

    private bool _refused;

    // Says and unsays that calls can be admitted; that they can at the start goes without saying.
    private void Judge()
    {
        // Somewhat more to begin again than to go on: what a call that ends gives back must not let the next one in and the one after not.
        var writable = !_failed && HasRoomFor(_writable ? LeastRoom : LeastRoom * 3 / 2);
        if (writable == _writable)
            return;
        _writable = writable;
        if (!writable)
            NotWritable(_folder, _taken);
        else if (_refused)
            WritableAgain(_folder);
        _refused = !writable;
    }

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

    // Tidy's parts.

    private void Delete()
    {
        while (true)
        {
            Segment oldest;
            lock (_turn)
            {
                if (_segments.Count == 0 || (oldest = _segments[0]) == _current || oldest.Open > 0 || oldest.Unshipped > 0)
                    return;
                _segments.RemoveAt(0);
                _taken -= oldest.File is null ? oldest.Length : _options.SegmentBytes;
            }

            Remove(oldest);
        }
    }

    private void Remove(Segment segment)
    {
        segment.Dispose();
        try
        {
            if (!segment.Damaged)
            {
                File.Delete(segment.Path);
                return;
            }

            File.Move(segment.Path, segment.Path + ".damaged", overwrite: true);
            foreach (var old in Directory.GetFiles(_folder, "*.damaged").OrderDescending(StringComparer.Ordinal).Skip(KeptDamaged))
                File.Delete(old);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is read again at the next start, which does no harm.
            NotRemoved(e, segment.Path);
        }
    }

    // A call that runs for hours must not keep hours of journal: its admission is written once more, at the end. So is that of a call which stands in a
    // file that could not be forced to the disk.
    private void CarryOver()
    {
        Segment? from;
        lock (_turn)
        {
            from = _segments.Find(s => s is { Suspect: true, Open: > 0 } && s != _current);
            if (from is null && _segments.Count > KeptForOpenCalls && _segments[0] is { Open: > 0, Unshipped: 0 } oldest)
                from = oldest;
            if (from is null)
                return;
        }

        for (var index = 0; ; index++)
        {
            lock (_turn)
            {
                if (index >= _used || from.Open == 0)
                    return;
                if (_slots[index].Segment != from)
                    continue;
                // Inside the lock: an admission that stood behind its own end would open the call again.
                if (!CarryOver(ref _slots[index]))
                {
                    Judge();
                    return;
                }
            }
        }
    }

    private bool CarryOver(ref Slot slot)
    {
        var read = new byte[slot.Length];
        try
        {
            if (RandomAccess.Read(slot.Segment!.File!, read, slot.At) < read.Length || RecordReader.Next(read, out _, out var fields) != read.Length)
                return false; // The file has changed under us: it stays, and so does what can be read of it.
            // As one record with the attempts up to now: of two, the first might outlive the second, and with it what is older than both.
            var admitted = new RecordReader(fields);
            _ = admitted.Number();
            var copy = new RecordWriter(RecordType.Admitted);
            copy.Number(slot.Sends);
            copy.Raw(admitted.Rest);
            var bytes = copy.Finish();
            // The extension goes with it in one piece: what is carried over says less without it than what is deleted.
            var length = bytes.Length;
            if (slot.Extension is { } extension)
                bytes = (byte[])[.. bytes, .. extension];
            if (!Append(bytes, out var end))
                return false;
            slot.Segment.Open--;
            slot.Segment = _current;
            slot.At = (int)end - bytes.Length;
            _reserved += length - slot.Length;
            slot.Length = length;
            _current!.Open++;
            return true;
        }
        catch (IOException e)
        {
            Failed(e);
            return false;
        }
    }

    private void Prepare()
    {
        lock (_turn)
        {
            if (_lock is null)
                return;
            // After a failure, try again in a new file: whatever was wrong with the old one stays with it.
            if (_failed || _current is null)
                _failed = !SwitchToNext(orMake: true) || (_failed && !Holds(_current!));
            else if (_next is null && _current.Length >= _options.SegmentBytes / 2)
                _next = Make();
            Judge();
        }
    }

    // Before it is trusted with a call: a disk that has failed fails the next file's first fsync as well, and until that came calls would be let in.
    private bool Holds(Segment segment)
    {
        if (_options.SyncEvery == TimeSpan.Zero)
            return true;
        try
        {
            _disk.Sync(segment.File!);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            segment.Suspect = true;
            return false;
        }
    }

    private void Sync(bool force = false)
    {
        if (_options.SyncEvery == TimeSpan.Zero || (!force && _time.GetElapsedTime(_lastSync) < _options.SyncEvery))
            return;
        _lastSync = _time.GetTimestamp();
        List<Segment> dirty;
        lock (_turn)
        {
            dirty = _segments.FindAll(s => s.Dirty);
            foreach (var segment in dirty)
                segment.Dirty = false;
        }

        foreach (var segment in dirty)
        {
            try
            {
                _disk.Sync(segment.File!);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
            {
                // What the disk has of this file is not known any more; a second fsync that succeeds would prove nothing (fsyncgate, 2018).
                lock (_turn)
                {
                    segment.Suspect = true;
                    Failed(e);
                    Judge();
                }
            }
        }
    }

    private void DropNext()
    {
        if (_next is not { } next)
            return;
        _next = null;
        Remove(next);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Journal {Path}: {Bytes} bytes could not be read; everything before them is recovered, and the file is kept aside as .damaged")]
    private partial void Damaged(string path, long bytes);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The journal had {Again} events that may not be in the ledger, {Abandoned} calls that were sent and never settled, {Unsent} that were not sent")]
    private partial void Recovered(int again, int abandoned, int unsent);

    [LoggerMessage(Level = LogLevel.Error, Message = "The journal in {Folder} can't be written")]
    private partial void NotWritten(Exception e, string folder);

    [LoggerMessage(Level = LogLevel.Error, Message = "No call is admitted: the journal in {Folder} takes no more (it has {Bytes} bytes)")]
    private partial void NotWritable(string folder, long bytes);

    [LoggerMessage(Level = LogLevel.Information, Message = "Calls are admitted: the journal in {Folder} can be written")]
    private partial void WritableAgain(string folder);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The journal's file {Path} can't be removed")]
    private partial void NotRemoved(Exception e, string path);
}
