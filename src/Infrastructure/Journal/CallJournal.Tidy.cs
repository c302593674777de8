using Microsoft.Extensions.Logging;

namespace Tokonomics.Infrastructure.Journal;

/// <summary>What is done beside the calls, by one background loop.</summary>
public sealed partial class CallJournal
{
    /// <summary>Segments that may stay for the sake of a call that is still open. Beyond, it is carried over.</summary>
    private const int KeptForOpenCalls = 3;

    /// <summary>Damaged files that are kept aside.</summary>
    private const int KeptDamaged = 8;

    /// <summary>What is done beside the calls: deletes what is no longer needed, sets the next file aside, forces to the disk, tries again after a failure. By one caller at a time.</summary>
    public void Tidy()
    {
        Delete();
        CarryOver();
        Prepare();
        Sync();
    }

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

    [LoggerMessage(Level = LogLevel.Warning, Message = "The journal's file {Path} can't be removed")]
    private partial void NotRemoved(Exception e, string path);
}
