using System.Data.Common;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Tests.Ledger;

/// <summary>What every store of the ledger promises.</summary>
public abstract class LedgerTests<TKind>
    where TKind : IStoreKind, new()
{
    private static readonly TKind Kind = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_event_comes_back_as_it_was_recorded()
    {
        await using var store = await Kind.NewAsync();
        var usage = Some.Event("req_1") with { TeamId = "team_1", ProjectId = "prj_1", Environment = KeyEnvironment.Test, Outcome = CallOutcome.ClientGone, Routed = "rt_1 0123456789abcdef Holdout", Saved = new NanoUsd(-3) };
        (await store.Get<IUsageLedger>().AppendAsync([usage], Cancel)).ShouldBe(1);

        var found = (await store.Get<IUsageQueries>().FindAsync("ten_a", "req_1", Cancel)).ShouldHaveSingleItem();
        found.Tags.ShouldBe(usage.Tags);
        (found with { Tags = usage.Tags }).ShouldBe(usage);
        found.Usage.ToString().ShouldBe("Input=100,CacheRead=20,CacheWrite1h=5,Output=30,Reasoning=7");
        store.Count("SELECT input_tokens FROM usage_events").ShouldBe(125); // 100 + 20 + 5
        store.Count("SELECT output_tokens FROM usage_events").ShouldBe(37); // 30 + 7
    }

    [Fact]
    public async Task What_quality_groups_did_adds_up_by_day_once()
    {
        await using var store = await Kind.NewAsync();
        UsageEvent Routed(string id, string? mark, long saved) => Some.Event(id) with { Routed = mark, Saved = new NanoUsd(saved), Cost = new NanoUsd(10) };
        List<UsageEvent> events =
        [
            Routed("req_1", "rt_1 0123456789abcdef ClassProven", 5), Routed("req_2", "rt_1 0123456789abcdef ClassProven", -2), Routed("req_3", "rt_1 0123456789abcdef Holdout", 0), Routed("req_4", "cache", 7), Routed("req_5", null, 0),
        ];
        for (var twice = 0; twice < 2; twice++)
            await store.Get<IUsageLedger>().AppendAsync(events, Cancel);
        store.Count("SELECT count(*) FROM routing_daily").ShouldBe(2);
        store.Count("SELECT calls * 1000 + cost_nano * 10 + saved_nano FROM routing_daily WHERE reason = 'ClassProven' AND route_id = 'rt_1'").ShouldBe(2203);
    }

    [Fact]
    public async Task Nothing_reported_and_no_cost_stay_apart_from_zero()
    {
        await using var store = await Kind.NewAsync();
        var zero = new TokenUsage { [UsageUnit.Input] = 0 };
        await store.Get<IUsageLedger>().AppendAsync(
            [
                Some.Event("req_1") with { Usage = default, Cost = null, PriceStatus = PriceStatus.Unpriced, FirstByte = null, ResponseModel = null, RequestModel = null, Tags = [] },
                Some.Event("req_2") with { Usage = zero, Cost = NanoUsd.Zero },
            ],
            Cancel);
        var unknown = (await store.Get<IUsageQueries>().FindAsync("ten_a", "req_1", Cancel)).Single();
        unknown.Cost.ShouldBeNull();
        unknown.Usage.IsEmpty.ShouldBeTrue();
        unknown.FirstByte.ShouldBeNull();
        unknown.ResponseModel.ShouldBeNull();
        var known = (await store.Get<IUsageQueries>().FindAsync("ten_a", "req_2", Cancel)).Single();
        known.Cost.ShouldBe(NanoUsd.Zero);
        known.Usage[UsageUnit.Input].ShouldBe(0);
    }

    [Fact]
    public async Task The_same_batch_twice_changes_nothing_and_an_overlapping_one_adds_what_is_new()
    {
        await using var store = await Kind.NewAsync();
        var ledger = store.Get<IUsageLedger>();
        var events = Some.Events(1, 900);
        (await ledger.AppendAsync(events[..600], Cancel)).ShouldBe(600);
        var before = Dump(store);
        (await ledger.AppendAsync(events[..600], Cancel)).ShouldBe(0);
        Dump(store).ShouldBe(before);
        (await ledger.AppendAsync(events[300..], Cancel)).ShouldBe(300); // 600 to 899
        (await ledger.AppendAsync([events[0], events[0]], Cancel)).ShouldBe(0);
        await using var once = await Kind.NewAsync();
        await once.Get<IUsageLedger>().AppendAsync(events, Cancel);
        Dump(store).ShouldBe(Dump(once));
    }

    [Fact]
    public async Task A_batch_that_is_broken_off_leaves_nothing_behind()
    {
        await using var store = await Kind.NewAsync();
        var ledger = store.Get<IUsageLedger>();
        var events = Some.Events(2, 50);
        var bad = Some.Event("req_bad") with { PriceVersion = null! }; // NOT NULL: the insert fails in the middle of the batch
        await Should.ThrowAsync<DbException>(() => ledger.AppendAsync([.. events[..25], bad, .. events[25..]], Cancel));
        store.Count("SELECT count(*) FROM usage_events").ShouldBe(0);
        store.Count("SELECT count(*) FROM usage_hourly").ShouldBe(0);
        (await ledger.AppendAsync(events, Cancel)).ShouldBe(50);
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    public async Task Rollups_are_the_sums_of_their_events_under_random_batches(int seed)
    {
        await using var store = await Kind.NewAsync();
        var ledger = store.Get<IUsageLedger>();
        var random = new Random(seed);
        var events = Some.Events(seed, 1500);
        for (var i = 0; i < 40; i++)
        {
            var from = random.Next(events.Count);
            await ledger.AppendAsync(events.GetRange(from, random.Next(events.Count - from)), Cancel); // overlaps at random
        }

        await ledger.AppendAsync(events, Cancel);
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();

        // Computed here from the events themselves, not by the expressions that made the rollups.
        foreach (var group in events.GroupBy(e => (e.Environment, Hour: e.At.UtcTicks / TimeSpan.TicksPerHour, e.Provider, Model: e.ResponseModel ?? e.RequestModel ?? "", e.KeyId, Project: e.ProjectId ?? "", Team: e.TeamId ?? "")))
        {
            using var connection = store.Open();
            using var command = connection.CreateCommand();
            command.CommandText = """
                SELECT calls, errors, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano, unpriced,
                       estimated, latency_us, latency_50ms, latency_2500ms, latency_longer, first_byte_calls, first_byte_us, first_byte_100ms
                FROM usage_hourly WHERE tenant_id = 'ten_a' AND environment = @e AND hour = @h AND provider = @p AND model = @m AND key_id = @k AND project_id = @j AND team_id = @t
                """;
            command.Add("@e", (int)group.Key.Environment);
            command.Add("@h", (group.Key.Hour - (DateTimeOffset.UnixEpoch.UtcTicks / TimeSpan.TicksPerHour)) * 3_600_000_000);
            command.Add("@p", group.Key.Provider);
            command.Add("@m", group.Key.Model);
            command.Add("@k", group.Key.KeyId);
            command.Add("@j", group.Key.Project);
            command.Add("@t", group.Key.Team);
            using var row = command.ExecuteReader();
            row.Read().ShouldBeTrue();
            long[] expected =
            [
                group.Count(), group.Count(IsError), group.Sum(e => e.Usage.InputTokens), group.Sum(e => e.Usage.CacheReadTokens), group.Sum(e => e.Usage.CacheWriteTokens),
                group.Sum(e => e.Usage.Count(UsageUnit.CacheWrite1h)), group.Sum(e => e.Usage.OutputTokens), group.Sum(e => e.Usage.Count(UsageUnit.Reasoning)),
                group.Sum(e => e.Cost?.Value ?? 0), group.Count(e => e.Cost is null), group.Count(e => e.UsageSource >= UsageSource.Partial),
                group.Sum(e => e.Latency.Ticks / 10), group.Count(e => e.Latency.TotalMilliseconds < 50), group.Count(e => e.Latency.TotalMilliseconds is >= 1000 and < 2500),
                group.Count(e => e.Latency.TotalSeconds >= 60), group.Count(e => e.FirstByte is not null), group.Sum(e => (e.FirstByte?.Ticks ?? 0) / 10),
                group.Count(e => e.FirstByte?.TotalMilliseconds is >= 50 and < 100),
            ];
            for (var i = 0; i < expected.Length; i++)
                row.GetInt64(i).ShouldBe(expected[i], $"{row.GetName(i)} of {group.Key}");
        }

        store.Count("SELECT sum(calls) FROM usage_hourly_tags WHERE tag = 'customer' AND tag_value = 'it''s \"quoted\"'")
            .ShouldBe(events.Count(e => e.Tags.Any(t => t.Value == "it's \"quoted\"")));
    }

    [Fact]
    public async Task A_provider_that_reports_nonsense_holds_nobody_up()
    {
        await using var store = await Kind.NewAsync();
        var usage = new TokenUsage { [UsageUnit.Input] = long.MaxValue, [UsageUnit.Output] = long.MaxValue };
        var events = Enumerable.Range(0, 20).Select(i => Some.Event($"req_{i}") with { Usage = usage, Cost = new NanoUsd(long.MaxValue) }).ToList();
        (await store.Get<IUsageLedger>().AppendAsync(events, Cancel)).ShouldBe(20);
        (await store.Get<IUsageLedger>().AppendAsync([Some.Event("req_next")], Cancel)).ShouldBe(1);
        (await store.Get<IUsageQueries>().FindAsync("ten_a", "req_0", Cancel)).Single().Cost.ShouldBe(new NanoUsd(long.MaxValue)); // the event itself says what was said
        store.Count("SELECT cost_nano FROM usage_hourly").ShouldBe(20 * 1_000_000_000_000_000 + 123_456); // a million dollars each
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task Two_connections_that_write_at_once_lose_and_double_nothing()
    {
        await using var store = await Kind.NewAsync();
        await using var other = await Kind.NewAsync(store);
        var events = Some.Events(3, 4000);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async w =>
        {
            var ledger = (w % 2 == 0 ? store : other).Get<IUsageLedger>();
            var random = new Random(w);
            for (var i = 0; i < 25; i++)
            {
                var from = random.Next(events.Count - 300);
                await ledger.AppendAsync(events.GetRange(from, 300), Cancel);
            }

            await ledger.AppendAsync(events.GetRange(w * 1000, 1000), Cancel);
        }));
        store.Count("SELECT count(*) FROM usage_events").ShouldBe(4000);
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task Events_can_not_be_changed_and_deleted_only_below_retentions_line()
    {
        await using var store = await Kind.NewAsync();
        await store.Get<IUsageLedger>().AppendAsync([Some.Event("req_old", at: Some.Noon.AddDays(-100)), Some.Event("req_new")], Cancel);
        Should.Throw<DbException>(() => store.Execute("UPDATE usage_events SET cost_nano = 0")).Message.ShouldContain("append-only");
        Should.Throw<DbException>(() => store.Execute("DELETE FROM usage_events WHERE request_id = 'req_old'")).Message.ShouldContain("append-only");
        store.Execute($"INSERT INTO store_facts (name, value) VALUES ('usage_delete_before', '{UsageRow.Micros(Some.Noon.AddDays(-90))}')");
        Should.Throw<DbException>(() => store.Execute("DELETE FROM usage_events")).Message.ShouldContain("append-only");
        store.Execute("DELETE FROM usage_events WHERE request_id = 'req_old'");
        store.Count("SELECT count(*) FROM usage_events").ShouldBe(1);
        // The rollup of the deleted hour stays, and is no finding.
        store.Count("SELECT sum(calls) FROM usage_hourly").ShouldBe(2);
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task Verification_names_the_exact_row_of_every_broken_promise()
    {
        await using var store = await Kind.NewAsync();
        await store.ProvisionAsync();
        await store.Get<IUsageLedger>().AppendAsync(
            [
                Some.Event("req_gap", attempt: 1), Some.Event("req_gap", attempt: 3),
                Some.Event("req_cost") with { Cost = null },
                Some.Event("req_ok", at: Some.Noon.AddHours(-5)),
            ],
            Cancel);
        var hour = UsageRow.Micros(Some.Noon.AddHours(-5));
        store.Execute($"UPDATE usage_hourly SET output_tokens = output_tokens + 3 WHERE hour = {hour}");
        store.Execute($"DELETE FROM usage_hourly_tags WHERE hour = {hour} AND tag = 'feature'");
        store.Execute($"{Kind.DropTrigger("audit_log_immutable", "audit_log")}; UPDATE audit_log SET actor = 'nobody' WHERE seq = 1");

        var report = await store.Get<ILedgerVerification>().RunAsync(null, Cancel);
        report.Intact.ShouldBeFalse();
        var lines = report.Findings.Select(f => f.ToString()).ToList();
        lines.Count.ShouldBe(5, string.Join('\n', lines));
        lines.ShouldContain("attempts_contiguous: tenant_id=ten_a request_id=req_gap first=1 last=3 rows=2");
        lines.ShouldContain("cost_where_priced: tenant_id=ten_a request_id=req_cost attempt=1 price_status=Priced cost_nano=null");
        lines.ShouldContain($"hourly_equals_events: tenant_id=ten_a environment=0 hour={hour} provider=openai model=gpt-5.1-2026-01-01 key_id=key_1 project_id= team_id= output_tokens_too_many=3");
        lines.ShouldContain(l => l.StartsWith($"hourly_tags_equal_events: tenant_id=ten_a environment=0 tag=feature hour={hour} tag_value=search", StringComparison.Ordinal) && l.Contains("calls_too_many=-1", StringComparison.Ordinal));
        lines.ShouldContain(l => l.StartsWith("audit_chain_intact: ", StringComparison.Ordinal) && l.EndsWith("was changed after it was written", StringComparison.Ordinal));
        store.Count("SELECT sum(findings) FROM invariant_checks").ShouldBe(5);
    }

    [Fact]
    public async Task The_recorder_writes_everything_and_flushes_at_shutdown()
    {
        var store = await (await Kind.NewAsync()).StartAsync();
        var recorder = store.Get<UsageRecorder>();
        foreach (var usage in Some.Events(4, 2500))
            recorder.Record(usage);
        await recorder.FlushAsync(Cancel);
        store.Count("SELECT count(*) FROM usage_events").ShouldBe(2500);
        foreach (var usage in Some.Events(5, 1500))
            recorder.Record(usage);
        await recorder.StopAsync(Cancel);
        store.Count("SELECT count(*) FROM usage_events").ShouldBe(4000);
        recorder.Waiting.ShouldBe(0);
        await store.DisposeAsync();
    }

    [Fact]
    public async Task While_the_store_is_away_the_recorder_keeps_events_stops_accepting_at_its_bound_and_catches_up()
    {
        await using var store = await (await Kind.NewAsync(settings: Impatient)).StartAsync();
        var recorder = store.Get<UsageRecorder>();
        using (Kind.BlockWriters(store))
        {
            foreach (var usage in Some.Events(6, 999))
                recorder.Record(usage);
            recorder.Accepting.ShouldBeTrue();
            recorder.Record(Some.Event("req_last"));
            recorder.Accepting.ShouldBeFalse();
            for (var tries = 0; !store.Logs.Text.Contains("didn't take", StringComparison.Ordinal); tries++)
            {
                tries.ShouldBeLessThan(600, "nothing is said of a store that takes nothing");
                await Task.Delay(50, Cancel);
            }

            recorder.Waiting.ShouldBe(1000);
        }

        await recorder.FlushAsync(Cancel);
        recorder.Accepting.ShouldBeTrue();
        store.Count("SELECT count(*) FROM usage_events").ShouldBe(1000);
    }

    private static void Impatient(Dictionary<string, string?> settings)
    {
        (settings["Recorder:MaxWaiting"], settings["Store:BusyTimeout"]) = ("1000", "00:00:00.1");
        if (settings.TryGetValue("ConnectionStrings:Postgres", out var postgres))
            settings["ConnectionStrings:Postgres"] = postgres + ";Command Timeout=1";
    }

    private static bool IsError(UsageEvent e) =>
        e.Status >= 400 || e.Outcome is CallOutcome.Unreachable or CallOutcome.TimedOut or CallOutcome.Truncated or CallOutcome.CutByProxy or CallOutcome.Abandoned;

    private static string Dump(TempStore store)
    {
        using var connection = store.Open();
        var text = new System.Text.StringBuilder();
        foreach (var table in new[] { "usage_events", "usage_hourly", "usage_hourly_tags" })
        {
            using var command = connection.CreateCommand();
            command.CommandText = $"SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5, 6, 7, 8";
            using var row = command.ExecuteReader();
            while (row.Read())
            {
                for (var i = 0; i < row.FieldCount; i++)
                    text.Append(row.GetValue(i)).Append('|');
                text.Append('\n');
            }
        }

        return text.ToString();
    }
}

public sealed class SqliteLedgerTests : LedgerTests<OnSqlite>;

public sealed class PostgresLedgerTests : LedgerTests<OnPostgres>;
