using Tokonomics.Domain.Budgets;
using System.Diagnostics;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure.Journal;

namespace Tokonomics.Tests.Journal;

public sealed class JournalTests(ITestOutputHelper output) : IDisposable
{
    private readonly TempJournal _temp = new();

    private CallJournal Journal => _temp.Journal;

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void What_a_killed_process_left_is_closed_at_the_next_start()
    {
        _temp.Open().ShouldBe(0);
        var settled = Journal.Admit(TempJournal.Call("req_settled"), sent: true);
        Journal.Settle(Some.Event("req_settled"), settled, last: true).ShouldBeTrue();
        var unsent = Journal.Admit(TempJournal.Call("req_unsent"), sent: false);
        Journal.Admit(TempJournal.Call("req_sent_at_once"), sent: true).IsNone.ShouldBeFalse();
        var later = Journal.Admit(TempJournal.Call("req_sent_later"), sent: false);
        Journal.Sent(later, 1).ShouldBeTrue();
        var voided = Journal.Admit(TempJournal.Call("req_void"), sent: false);
        Journal.Void(voided);
        Journal.OpenCalls.ShouldBe(3);
        unsent.ShouldNotBe(voided);

        _temp.Kill().Open(new HalfACent()).ShouldBe(3);
        var rows = _temp.Ship().ToDictionary(e => e.RequestId);
        rows.Keys.Order().ShouldBe(["req_sent_at_once", "req_sent_later", "req_settled"]);
        rows["req_settled"].ToString().ShouldBe((Some.Event("req_settled") with { Tags = rows["req_settled"].Tags }).ToString());
        var abandoned = rows["req_sent_later"];
        abandoned.Outcome.ShouldBe(CallOutcome.Abandoned);
        abandoned.UsageSource.ShouldBe(UsageSource.Estimated);
        abandoned.Usage[UsageUnit.Input].ShouldBe(25);
        (abandoned.Cost, abandoned.PriceStatus, abandoned.PriceVersion).ShouldBe((new NanoUsd(5_000_000), PriceStatus.Priced, "v1"));
        (abandoned.TenantId, abandoned.KeyId, abandoned.RequestModel, abandoned.At, abandoned.Attempt).ShouldBe(("ten_a", "key_1", "gpt-5.1", Some.Noon, 1));

        // All of it is in the ledger: the old file goes, and a further start has nothing to do.
        Journal.Tidy();
        _temp.Segments.Length.ShouldBe(1);
        _temp.Kill().Open().ShouldBe(0);
        Journal.OpenCalls.ShouldBe(0);
    }

    [Fact]
    public void A_call_that_is_not_for_rating_costs_nothing_when_it_is_abandoned_and_one_without_a_price_is_unpriced()
    {
        _temp.Open();
        Journal.Admit(TempJournal.Call("req_free") with { Rated = PriceStatus.Free }, sent: true);
        Journal.Admit(TempJournal.Call("req_deferred") with { Rated = PriceStatus.Deferred }, sent: true);
        Journal.Admit(TempJournal.Call("req_unknown") with { PriceVersion = "v0" }, sent: true);
        _temp.Kill().Open(new HalfACent());
        var rows = _temp.Ship().ToDictionary(e => e.RequestId);
        (rows["req_free"].Cost, rows["req_free"].PriceStatus, rows["req_free"].UsageSource).ShouldBe((NanoUsd.Zero, PriceStatus.Free, UsageSource.None));
        (rows["req_deferred"].Cost, rows["req_deferred"].PriceStatus).ShouldBe((NanoUsd.Zero, PriceStatus.Deferred));
        (rows["req_unknown"].Cost, rows["req_unknown"].PriceStatus).ShouldBe(((NanoUsd?)null, PriceStatus.Unpriced));
        rows["req_unknown"].UsageSource.ShouldBe(UsageSource.Estimated);
    }

    [Fact]
    public void Every_attempt_that_was_on_its_way_has_a_row()
    {
        _temp.Open();
        var twice = Journal.Admit(TempJournal.Call("req_twice"), sent: true);
        Journal.Sent(twice, 2);
        var half = Journal.Admit(TempJournal.Call("req_half"), sent: true);
        Journal.Sent(half, 2);
        Journal.Settle(Some.Event("req_half") with { Outcome = CallOutcome.Unreachable }, half, last: false); // killed before the second's event
        _temp.Kill().Open();
        _temp.Ship().Select(e => $"{e.RequestId}/{e.Attempt} {e.Outcome}").Order().ShouldBe(
            ["req_half/1 Unreachable", "req_half/2 Abandoned", "req_twice/1 Unreachable", "req_twice/2 Abandoned"]);
    }

