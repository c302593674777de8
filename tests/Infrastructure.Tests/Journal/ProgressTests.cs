using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Journal;

namespace Tokonomics.Tests.Journal;

/// <summary>Streams whose progress is on file: what a killed process leaves is estimated by how far they came, and counts with the whole hold.</summary>
public sealed class ProgressTests : IDisposable
{
    private readonly TempJournal _temp = new();

    private CallJournal Journal => _temp.Journal;

    public void Dispose() => _temp.Dispose();

    private static TokenUsage Usage(long input, long output) => new() { [UsageUnit.Input] = input, [UsageUnit.Output] = output };

    private static string State(JournalReplay replay) => string.Join(' ', replay.Open.OrderBy(o => o.Call.RequestId, StringComparer.Ordinal).Select(o => $"{o.Call.RequestId}={o.Call.Estimate}/{o.Call.UpperBound?.Value}"));

    [Fact]
    public void An_abandoned_stream_has_the_usage_that_it_had_come_to_and_counts_its_whole_hold()
    {
        _temp.Open();
        var stream = Journal.Admit(TempJournal.Call("req_stream"), sent: true);
        Journal.Progress(stream, Usage(30, 16));
        Journal.Progress(stream, Usage(31, 48));
        Journal.Admit(TempJournal.Call("req_plain"), sent: true);
        var settled = Journal.Admit(TempJournal.Call("req_settled"), sent: true);
        Journal.Progress(settled, Usage(1, 1));
        Journal.Settle(Some.Event("req_settled"), settled, last: true);
        Journal.Progress(settled, Usage(9, 9)); // it has ended
        Journal.Progress(default, Usage(9, 9));

        _temp.Kill().Open(new ByTheToken()).ShouldBe(3);
        var rows = _temp.Ship().ToDictionary(e => e.RequestId);
        var row = rows["req_stream"];
        (row.Outcome, row.UsageSource, row.Usage.InputTokens, row.Usage.OutputTokens).ShouldBe((CallOutcome.Abandoned, UsageSource.Estimated, 31, 48));
        (row.Cost, row.BudgetCost).ShouldBe((new NanoUsd(31 + (2 * 48)), new NanoUsd(5_000)));
        rows["req_plain"].Usage.ShouldBe(TempJournal.Call("").Estimate);
        rows["req_settled"].Usage.ShouldBe(Some.Event("req_settled").Usage);
    }

    [Fact]
    public void Cut_off_at_every_byte_it_is_estimated_by_the_last_progress_that_is_whole()
    {
        _temp.Open();
        var states = new List<(long Length, string State)> { (0, "") };
        void Note() => states.Add((new FileInfo(_temp.Segments[^1]).Length, State(JournalReplay.Read(_temp.Folder))));
        Note();
        var tickets = new[] { Journal.Admit(TempJournal.Call("req_a"), sent: true), Journal.Admit(TempJournal.Call("req_b"), sent: true) };
        Note();
        for (var i = 1; i <= 9; i++)
        {
            Journal.Progress(tickets[i % 2], Usage(100, i * 1000));
            Note();
        }

        Journal.Dispose();
        var path = _temp.Segments.Single();
        var bytes = File.ReadAllBytes(path);
        for (var at = 0; at <= bytes.Length; at++)
        {
            File.WriteAllBytes(path, bytes[..at]);
            var state = State(JournalReplay.Read(_temp.Folder));
            if (states.Exists(s => s.Length == at) || at > states[2].Length)
                state.ShouldBe(states.Last(s => s.Length <= at).State, $"cut at {at}");
        }
    }

    [Fact]
    public void Where_there_is_no_room_progress_is_left_out_and_every_event_is_on_file()
    {
        using var small = new TempJournal(new JournalOptions { SegmentBytes = 64 * 1024, MaxBytes = 4 * 64 * 1024, SyncEvery = TimeSpan.Zero });
        small.Open();
        var open = new List<(string Id, CallTicket Ticket)>();
        while (true)
        {
            var id = $"req_{open.Count}";
            var ticket = small.Journal.Admit(TempJournal.Call(id), sent: true);
            if (ticket.IsNone)
                break;
            open.Add((id, ticket));
            for (var i = 0; i < 20; i++)
                small.Journal.Progress(open[i % open.Count].Ticket, Usage(100, 1000));
        }

        for (var i = 0; i < 5_000; i++) // more than all of it could hold
            small.Journal.Progress(open[i % open.Count].Ticket, Usage(100, i));
        foreach (var (id, ticket) in open)
            small.Journal.Settle(Some.Event(id), ticket, last: true).ShouldBeTrue();
        small.Take().Count(s => s.End == 0).ShouldBe(0);
    }

    [Fact]
    public void A_journal_of_the_version_before_is_read()
    {
        var header = new RecordWriter(RecordType.Header);
        header.Number(Segment.OldestReadable);
        header.Number(7);
        header.Number(0);
        header.Number(0);
        var bytes = header.Finish().ToArray().ToList();
        var admitted = new RecordWriter(RecordType.Admitted);
        admitted.Number(1);
        EventFields.Write(ref admitted, TempJournal.Call("req_old"));
        bytes.AddRange(admitted.Finish());
        File.WriteAllBytes(Path.Combine(_temp.Folder, "00000007.seg"), [.. bytes]);

        _temp.Open().ShouldBe(1);
        _temp.Ship().Single().RequestId.ShouldBe("req_old");
    }

    private sealed class ByTheToken : IPriceVersions
    {
        public Domain.Pricing.PriceBook? Book(string version) => null;

        public Func<UsageEvent, Domain.Pricing.RatedCost>? Find(string version) => e => new Domain.Pricing.RatedCost(new NanoUsd(e.Usage.InputTokens + (2 * e.Usage.OutputTokens)), PriceStatus.Priced);
    }
}
