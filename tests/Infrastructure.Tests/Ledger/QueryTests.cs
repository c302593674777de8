using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Tests.Ledger;

/// <summary>What every store answers.</summary>
public abstract class QueryTests<TKind>
    where TKind : IStoreKind, new()
{
    private static readonly TKind Kind = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Paging_by_cursor_gives_every_event_once_newest_first_also_where_times_are_equal()
    {
        await using var store = await Kind.NewAsync();
        var events = Some.Events(1, 300).Select((e, i) => i % 3 == 0 ? e with { At = Some.Noon } : e).ToList();
        events.Add(events[0] with { Attempt = 2 });
        await store.Get<IUsageLedger>().AppendAsync(events, Cancel);
        var seen = new List<UsageEvent>();
        EventCursor? after = null;
        do
        {
            var page = await store.Get<IUsageQueries>().ListAsync(new EventFilter("ten_a") { Limit = 7, After = after is null ? null : EventCursor.Parse(after.ToString()) }, Cancel);
            page.Events.Count.ShouldBeLessThanOrEqualTo(7);
            seen.AddRange(page.Events);
            after = page.Next;
        }
        while (after is not null);
        seen.Select(e => (e.RequestId, e.Attempt)).ShouldBe(events
            .OrderByDescending(e => e.At).ThenByDescending(e => e.RequestId, StringComparer.Ordinal).ThenByDescending(e => e.Attempt).Select(e => (e.RequestId, e.Attempt)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("zz")]
    [InlineData("7")]
    [InlineData("312e31")] // 1.1
    [InlineData("2d312e312e61")] // -1.1.a
    public void A_cursor_that_was_not_issued_is_refused(string text) => EventCursor.Parse(text).ShouldBeNull();

    [Fact]
    public async Task Every_filter_gives_what_the_events_themselves_say()
    {
        await using var store = await Kind.NewAsync();
        var events = Some.Events(2, 500);
        await store.Get<IUsageLedger>().AppendAsync(events, Cancel);
        var all = new EventFilter("ten_a") { Limit = 1000 };
        var acme = new Tag("customer", "acme");
        (EventFilter Filter, Func<UsageEvent, bool> Is)[] cases =
        [
            (all, _ => true),
            (all with { From = Some.Noon.AddHours(-10) }, e => e.At >= Some.Noon.AddHours(-10)),
            (all with { To = Some.Noon.AddHours(-10) }, e => e.At < Some.Noon.AddHours(-10)),
            (all with { Environment = KeyEnvironment.Test }, e => e.Environment == KeyEnvironment.Test),
            (all with { Provider = "anthropic" }, e => e.Provider == "anthropic"),
            (all with { Model = "m-1" }, e => (e.ResponseModel ?? e.RequestModel) == "m-1"),
            (all with { KeyId = "key_2" }, e => e.KeyId == "key_2"),
            (all with { TeamId = "team_1" }, e => e.TeamId == "team_1"),
            (all with { ProjectId = "prj_1" }, e => e.ProjectId == "prj_1"),
            (all with { Tag = acme }, e => e.Tags.Contains(acme)),
            (all with { Tag = new Tag("CUSTOMER", "it's \"quoted\"") }, e => e.Tags.Any(t => t.Value == "it's \"quoted\"")),
            (all with { Tag = new Tag("\"]') OR 1 --", "acme") }, _ => false),
            (all with { Status = 429 }, e => e.Status == 429),
            (all with { Outcome = CallOutcome.TimedOut }, e => e.Outcome == CallOutcome.TimedOut),
            (all with { PriceStatus = PriceStatus.Unpriced, KeyId = "key_1" }, e => e.PriceStatus == PriceStatus.Unpriced && e.KeyId == "key_1"),
        ];
        foreach (var (filter, matches) in cases)
            (await store.Get<IUsageQueries>().ListAsync(filter, Cancel)).Events.Select(e => e.RequestId).Order(StringComparer.Ordinal)
                .ShouldBe(events.Where(matches).Select(e => e.RequestId).Order(StringComparer.Ordinal), filter.ToString());
    }

    [Theory]
    [MemberData(nameof(ZonesAndGrains.All), MemberType = typeof(ZonesAndGrains))]
    public async Task Summaries_equal_sums_over_the_events_for_every_zone_and_grain(string zone, TimeGrain grain)
    {
        await using var store = await Kind.NewAsync();
        var events = Some.Events(3, 800, hours: 24 * 20);
        await store.Get<IUsageLedger>().AppendAsync(events, Cancel);
        var timeZone = TimeZoneInfo.FindSystemTimeZoneById(zone);
        // A range that begins and ends within hours.
        var question = new SummaryQuestion("ten_a", Some.Noon.AddDays(-18).AddMinutes(17), Some.Noon.AddMinutes(-7)) { Grain = grain, TimeZone = timeZone, GroupBy = [SummaryDimension.Model, SummaryDimension.Provider] };
        var lines = await store.Get<IUsageQueries>().SummarizeAsync(question, Cancel);

        string Bucket(DateTimeOffset at)
        {
            var local = TimeZoneInfo.ConvertTime(at, timeZone);
            return grain switch { TimeGrain.None => "", TimeGrain.Hour => local.ToString("yyyy-MM-dd HH zzz"), TimeGrain.Day => local.ToString("yyyy-MM-dd"), _ => local.ToString("yyyy-MM") };
        }

        var expected = events.Where(e => e.At >= question.From && e.At < question.To)
            .GroupBy(e => $"{Bucket(e.At)}/{e.ResponseModel ?? e.RequestModel ?? ""}/{e.Provider}")
            .Select(g => $"{g.Key}: {g.Count()} {g.Sum(e => e.Usage.InputTokens)} {g.Sum(e => e.Cost?.Value ?? 0)} {g.Sum(e => e.Latency.Ticks / 10)}");
        lines.Select(l => $"{Bucket(l.BucketStart)}/{l.Group[0]}/{l.Group[1]}: {l.Totals.Calls} {l.Totals.InputTokens} {l.Totals.Cost.Value} {l.Totals.Latency.SumMicroseconds}")
            .Order(StringComparer.Ordinal).ShouldBe(expected.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Summaries_by_tag_count_each_event_once_and_those_without_the_tag_apart()
    {
        await using var store = await Kind.NewAsync();
        var events = Some.Events(4, 800);
        await store.Get<IUsageLedger>().AppendAsync(events, Cancel);
        var all = new SummaryQuestion("ten_a", Some.Noon.AddDays(-10), Some.Noon);
        static string? Customer(UsageEvent e) => e.Tags.Where(t => t.Name == "customer").Select(t => t.Value).FirstOrDefault();

        async Task Check(SummaryQuestion question, IEnumerable<UsageEvent> of, Func<SummaryLine, string> line, Func<UsageEvent, string> key) =>
            (await store.Get<IUsageQueries>().SummarizeAsync(question, Cancel)).Select(l => $"{line(l)}: {l.Totals.Calls} {l.Totals.OutputTokens} {l.Totals.Cost} {l.Totals.FirstByte.Count}")
                .Order(StringComparer.Ordinal)
                .ShouldBe(of.GroupBy(key).Select(g => $"{g.Key}: {g.Count()} {g.Sum(e => e.Usage.OutputTokens)} {new NanoUsd(g.Sum(e => e.Cost?.Value ?? 0))} {g.Count(e => e.FirstByte is not null)}").Order(StringComparer.Ordinal));

        await Check(all with { GroupByTag = "customer" }, events, l => l.TagValue ?? "-", e => Customer(e) ?? "-");
        await Check(all with { GroupByTag = "customer", GroupBy = [SummaryDimension.Model] }, events, l => l.Group[0] + l.TagValue, e => (e.ResponseModel ?? e.RequestModel) + Customer(e));
        await Check(all with { GroupByTag = "customer", KeyId = "key_1" }, events.Where(e => e.KeyId == "key_1"), l => l.TagValue ?? "-", e => Customer(e) ?? "-"); // from events
        await Check(all with { GroupByTag = "customer", Tag = new Tag("feature", "chat"), From = Some.Noon.AddHours(-7.5) },
            events.Where(e => e.Tags.Contains(new Tag("feature", "chat")) && e.At >= Some.Noon.AddHours(-7.5)), l => l.TagValue ?? "-", e => Customer(e) ?? "-");
        await CheckPairs();
        // Where a node with a version from before kept no pairs, events answer: here for every other hour.
        store.Execute("UPDATE usage_hourly SET counted = counted - 1 WHERE hour % 7200000000 = 0");
        store.Execute("DELETE FROM usage_hourly_pairs WHERE hour % 7200000000 = 0");
        await CheckPairs();
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.Where(f => f.Check == "hourly_pairs_equal_events").ShouldBeEmpty();
        await Check(all with { Tag = new Tag("customer", "acme"), GroupBy = [SummaryDimension.Team] }, events.Where(e => Customer(e) == "acme"), l => l.Group[0], e => e.TeamId ?? "");
        await Check(all with { Tag = new Tag("customer", "acme"), GroupBy = [SummaryDimension.Provider], From = Some.Noon.AddHours(-7.5) },
            events.Where(e => Customer(e) == "acme" && e.At >= Some.Noon.AddHours(-7.5)), l => l.Group[0], e => e.Provider);
        await Check(all with { GroupBy = [SummaryDimension.Key, SummaryDimension.Project, SummaryDimension.Environment] }, events,
            l => string.Join('/', l.Group), e => $"{e.KeyId}/{e.ProjectId}/{e.Environment}");

        async Task CheckPairs()
        {
            var (chat, acme) = (new Tag("feature", "chat"), new Tag("customer", "acme"));
            static string Feature(UsageEvent e) => e.Tags.Where(t => t.Name == "feature").Select(t => t.Value).FirstOrDefault() ?? "-";
            var day = all with { Grain = TimeGrain.Day, TimeZone = TimeZoneInfo.FindSystemTimeZoneById("Asia/Kathmandu") }; // its days divide hours
            await Check(all with { GroupByTag = "customer", Tag = chat }, events.Where(e => e.Tags.Contains(chat)), l => l.TagValue ?? "-", e => Customer(e) ?? "-");
            await Check(day with { GroupByTag = "customer", Tag = chat }, events.Where(e => e.Tags.Contains(chat)), l => $"{l.BucketEnd.AddTicks(-1).AddHours(5.75):yyyy-MM-dd} {l.TagValue ?? "-"}", e => $"{e.At.AddHours(5.75):yyyy-MM-dd} {Customer(e) ?? "-"}");
            await Check(all with { GroupByTag = "feature", Tag = acme, From = Some.Noon.AddHours(-7.5) }, events.Where(e => e.Tags.Contains(acme) && e.At >= Some.Noon.AddHours(-7.5)), l => l.TagValue ?? "-", Feature);
            await Check(all with { GroupByTag = "feature", Tag = acme, GroupBy = [SummaryDimension.Environment] }, events.Where(e => e.Tags.Contains(acme)), l => $"{l.Group[0]} {l.TagValue ?? "-"}", e => $"{e.Environment} {Feature(e)}");
            await Check(all with { GroupByTag = "feature", Tag = acme, Environment = KeyEnvironment.Live }, events.Where(e => e.Tags.Contains(acme) && e.Environment == KeyEnvironment.Live), l => l.TagValue ?? "-", Feature);
            await Check(all with { GroupByTag = "feature", Tag = acme, Provider = "anthropic" }, events.Where(e => e.Tags.Contains(acme) && e.Provider == "anthropic"), l => l.TagValue ?? "-", Feature); // from events
        }
    }

    [Fact]
    public async Task Days_of_23_and_25_hours_are_one_bucket_each()
    {
        await using var store = await Kind.NewAsync();
        var berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
        // Clocks went forward on 29 March 2026 at 01:00 UTC: that day has 23 hours, from 23:00 UTC to 22:00 UTC.
        var from = new DateTimeOffset(2026, 3, 28, 23, 0, 0, TimeSpan.Zero);
        await store.Get<IUsageLedger>().AppendAsync([.. Enumerable.Range(0, 48).Select(i => Some.Event($"req_{i}", at: from.AddHours(i)))], Cancel);
        var lines = await store.Get<IUsageQueries>().SummarizeAsync(new SummaryQuestion("ten_a", from, from.AddHours(47)) { Grain = TimeGrain.Day, TimeZone = berlin }, Cancel);
        lines.Select(l => (l.BucketStart, l.Totals.Calls)).ShouldBe([(from, 23L), (from.AddHours(23), 24L)]);
    }

    [Fact]
    public async Task No_question_shows_a_row_of_another_tenant()
    {
        await using var store = await Kind.NewAsync();
        var mine = Some.Events(5, 50, "ten_a");
        var theirs = Some.Events(6, 50, "ten_b");
        await store.Get<IUsageLedger>().AppendAsync([.. mine, .. theirs], Cancel);
        var queries = store.Get<IUsageQueries>();
        (await queries.ListAsync(new EventFilter("ten_a") { Limit = 1000 }, Cancel)).Events.ShouldAllBe(e => e.TenantId == "ten_a");
        (await queries.FindAsync("ten_a", theirs[0].RequestId, Cancel)).ShouldBeEmpty();
        (await queries.ListAsync(new EventFilter("ten_a") { After = new EventCursor(long.MaxValue, theirs[0].RequestId, 9) }, Cancel)).Events.ShouldAllBe(e => e.TenantId == "ten_a");
        foreach (var by in new[] { TimeGrain.None, TimeGrain.Day })
            foreach (var tag in new[] { null, "customer" })
                (await queries.SummarizeAsync(new SummaryQuestion("ten_a", Some.Noon.AddDays(-9), Some.Noon.AddMinutes(1)) { Grain = by, GroupByTag = tag }, Cancel)).Sum(l => l.Totals.Calls).ShouldBe(50);
        (await queries.SummarizeAsync(new SummaryQuestion("ten_c", Some.Noon.AddDays(-9), Some.Noon), Cancel)).ShouldBeEmpty();
        var read = new List<UsageEvent>();
        await foreach (var e in queries.ReadAsync("ten_b", Some.Noon.AddDays(-9), Some.Noon, Cancel))
            read.Add(e);
        read.Select(e => e.RequestId).ShouldBe(theirs.OrderBy(e => e.At).Select(e => e.RequestId));
    }

    [Fact]
    public async Task Reading_for_the_operator_gives_every_event_of_all_tenants_once_over_pages_also_where_times_are_equal()
    {
        await using var store = await Kind.NewAsync();
        var events = Some.Events(7, 4500).Select((e, i) => i % 2 == 0 ? e with { At = Some.Noon.AddHours(-1), TenantId = i % 4 == 0 ? "ten_A" : "ten_a" } : e).ToList();
        await store.Get<IUsageLedger>().AppendAsync(events, Cancel);
        var seen = new List<UsageEvent>();
        await foreach (var usage in store.Get<IUsageQueries>().ReadAsync(null, Some.Noon.AddDays(-9), Some.Noon, Cancel))
            seen.Add(usage);
        seen.Select(e => e.RequestId).ShouldBe(events.OrderBy(e => e.TenantId, StringComparer.Ordinal).ThenBy(e => e.At).ThenBy(e => e.RequestId, StringComparer.Ordinal).Select(e => e.RequestId));
    }

    [Fact]
    public void Quantiles_are_interpolated_within_their_bucket()
    {
        // 10 calls below 50 ms, 10 from 100 to 250 ms: the median is at the end of the first ten, the 75th percentile half way through the others.
        var durations = new Durations(20, 0, [10, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
        durations.Quantile(0.5).ShouldBe(TimeSpan.FromMilliseconds(50));
        durations.Quantile(0.75).ShouldBe(TimeSpan.FromMilliseconds(175)); // 100 + 150 / 2
        new Durations(0, 0, new long[11]).Quantile(0.5).ShouldBeNull();
    }

    [Fact]
    public async Task A_question_that_can_not_be_answered_says_why()
    {
        new SummaryQuestion("t", Some.Noon, Some.Noon).Problem().ShouldNotBeNull();
        new SummaryQuestion("t", Some.Noon, Some.Noon.AddYears(2)) { Grain = TimeGrain.Hour }.Problem()!.ShouldContain("4000 buckets");
        new SummaryQuestion("t", Some.Noon, Some.Noon.AddDays(1)) { GroupByTag = "a\"b" }.Problem()!.ShouldContain("tag");
        new SummaryQuestion("t", Some.Noon, Some.Noon.AddDays(90)) { Grain = TimeGrain.Hour }.Problem().ShouldBeNull();
        await using var store = await Kind.NewAsync();
        await Should.ThrowAsync<ArgumentException>(() => store.Get<IUsageQueries>().SummarizeAsync(new SummaryQuestion("t", Some.Noon, Some.Noon), Cancel));
    }
}

public sealed class SqliteQueryTests : QueryTests<OnSqlite>;

public sealed class PostgresQueryTests : QueryTests<OnPostgres>;

public static class ZonesAndGrains
{
    public static TheoryData<string, TimeGrain> All()
    {
        var data = new TheoryData<string, TimeGrain>();
        foreach (var zone in new[] { "UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu" })
            foreach (var grain in Enum.GetValues<TimeGrain>())
                data.Add(zone, grain);
        return data;
    }
}