    [Fact]
    public void An_attempt_with_an_admission_of_its_own_keeps_its_number()
    {
        // The first attempt of a route failed and has its row; the second was sent when the process died. Of another request the second had only been admitted.
        _temp.Open();
        var first = Journal.Admit(TempJournal.Call("req_routed"), sent: true);
        Journal.Settle(Some.Event("req_routed"), first, last: true);
        Journal.Admit(TempJournal.Call("req_routed") with { Attempt = 2 }, sent: true);
        var other = Journal.Admit(TempJournal.Call("req_other"), sent: true);
        Journal.Settle(Some.Event("req_other"), other, last: true);
        Journal.Admit(TempJournal.Call("req_other") with { Attempt = 2 }, sent: false);
        _temp.Kill().Open();
        _temp.Ship().Select(e => $"{e.RequestId}/{e.Attempt} {e.Outcome}").Order().ShouldBe(["req_other/1 Completed", "req_routed/1 Completed", "req_routed/2 Abandoned"]);
    }

    [Fact]
    public void What_is_in_the_ledger_is_not_shipped_again_and_what_may_not_be_is()
    {
        _temp.Open();
        foreach (var id in (string[])["req_1", "req_2", "req_3"])
            Journal.Settle(Some.Event(id), default, last: true);
        _temp.Ship().Count.ShouldBe(3);
        Journal.Settle(Some.Event("req_4"), default, last: true);
        _temp.Take().Count.ShouldBe(1); // on its way when the process was killed
        _temp.Kill().Open().ShouldBe(1);
        _temp.Ship().Single().RequestId.ShouldBe("req_4");
    }

    [Fact]
    public void A_ticket_closes_its_call_once_and_no_other()
    {
        _temp.Open();
        var first = Journal.Admit(TempJournal.Call("req_1"), sent: false);
        Journal.Void(first);
        var second = Journal.Admit(TempJournal.Call("req_2"), sent: true); // takes the place of the first
        Journal.Void(first);
        Journal.Sent(first, 2).ShouldBeFalse();
        Journal.Settle(Some.Event("req_1"), first, last: true); // an event is never refused, whatever its ticket
        Journal.OpenCalls.ShouldBe(1);
        Journal.Settle(Some.Event("req_2"), second, last: true);
        Journal.OpenCalls.ShouldBe(0);
        Journal.Void(default);
    }

    [Fact]
    public void Events_of_every_shape_come_back_as_they_were()
    {
        _temp.Open();
        var events = Some.Events(3, 500);
        events.Add(Some.Event("req_full") with
        {
            OtherModels = [new ModelUsage("claude-opus-5", TokenUsage.Parse("Input=3,Output=9223372036854775807")), new ModelUsage("ä:b", default)],
            TeamId = "team_ü",
            FinishReason = new string('f', 5000),
            Cost = new NanoUsd(long.MaxValue),
            ProviderCost = new NanoUsd(-1),
            UpperBound = new NanoUsd(7),
            BudgetCost = new NanoUsd(6),
            Routed = "rt_1 0123456789abcdef ClassProven",
            Saved = new NanoUsd(-7),
            Charges = [new BudgetCharge(new AccountKey("ten_a", "bud_1", "acme", 1_790_000_000_000_000), "node-1#3", new NanoUsd(5)), new BudgetCharge(new AccountKey("ten_a", "bud_2", "", 0), "node-1#4", NanoUsd.Zero)],
        });
        foreach (var usage in events)
            Journal.Settle(usage, default, last: true);
        _temp.Kill().Open().ShouldBe(501);
        foreach (var (read, written) in _temp.Ship().Zip(events))
        {
            read.ShouldBe(written with { OtherModels = read.OtherModels, Tags = read.Tags, Charges = read.Charges });
            read.Charges.ShouldBe(written.Charges);
            read.OtherModels.ShouldBe(written.OtherModels);
            read.Tags.ShouldBe(written.Tags);
        }
    }

    [Fact]
    public void Files_are_deleted_once_shipped_and_a_call_that_stays_open_keeps_none_of_them()
    {
        _temp.Open();
        var patient = Journal.Admit(TempJournal.Call("req_patient"), sent: true);
        Journal.Sent(patient, 2);
        for (var i = 0; i < 3000; i++) // some 1.5 MB, more than twenty files
        {
            Journal.Settle(Some.Event($"req_{i}"), Journal.Admit(TempJournal.Call($"req_{i}"), sent: true), last: true).ShouldBeTrue();
            if (i % 50 != 0)
                continue;
            _temp.Ship();
            Journal.Tidy();
            _temp.Segments.Length.ShouldBeLessThanOrEqualTo(5);
        }

        _temp.Ship();
        Journal.OpenCalls.ShouldBe(1);
        File.Exists(Path.Combine(_temp.Folder, "00000001.seg")).ShouldBeFalse();
        _temp.Kill().Open();
        _temp.Ship().Select(e => $"{e.RequestId}/{e.Attempt} {e.Outcome}").ShouldBe(["req_patient/1 Unreachable", "req_patient/2 Abandoned"]);
    }

