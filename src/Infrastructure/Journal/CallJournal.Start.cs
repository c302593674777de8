using System.Text;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Ledger;

namespace Tokonomics.Infrastructure.Journal;

/// <summary>Its beginning, which closes what an earlier process left open, and its end.</summary>
public sealed partial class CallJournal
{
    /// <summary>How often the file of the identity is asked for, a hundredth of a second apart.</summary>
    private const int IdentityTries = 200;

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

    /// <summary>Takes the folder for this process and closes what an earlier one left open.</summary>
    /// <param name="prices">For the cost of calls that were abandoned; null where they stay unpriced.</param>
    /// <returns>How many events wait for the ledger now.</returns>
    /// <exception cref="InvalidOperationException">Another process has this journal, it can't be read, or a later version wrote it.</exception>
    public int Open(IPriceVersions? prices)
    {
        try
        {
            OwnFiles.MakeFolder(_folder);
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
                OwnFiles.MakeFolder(_folder);
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "Journal {Path}: {Bytes} bytes could not be read; everything before them is recovered, and the file is kept aside as .damaged")]
    private partial void Damaged(string path, long bytes);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The journal had {Again} events that may not be in the ledger, {Abandoned} calls that were sent and never settled, {Unsent} that were not sent")]
    private partial void Recovered(int again, int abandoned, int unsent);
}
