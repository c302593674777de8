using System.Diagnostics.Metrics;
using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Journal;

namespace Tokonomics.Tests.Journal;

/// <summary>The recorder on its journal and SQLite.</summary>
public sealed class RecorderTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Events_that_a_killed_process_had_not_shipped_are_in_the_ledger_after_the_next_start()
    {
        await using var store = new TempStore();
        // Another process, which dies with these in its journal and before its first batch.
        var folder = Path.Combine(store.Folder, "journal");
        using (var killed = new TempJournal(folder: folder))
        {
            killed.Open();
            killed.Journal.Settle(Some.Event("req_settled"), default, last: true);
            killed.Journal.Admit(TempJournal.Call("req_sent"), sent: true);
            killed.Journal.Admit(TempJournal.Call("req_unsent"), sent: false);
        }

        await store.StartAsync();
        await store.Get<UsageRecorder>().FlushAsync(Cancel);
        store.Count("SELECT count(*) FROM usage_events").ShouldBe(2);
        store.Count("SELECT count(*) FROM usage_events WHERE request_id = 'req_settled' AND outcome = 'Completed' AND cost_nano = 123456").ShouldBe(1);
        // No price book is kept in this store: the cost is unknown, not zero.
        store.Count("SELECT count(*) FROM usage_events WHERE request_id = 'req_sent' AND outcome = 'Abandoned' AND usage_source = 'Estimated' AND price_status = 'Unpriced' AND cost_nano IS NULL AND input_tokens = 25").ShouldBe(1);
        store.Count("SELECT sum(errors) FROM usage_hourly").ShouldBe(1);
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
        store.Logs.Text.ShouldContain("1 events that may not be in the ledger, 1 calls that were sent and never settled, 1 that were not sent");
    }

    [Fact]
    public async Task A_call_that_is_recorded_after_the_recorder_stopped_is_in_the_ledger_after_the_next_start()
    {
        using var folder = new Folder();
        var store = await new TempStore(folder.Path).StartAsync();
        var recorder = store.Get<UsageRecorder>();
        var late = recorder.Admit(TempJournal.Call("req_late"), sent: true);
        var never = recorder.Admit(TempJournal.Call("req_never"), sent: true);
        (late.IsNone || never.IsNone).ShouldBeFalse();
        await recorder.StopAsync(Cancel);
        recorder.Record(Some.Event("req_late"), late, last: true);
        await store.Services.DisposeAsync();

        await using var again = await new TempStore(folder.Path).StartAsync();
        await again.Get<UsageRecorder>().FlushAsync(Cancel);
        again.Count("SELECT count(*) FROM usage_events WHERE request_id = 'req_late' AND outcome = 'Completed'").ShouldBe(1);
        again.Count("SELECT count(*) FROM usage_events WHERE request_id = 'req_never' AND outcome = 'Abandoned'").ShouldBe(1);
    }

    [Fact]
    public async Task An_orderly_end_leaves_no_journal()
    {
        using var folder = new Folder();
        var store = await new TempStore(folder.Path).StartAsync();
        var recorder = store.Get<UsageRecorder>();
        recorder.Record(Some.Event("req_1"), recorder.Admit(TempJournal.Call("req_1"), sent: true), last: true);
        recorder.Void(recorder.Admit(TempJournal.Call("req_2"), sent: false));
        await recorder.StopAsync(Cancel);
        await store.Services.DisposeAsync();
        Directory.GetFiles(Path.Combine(folder.Path, "journal"), "*.seg").ShouldBeEmpty();
    }

    [Fact]
    public async Task The_ledger_gives_way_to_calls_only_while_it_keeps_up_and_nobody_waits_for_it()
    {
        using var journal = new TempJournal();
        using var meters = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var ledger = new SlowLedger();
        using var recorder = new UsageRecorder(
            ledger, journal.Journal, Options.Create(new RecorderOptions { BatchSize = 10, BatchDelay = TimeSpan.FromMilliseconds(1) }), TimeProvider.System, meters.GetRequiredService<IMeterFactory>(), NullLogger<UsageRecorder>.Instance);
        await recorder.StartAsync(Cancel);
        recorder.Record(Some.Event("req_0"));
        (await ledger.Batches.ReadAsync(Cancel)).ShouldBe((1, true));

        // While that one is written thirty more come: the next batches are urgent until no more wait than two hold.
        foreach (var i in Enumerable.Range(1, 30))
            recorder.Record(Some.Event($"req_{i}"));
        ledger.Go();
        (await ledger.Batches.ReadAsync(Cancel)).ShouldBe((10, false));
        ledger.Go();
        (await ledger.Batches.ReadAsync(Cancel)).ShouldBe((10, true));
        ledger.Go();
        (await ledger.Batches.ReadAsync(Cancel)).ShouldBe((10, true));
        ledger.Go();

        // Somebody waits.
        recorder.Record(Some.Event("req_31"));
        (await ledger.Batches.ReadAsync(Cancel)).ShouldBe((1, true));
        recorder.Record(Some.Event("req_32"));
        var flushed = recorder.FlushAsync(Cancel);
        ledger.Go();
        (await ledger.Batches.ReadAsync(Cancel)).ShouldBe((1, false));
        ledger.Go();
        await flushed;
        await recorder.StopAsync(Cancel);
    }

    private sealed class SlowLedger : IUsageLedger
    {
        private readonly Channel<(int Count, bool Behind)> _batches = Channel.CreateUnbounded<(int, bool)>();
        private readonly Channel<bool> _go = Channel.CreateUnbounded<bool>();

        public ChannelReader<(int Count, bool Behind)> Batches => _batches.Reader;

        public void Go() => _go.Writer.TryWrite(true);

        public Task<int> AppendAsync(IReadOnlyList<UsageEvent> events, CancellationToken cancellationToken) => Append(events, behind: false, cancellationToken);

        public Task<int> AppendBehindCallsAsync(IReadOnlyList<UsageEvent> events, CancellationToken cancellationToken) => Append(events, behind: true, cancellationToken);

        private async Task<int> Append(IReadOnlyList<UsageEvent> events, bool behind, CancellationToken cancellationToken)
        {
            _batches.Writer.TryWrite((events.Count, behind));
            await _go.Reader.ReadAsync(cancellationToken);
            return events.Count;
        }
    }

    [Fact]
    public void An_fsync_that_fails_is_noticed()
    {
        // There is nothing to force to a disk: the kernel says so (EINVAL), and .NET's own call would not pass it on.
        using var file = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite);
        Should.Throw<IOException>(() => JournalDisk.Real.Sync(file)).Message.ShouldStartWith("fsync failed");
    }

    [Fact]
    public void A_disk_that_fails_an_fsync_stops_admission_until_another_file_holds_and_open_calls_move_there()
    {
        var disk = new FailingDisk(new Random(1));
        using var temp = new TempJournal(new JournalOptions { SegmentBytes = 64 * 1024, SyncEvery = TimeSpan.FromTicks(1) }, disk);
        temp.Open();
        temp.Journal.Admit(TempJournal.Call("req_open"), sent: true).IsNone.ShouldBeFalse();
        disk.SyncFails = true;
        temp.Journal.Tidy();
        temp.Journal.Writable.ShouldBeFalse();
        temp.Journal.Admit(TempJournal.Call("req_refused"), sent: true).IsNone.ShouldBeTrue();
        for (var i = 0; i < 3; i++)
        {
            temp.Journal.Tidy(); // a new file, which must be forced to the disk before it is trusted
            temp.Journal.Writable.ShouldBeFalse();
        }

        disk.SyncFails = false;
        temp.Journal.Tidy(); // another
        temp.Journal.Writable.ShouldBeTrue();
        temp.Journal.Tidy(); // the call moves there
        temp.Journal.Tidy(); // and the file that failed goes
        temp.Segments.Select(Path.GetFileName).ShouldBe(["00000005.seg"]);
        temp.Kill().Open().ShouldBe(1);
        temp.Ship().Single().Outcome.ShouldBe(CallOutcome.Abandoned);
    }

    private sealed class Folder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("tokonomics-test-").FullName;

        public void Dispose()
        {
            Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
            Directory.Delete(Path, recursive: true);
        }
    }
}
