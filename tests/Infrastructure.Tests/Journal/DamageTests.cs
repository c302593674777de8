using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.Journal;

namespace Tokonomics.Tests.Journal;

/// <summary>Files that were cut off or changed: what comes back is what had been written up to a moment, and what doesn't is reported.</summary>
public sealed class DamageTests(ITestOutputHelper output) : IDisposable
{
    private readonly TempJournal _temp = new();

    public void Dispose() => _temp.Dispose();

    /// <summary>What a replay must find, by the length of the file: kept beside the journal by the test itself.</summary>
    private readonly List<(long Length, string State)> _states = [(0, State([], []))];

    private static string State(IEnumerable<string> open, IEnumerable<string> unshipped) => $"open: {string.Join(' ', open.Order(StringComparer.Ordinal))}; unshipped: {string.Join(' ', unshipped)}";

    private static string State(JournalReplay replay) =>
        State(replay.Open.Select(o => $"{o.Call.RequestId}*{o.Sends}"), replay.Unshipped.Select(u => $"{u.Event.RequestId}/{u.Event.Attempt}"));

    // Some dozens of records of all kinds; returns the file's bytes.
    private byte[] Write()
    {
        _temp.Open();
        var journal = _temp.Journal;
        var open = new Dictionary<string, int>();
        var unshipped = new List<string>();
        void Note() => _states.Add((new FileInfo(_temp.Segments[^1]).Length, State(open.Select(o => $"{o.Key}*{o.Value}"), unshipped)));

        Note();
        for (var i = 0; i < 24; i++)
        {
            var (id, sent) = ($"req_{i}", i % 3 != 0);
            var ticket = journal.Admit(TempJournal.Call(id), sent);
            open[id] = sent ? 1 : 0;
            Note();
            if (i % 4 == 1)
            {
                journal.Sent(ticket, 2);
                open[id] = 2;
                Note();
                journal.Settle(Some.Event(id), ticket, last: false);
                unshipped.Add($"{id}/1");
                Note();
            }

            if (i % 6 == 0)
            {
                journal.Void(ticket);
                open.Remove(id);
                Note();
            }
            else if (i % 3 != 2)
            {
                journal.Settle(Some.Event(id, attempt: 2), ticket, last: true);
                open.Remove(id);
                unshipped.Add($"{id}/2");
                Note();
            }

            if (i == 7)
            {
                _temp.Ship();
                unshipped.Clear();
                Note();
            }
        }

        journal.Dispose();
        _states.Count.ShouldBeGreaterThan(50);
        _states.Select(s => s.State).Distinct().Count().ShouldBeGreaterThan(45);
        return File.ReadAllBytes(_temp.Segments.Single());
    }

    private (long Length, string State) WholeAt(long bytes) => _states.Last(s => s.Length <= bytes);

    [Fact]
    public void Cut_off_at_every_byte_it_recovers_to_the_last_whole_record()
    {
        var bytes = Write();
        var path = _temp.Segments.Single();
        for (var length = 0; length <= bytes.Length; length++)
        {
            File.WriteAllBytes(path, bytes[..length]);
            var replay = JournalReplay.Read(_temp.Folder);
            var (whole, state) = WholeAt(length);
            State(replay).ShouldBe(state, $"cut at {length}");
            replay.Damages.Sum(d => d.Dropped).ShouldBe(length - whole);
            replay.Segments.Single().Length.ShouldBe(whole);
        }

        output.WriteLine($"{bytes.Length + 1} lengths of a file with {_states.Count} records");
    }

    [Fact]
    public void With_a_bit_flipped_in_any_byte_it_recovers_to_the_record_before()
    {
        var bytes = Write();
        var path = _temp.Segments.Single();
        for (var at = 0; at < bytes.Length; at++)
        {
            var changed = (byte[])bytes.Clone();
            changed[at] ^= (byte)(1 << (at % 8));
            File.WriteAllBytes(path, changed);
            var replay = JournalReplay.Read(_temp.Folder);
            var (whole, state) = WholeAt(at);
            State(replay).ShouldBe(state, $"flipped in byte {at}");
            replay.Damages.Single().Dropped.ShouldBe(bytes.Length - whole);
        }

        output.WriteLine($"{bytes.Length} bytes of a file with {_states.Count} records");
    }

    [Fact]
    public void Noise_of_any_kind_is_no_record()
    {
        _temp.Open();
        _temp.Journal.Settle(Some.Event("req_1"), default, last: true);
        _temp.Journal.Dispose();
        var path = _temp.Segments.Single();
        var bytes = File.ReadAllBytes(path);
        var random = new Random(5);
        foreach (var tail in (byte[][])[new byte[5000], [.. Enumerable.Repeat((byte)255, 5000)], .. Enumerable.Range(0, 200).Select(_ => Noise(random))])
        {
            File.WriteAllBytes(path, [.. bytes, .. tail]);
            var replay = JournalReplay.Read(_temp.Folder);
            replay.Unshipped.Single().Event.RequestId.ShouldBe("req_1");
            replay.Damages.Single().Dropped.ShouldBe(tail.Length);
        }

        static byte[] Noise(Random random)
        {
            var bytes = new byte[1 + random.Next(300)];
            random.NextBytes(bytes);
            return bytes;
        }
    }

    [Fact]
    public void A_damaged_file_is_reported_its_events_are_shipped_and_it_is_kept_aside()
    {
        var bytes = Write();
        var path = _temp.Segments.Single();
        bytes[^3] ^= 4;
        File.WriteAllBytes(path, bytes);
        _temp.Kill().Open().ShouldBeGreaterThan(0);
        var dropped = bytes.Length - WholeAt(bytes.Length - 3).Length;
        _temp.Logs.Text.ShouldContain($"{dropped} bytes could not be read");
        // Until its events are in the ledger it stays where it is: the process may be killed again.
        _temp.Journal.Tidy();
        File.Exists(path).ShouldBeTrue();
        _temp.Ship().ShouldNotBeEmpty();
        _temp.Journal.Tidy();
        File.Exists(path).ShouldBeFalse();
        File.ReadAllBytes(path + ".damaged").ShouldBe(bytes);
        _temp.Kill().Open().ShouldBe(0);
    }

    [Fact]
    public void A_file_that_lost_its_end_between_two_records_is_noticed_by_the_next()
    {
        _temp.Open();
        for (var i = 0; _temp.Segments.Length < 2; i++)
            _temp.Journal.Settle(Some.Event($"req_{i}"), default, last: true);
        _temp.Journal.Dispose();
        var replay = JournalReplay.Read(_temp.Folder);
        replay.Damages.ShouldBeEmpty();
        var last = replay.Unshipped.Last(u => u.Segment!.Number == 1);
        var before = replay.Unshipped.Last(u => u.Segment!.Number == 1 && u.End < last.End);
        using (var file = new FileStream(_temp.Segments[0], FileMode.Open))
            file.SetLength(before.End);
        JournalReplay.Read(_temp.Folder).Damages.Single().Dropped.ShouldBe(last.End - before.End);
    }
}
