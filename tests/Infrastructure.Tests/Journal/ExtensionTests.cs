using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Journal;

namespace Tokonomics.Tests.Journal;

/// <summary>Calls whose hold is extended while they run: what a killed process leaves counts with the last extension that was on file.</summary>
public sealed class ExtensionTests(ITestOutputHelper output) : IDisposable
{
    private readonly TempJournal _temp = new();

    private CallJournal Journal => _temp.Journal;

    public void Dispose() => _temp.Dispose();

    private static BudgetCharge[] Charges(long covered, int budgets = 1) =>
        [.. Enumerable.Range(1, budgets).Select(b => new BudgetCharge(new AccountKey("ten_01jd0000000000000000000000", $"bud_01jd000000000000000000000{b}", b == 3 ? "acme" : "", 1_700_000_000_000_000), $"machine.0123456789abcdef0123456789abcdef~01234567#{b}", new NanoUsd(covered)))];

    // What the call counts when it is found open.
    private static string State(JournalReplay replay) => string.Join(' ', replay.Open.OrderBy(o => o.Call.RequestId, StringComparer.Ordinal)
        .Select(o => $"{o.Call.RequestId}*{o.Sends}={o.Call.UpperBound?.Value}/{string.Join(',', o.Call.Charges.Select(c => c.Covered.Value))}"));

    [Fact]
    public void An_abandoned_call_counts_with_its_last_extension()
    {
        _temp.Open();
        var extended = Journal.Admit(TempJournal.Call("req_extended"), sent: true);
        Journal.Extend(extended, new NanoUsd(7_000), Charges(7_000)).ShouldBeTrue();
        Journal.Extend(extended, new NanoUsd(11_000), Charges(11_000)).ShouldBeTrue();
        Journal.Admit(TempJournal.Call("req_plain"), sent: true);
        var settled = Journal.Admit(TempJournal.Call("req_settled"), sent: true);
        Journal.Extend(settled, new NanoUsd(9_000), Charges(9_000)).ShouldBeTrue();
        Journal.Settle(Some.Event("req_settled"), settled, last: true);
        Journal.Extend(settled, new NanoUsd(99_000), Charges(99_000)).ShouldBeFalse(); // it has ended
        Journal.Extend(default, new NanoUsd(1), []).ShouldBeFalse();

        _temp.Kill().Open().ShouldBe(3);
        var rows = _temp.Ship().ToDictionary(e => e.RequestId);
        (rows["req_extended"].UpperBound, rows["req_extended"].BudgetCost).ShouldBe((new NanoUsd(11_000), new NanoUsd(11_000)));
        rows["req_extended"].Charges.ShouldBe(Charges(11_000));
        (rows["req_plain"].UpperBound, rows["req_plain"].BudgetCost).ShouldBe((new NanoUsd(5_000), new NanoUsd(5_000)));
        rows["req_settled"].Outcome.ShouldBe(CallOutcome.Completed);
    }