    [Fact]
    public void At_its_bound_nothing_is_admitted_until_the_ledger_has_taken_what_is_in_it_and_events_are_still_taken()
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
            small.Journal.Tidy();
        }

        small.Journal.Writable.ShouldBeFalse();
        open.Count.ShouldBeGreaterThan(100);
        // What was admitted is settled, on file: room was kept for it.
        foreach (var (id, ticket) in open)
            small.Journal.Settle(Some.Event(id), ticket, last: true).ShouldBeTrue();
        small.Take().Count(s => s.End == 0).ShouldBe(0);
        Directory.GetFiles(small.Folder, "*.seg").Sum(f => new FileInfo(f).Length).ShouldBeLessThanOrEqualTo(4 * 64 * 1024);
        small.Kill().Open().ShouldBe(open.Count);
        small.Ship();
        small.Journal.Tidy();
        small.Journal.Tidy();
        small.Journal.Writable.ShouldBeTrue();
    }

    [Fact]
    public void A_finished_journal_leaves_nothing_and_one_with_something_to_ship_keeps_it()
    {
        _temp.Open();
        Journal.Settle(Some.Event("req_1"), default, last: true);
        Journal.Finish();
        _temp.Kill().Open().ShouldBe(1);
        _temp.Ship();
        Journal.Finish();
        _temp.Segments.ShouldBeEmpty();
        Journal.Settle(Some.Event("req_2"), default, last: true).ShouldBeTrue(); // still taken, while somebody ships
        Journal.CompleteShipping();
        Journal.Settle(Some.Event("req_3"), default, last: true).ShouldBeFalse();
    }

    [Fact]
    public void Two_processes_do_not_share_a_journal()
    {
        _temp.Open();
        using var second = new TempJournal(folder: _temp.Folder);
        Should.Throw<InvalidOperationException>(() => second.Open()).Message.ShouldContain("Journal:Node");
        using var node = new TempJournal(new JournalOptions { Node = "node-2" }, folder: _temp.Folder);
        node.Open().ShouldBe(0);
    }

    [Fact]
    public void A_journal_of_a_later_version_is_not_touched()
    {
        _temp.Open();
        Journal.Dispose();
        var header = new RecordWriter(RecordType.Header);
        header.Number(Segment.FormatVersion + 1);
        var path = Path.Combine(_temp.Folder, "00000007.seg");
        File.WriteAllBytes(path, header.Finish().ToArray());
        Should.Throw<InvalidOperationException>(() => _temp.Kill().Open()).Message.ShouldContain($"version {Segment.FormatVersion + 1}");
        File.Exists(path).ShouldBeTrue();
    }

    [Fact]
    public void A_call_allocates_nothing_in_the_journal_and_costs_microseconds()
    {
        using var real = new TempJournal(new JournalOptions());
        real.Open();
        const int calls = 20_000;
        var admissions = Enumerable.Range(0, calls).Select(i => TempJournal.Call($"req_{i:d26}") with { Charges = [] }).ToArray();
        var usage = Some.Event("req_00000000000000000000000001");
        var tickets = new CallTicket[calls];
        var (admit, settle) = (new long[calls], new long[calls]);
        real.Journal.Settle(usage, real.Journal.Admit(admissions[0], sent: true), last: true);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 200; i++) // as many as stand open without the table growing
            tickets[i] = real.Journal.Admit(admissions[i], sent: true);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(100); // Not per call: 200 calls would be thousands.
        for (var i = 0; i < 200; i++)
            real.Journal.Void(tickets[i]);

        for (var i = -50_000; i < calls; i++) // the first to warm up
        {
            var n = Math.Max(0, i);
            var at = Stopwatch.GetTimestamp();
            tickets[n] = real.Journal.Admit(admissions[n], sent: true);
            var between = Stopwatch.GetTimestamp();
            real.Journal.Settle(usage, tickets[n], last: true);
            (admit[n], settle[n]) = (between - at, Stopwatch.GetTimestamp() - between);
        }

        Array.Sort(admit);
        Array.Sort(settle);
        output.WriteLine($"admit and sent: {Median(admit)}; settle: {Median(settle)}");

        static string Median(long[] sorted) =>
            $"{sorted[sorted.Length / 2] * 1e6 / Stopwatch.Frequency:f2} us median, {sorted[sorted.Length * 99 / 100] * 1e6 / Stopwatch.Frequency:f2} us p99";
    }

    private sealed class HalfACent : IPriceVersions
    {
        public PriceBook? Book(string version) => null;

        public Func<UsageEvent, RatedCost>? Find(string version) => version == "v1" ? _ => new RatedCost(new NanoUsd(5_000_000), PriceStatus.Priced) : null;
    }
}
