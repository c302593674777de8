using System.Globalization;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Journal;

/// <summary>A call that a process left open.</summary>
/// <param name="Sends">How often it was sent, as far as is on file; 0 for never.</param>
/// <param name="Recorded">The highest attempt that has an event already; 0 for none.</param>
/// <param name="Segment">Where its admission stands.</param>
internal sealed record OpenCall(CallAdmission Call, int Sends, int Recorded, Segment Segment);

/// <param name="Dropped">How many bytes could not be read.</param>
internal sealed record JournalDamage(string Path, long Dropped);

/// <summary>
/// What the segments in a folder say: read in their order, each up to its last whole record. Whatever the files hold, it throws nothing but what
/// the disk itself does, and says nothing that was not written.
/// </summary>
internal sealed class JournalReplay
{
    private readonly Dictionary<string, OpenCall> _open = new(StringComparer.Ordinal);
    private readonly Queue<(Settled Event, long Segment, long End)> _unshipped = new();

    private JournalReplay()
    {
    }

    /// <summary>Oldest first.</summary>
    public List<Segment> Segments { get; } = [];

    public List<JournalDamage> Damages { get; } = [];

    /// <summary>Events that may not be in the ledger yet, in the order in which they were recorded.</summary>
    public IEnumerable<Settled> Unshipped => _unshipped.Select(u => u.Event);

    /// <summary>Neither settled nor void; in no order.</summary>
    public IEnumerable<OpenCall> Open => _open.Values;

    /// <exception cref="InvalidOperationException">A later version of the program wrote it.</exception>
    public static JournalReplay Read(string folder)
    {
        var replay = new JournalReplay();
        foreach (var (number, path) in Directory.EnumerateFiles(folder, "*.seg").Select(p => (Number: NumberOf(p), p)).Where(s => s.Number > 0).OrderBy(s => s.Number))
            replay.ReadSegment(number, path);
        return replay;
    }

    private static long NumberOf(string path) => long.TryParse(Path.GetFileNameWithoutExtension(path), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private void ReadSegment(long number, string path)
    {
        var segment = new Segment(number, path, null);
        var bytes = File.ReadAllBytes(path);
        var at = 0;
        while (RecordReader.Next(bytes.AsSpan(at), out var type, out var fields) is var length and > 0)
        {
            try
            {
                if ((at == 0) != (type == RecordType.Header))
                    break;
                Apply(type, new RecordReader(fields), segment, at + length);
            }
            catch (Exception e) when (e is FormatException or ArgumentException)
            {
                break; // The checksum holds and the fields don't: no version of this program wrote them.
            }

            at += length;
        }

        segment.Length = at;
        Segments.Add(segment);
        if (at < bytes.Length)
            Report(segment, bytes.Length - at);
    }

    private void Report(Segment segment, long dropped)
    {
        segment.Damaged = true;
        Damages.Add(new JournalDamage(segment.Path, dropped));
    }

    private void Apply(RecordType type, RecordReader fields, Segment segment, long end)
    {
        switch (type)
        {
            case RecordType.Header:
                if (fields.Number() is var version && version is < Segment.OldestReadable or > Segment.FormatVersion)
                    throw new InvalidOperationException($"{segment.Path} is of the journal's version {version}, and this program reads {Segment.FormatVersion}: start the version that wrote it once, so that it empties its journal.");
                if (fields.Number() != segment.Number)
                    throw new FormatException("the segment has another's number");
                var (before, length) = (fields.Number(), fields.Number());
                // What a file lost at its end shows in the header of the next. Damage that shows in the file itself has been said.
                if (Segments.LastOrDefault() is { Damaged: false } previous && previous.Number == before && previous.Length < length)
                    Report(previous, length - previous.Length);
                break;
            case RecordType.Admitted:
                var sends = (int)fields.Number();
                var call = EventFields.ReadAdmission(ref fields);
                // A second time: it was carried over from a segment that was to be deleted.
                var known = _open.GetValueOrDefault(call.RequestId);
                _open[call.RequestId] = new OpenCall(call, Math.Max(sends, known?.Sends ?? 0), known?.Recorded ?? call.Attempt - 1, segment);
                break;
            case RecordType.Extended:
                var (extendedId, bound, charges) = (fields.Name(), new NanoUsd(fields.Number()), EventFields.ReadCharges(ref fields));
                if (_open.TryGetValue(extendedId, out var extended))
                    _open[extendedId] = extended with { Call = extended.Call with { UpperBound = bound, Charges = charges } };
                break;
            case RecordType.Progress:
                var (progressId, usageSoFar) = (fields.Name(), EventFields.ReadUsage(ref fields));
                if (_open.TryGetValue(progressId, out var progressed))
                    _open[progressId] = progressed with { Call = progressed.Call with { Estimate = usageSoFar } };
                break;
            case RecordType.Sent:
                var (sentId, attempt) = (fields.Name(), (int)fields.Number());
                if (_open.TryGetValue(sentId, out var sent))
                    _open[sentId] = sent with { Sends = Math.Max(sent.Sends, attempt) };
                break;
            case RecordType.Settled:
                var last = fields.Byte() != 0;
                var usage = EventFields.ReadEvent(ref fields);
                _unshipped.Enqueue((new Settled(usage, segment, end), segment.Number, end));
                if (last)
                    _open.Remove(usage.RequestId);
                else if (_open.TryGetValue(usage.RequestId, out var running))
                    _open[usage.RequestId] = running with { Recorded = Math.Max(running.Recorded, usage.Attempt) };
                break;
            case RecordType.Void:
                _open.Remove(fields.Name());
                break;
            case RecordType.Shipped:
                var (number, upTo) = (fields.Number(), fields.Number());
                while (_unshipped.TryPeek(out var first) && (first.Segment, first.End).CompareTo((number, upTo)) <= 0)
                    _unshipped.Dequeue();
                break;
            default:
                throw new FormatException($"a journal record is of the unknown type {type}");
        }
    }
}
