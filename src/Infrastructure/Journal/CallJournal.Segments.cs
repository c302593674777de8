using Microsoft.Extensions.Logging;

namespace Tokonomics.Infrastructure.Journal;

/// <summary>Where records go: the file at hand, the next one, and how much room is left. All of it is called with the lock held.</summary>
public sealed partial class CallJournal
{
    /// <summary>With less room than that, besides what the events of open calls need, nothing is admitted: more than any admission takes.</summary>
    private const int LeastRoom = 16 * 1024;

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

    [LoggerMessage(Level = LogLevel.Error, Message = "The journal in {Folder} can't be written")]
    private partial void NotWritten(Exception e, string folder);

    [LoggerMessage(Level = LogLevel.Error, Message = "No call is admitted: the journal in {Folder} takes no more (it has {Bytes} bytes)")]
    private partial void NotWritable(string folder, long bytes);

    [LoggerMessage(Level = LogLevel.Information, Message = "Calls are admitted: the journal in {Folder} can be written")]
    private partial void WritableAgain(string folder);
}