    [Fact]
    public void Cut_off_or_changed_at_every_byte_it_counts_with_the_last_extension_that_is_whole()
    {
        _temp.Open();
        var states = new List<(long Length, string State)> { (0, "") };
        void Note() => states.Add((new FileInfo(_temp.Segments[^1]).Length, State(JournalReplay.Read(_temp.Folder))));
        Note();
        var tickets = new CallTicket[5];
        for (var i = 0; i < tickets.Length; i++)
        {
            tickets[i] = Journal.Admit(TempJournal.Call($"req_{i}"), sent: i != 2);
            Note();
        }

        for (var i = 1; i <= 12; i++)
        {
            Journal.Extend(tickets[i % 5], new NanoUsd(5_000 + (i * 1_000)), Charges(5_000 + (i * 1_000), 1 + (i % 5))).ShouldBeTrue();
            Note();
        }

        Journal.Dispose();
        states.Select(s => s.State).Distinct().Count().ShouldBe(states.Count - 1); // the header says nothing
        var path = _temp.Segments.Single();
        var bytes = File.ReadAllBytes(path);
        string WholeAt(long length) => states.Last(s => s.Length <= length).State;
        for (var at = 0; at <= bytes.Length; at++)
        {
            File.WriteAllBytes(path, bytes[..at]);
            State(JournalReplay.Read(_temp.Folder)).ShouldBe(WholeAt(at), $"cut at {at}");
            if (at == bytes.Length)
                break;
            var changed = (byte[])bytes.Clone();
            changed[at] ^= (byte)(1 << (at % 8));
            File.WriteAllBytes(path, changed);
            State(JournalReplay.Read(_temp.Folder)).ShouldBe(WholeAt(at), $"flipped in byte {at}");
        }

        output.WriteLine($"{(2 * bytes.Length) + 1} damaged files of {states.Count - 1} records");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Carried_over_again_and_again_a_call_keeps_its_extension(int seed)
    {
        var random = new Random(seed);
        _temp.Open();
        var calls = Enumerable.Range(0, 4).Select(i => (Id: $"req_patient_{i}", Ticket: Journal.Admit(TempJournal.Call($"req_patient_{i}"), sent: true), Bound: 5_000L)).ToArray();
        for (var i = 0; i < 4000; i++) // some 2 MB: thirty files
        {
            Journal.Settle(Some.Event($"req_{i}"), Journal.Admit(TempJournal.Call($"req_{i}"), sent: true), last: true).ShouldBeTrue();
            if (random.Next(100) == 0)
            {
                ref var call = ref calls[random.Next(calls.Length)];
                call.Bound += random.Next(1, 5_000);
                Journal.Extend(call.Ticket, new NanoUsd(call.Bound), Charges(call.Bound, random.Next(1, 6))).ShouldBeTrue();
            }

            if (i % 40 == 0)
            {
                _temp.Ship();
                Journal.Tidy();
            }
        }

        File.Exists(Path.Combine(_temp.Folder, "00000001.seg")).ShouldBeFalse();
        _temp.Ship();
        _temp.Kill().Open();
        var rows = _temp.Ship().ToDictionary(r => r.RequestId);
        rows.Count.ShouldBe(calls.Length);
        foreach (var (id, _, bound) in calls)
        {
            rows[id].BudgetCost.ShouldBe(new NanoUsd(bound));
            rows[id].Charges.ShouldAllBe(c => c.Covered == new NanoUsd(bound));
        }
    }

    [Fact]
    public void At_its_bound_the_events_of_calls_under_five_budgets_are_on_file_although_the_calls_were_extended_as_far_as_there_was_room()
    {
        using var small = new TempJournal(new JournalOptions { SegmentBytes = 64 * 1024, MaxBytes = 4 * 64 * 1024, SyncEvery = TimeSpan.Zero });
        small.Open();
        var charges = Charges(5_000, 5);
        Tag[] tags = [new("customer", "acme"), new("feature", new string('f', 200))];
        var open = new List<(string Id, CallTicket Ticket)>();
        var extended = 0;
        for (var refused = false; !refused;)
        {
            var id = $"req_{open.Count}";
            var ticket = small.Journal.Admit(TempJournal.Call(id) with { Charges = charges, Tags = tags }, sent: true);
            refused = ticket.IsNone;
            if (!refused)
                open.Add((id, ticket));
            if (open.Count > 60 && small.Journal.Extend(open[open.Count % 7].Ticket, new NanoUsd(6_000), charges))
                extended++;
            small.Journal.Tidy();
        }

        open.Count.ShouldBeGreaterThan(50);
        while (small.Journal.Extend(open[0].Ticket, new NanoUsd(7_000), charges))
            (++extended).ShouldBeLessThan(10_000);
        foreach (var (id, ticket) in open)
            small.Journal.Settle(Some.Event(id) with { Charges = charges, Tags = tags, UpperBound = new NanoUsd(5_000) }, ticket, last: true).ShouldBeTrue();
        small.Take().Count(s => s.End == 0).ShouldBe(0); // each on file
        small.Kill().Open().ShouldBe(open.Count);
        output.WriteLine($"{open.Count} calls, {extended} extensions");
    }

    [Fact]
    public void Who_a_journal_is_stays_as_long_as_its_folder_and_is_nobody_elses()
    {
        var identity = Journal.Identity;
        identity.ShouldNotBeNullOrWhiteSpace();
        Journal.Identity.ShouldBe(identity);
        _temp.Open();
        _temp.Kill();
        Journal.Identity.ShouldBe(identity);
        using var node = new TempJournal(new JournalOptions { Node = "node-2" }, folder: _temp.Folder);
        node.Journal.Identity.ShouldNotBe(identity);
        using var other = new TempJournal();
        other.Journal.Identity.ShouldNotBe(identity);
        // Two that ask at once get the same: the first that was written stays.
        using var fresh = new TempJournal();
        var asked = new string[8];
        Parallel.For(0, asked.Length, i =>
        {
            using var journal = new TempJournal(folder: fresh.Folder);
            asked[i] = journal.Journal.Identity;
        });
        asked.Distinct().Count().ShouldBe(1);
        // A kill loses nothing, the mark of a loss outlives it, and taking it away is for good.
        Journal.LostRecords.ShouldBeFalse();
    }

    [Fact]
    public void That_records_were_lost_is_remembered_over_kills_until_it_is_taken_back()
    {
        _temp.Open();
        Journal.Settle(Some.Event("req_1"), default, last: true);
        Journal.Dispose();
        var path = _temp.Segments.Single();
        var bytes = File.ReadAllBytes(path);
        bytes[^2] ^= 1;
        File.WriteAllBytes(path, bytes);
        _temp.Kill().Open();
        Journal.LostRecords.ShouldBeTrue();
        _temp.Ship();
        Journal.Tidy(); // the damaged file is set aside
        Directory.GetFiles(_temp.Folder, "*.damaged").ShouldHaveSingleItem();
        _temp.Kill().Open();
        Journal.LostRecords.ShouldBeTrue();
        Journal.ForgetLoss();
        Journal.LostRecords.ShouldBeFalse();
        _temp.Kill().Open();
        Journal.LostRecords.ShouldBeFalse();
    }
}
