using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Pricing;

namespace Tokonomics.Tests.Ledger;

/// <summary>What every store answers about spend.</summary>
public abstract class SpendQueryTests<TKind>
    where TKind : IStoreKind, new()
{
    private static readonly TKind Kind = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static readonly SummaryQuestion All = new("ten_a", Some.Noon.AddDays(-4), Some.Noon.AddHours(1)) { Environment = KeyEnvironment.Live };

    private static string Model(UsageEvent e) => e.ResponseModel ?? e.RequestModel ?? "";

    [Fact]
    public async Task The_most_expensive_calls_are_those_that_sorting_all_events_gives_for_every_filter()
    {
        await using var store = await Kind.NewAsync();
        var events = Some.Events(31, 900);
        await store.Get<IUsageLedger>().AppendAsync(events, Cancel);
        (SummaryQuestion Question, Func<UsageEvent, bool> Is)[] cases =
        [
            (All, _ => true),
            (All with { From = Some.Noon.AddHours(-20.3), To = Some.Noon.AddHours(-3.7) }, e => e.At >= Some.Noon.AddHours(-20.3) && e.At < Some.Noon.AddHours(-3.7)),
            (All with { Model = "m-1" }, e => Model(e) == "m-1"),
            (All with { KeyId = "key_2", Provider = "anthropic" }, e => e.KeyId == "key_2" && e.Provider == "anthropic"),
            (All with { TeamId = "team_1" }, e => e.TeamId == "team_1"),
            (All with { Tag = new Tag("customer", "it's \"quoted\"") }, e => e.Tags.Contains(new Tag("customer", "it's \"quoted\""))),
            (All with { Tag = new Tag("customer", "it's \"quoted\""), KeyId = "key_1", Model = "m-1" }, e => e.Tags.Contains(new Tag("customer", "it's \"quoted\"")) && e.KeyId == "key_1" && Model(e) == "m-1"),
            (All with { Model = "no-such" }, _ => false),
        ];
        await AskAllAsync();
        // A node with a version from before the rollups knew: it adds calls to some rows, and makes others.
        store.Execute("UPDATE usage_hourly SET dearest_nano = dearest_nano / 3, counted = counted - 1 WHERE key_id = 'key_1' OR hour % 7200000000 = 0");
        store.Execute("UPDATE usage_hourly_tags SET dearest_nano = 0, counted = 0 WHERE hour % 7200000000 = 0");
        await AskAllAsync();

        async Task AskAllAsync()
        {
            foreach (var (question, matches) in cases)
            {
                var top = await store.Get<ISpendQueries>().TopCallsAsync(question, 15, Cancel);
                top.Select(e => e.RequestId).ShouldBe(
                    events.Where(e => e.Environment == KeyEnvironment.Live && e.Cost > NanoUsd.Zero && matches(e)).OrderByDescending(e => e.Cost!.Value.Value).ThenByDescending(e => e.At).Take(15).Select(e => e.RequestId), question.ToString());
            }
        }

        (await store.Get<ISpendQueries>().TopCallsAsync(All with { TenantId = "ten_b" }, 15, Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_value_keeps_the_place_in_the_palette_that_it_was_given_and_no_two_have_one()
    {
        await using var store = await Kind.NewAsync();
        var (palette, model) = (store.Get<IPalettePlaces>(), SpendDimension.Of(SummaryDimension.Model));
        (await palette.OfAsync("ten_a", model, ["m-1", "m-2"], Cancel)).ShouldBe(new Dictionary<string, int> { ["m-1"] = 0, ["m-2"] = 1 });
        (await palette.OfAsync("ten_a", model, ["m-3", "m-2", ""], Cancel)).ShouldBe(new Dictionary<string, int> { ["m-2"] = 1, ["m-3"] = 2, [""] = 3 }, ignoreOrder: true);
        (await palette.OfAsync("ten_a", model, ["m-2"], Cancel)).ShouldBe(new Dictionary<string, int> { ["m-2"] = 1 });
        (await palette.OfAsync("ten_a", SpendDimension.OfTag("customer"), ["m-2"], Cancel))["m-2"].ShouldBe(0);
        (await palette.OfAsync("ten_b", model, ["m-2"], Cancel))["m-2"].ShouldBe(0);
        (await palette.OfAsync("ten_a", model, [], Cancel)).ShouldBeEmpty();
        // Pages that show new values at the same time.
        var asked = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => palette.OfAsync("ten_a", model, [$"n-{i % 4}", $"n-{i}"], Cancel)));
        var places = asked.SelectMany(a => a).Distinct().ToList();
        places.Select(p => p.Key).Order().ShouldBe(Enumerable.Range(0, 8).Select(i => $"n-{i}"));
        places.Select(p => p.Value).Order().ShouldBe(Enumerable.Range(4, 8));
    }

    [Fact]
    public async Task Refusals_of_several_runs_add_up_and_writing_the_same_counts_again_changes_nothing()
    {
        await using var store = await Kind.NewAsync();
        var refusals = store.Get<IRefusals>();
        var hour = new DateTimeOffset(2026, 3, 10, 11, 0, 0, TimeSpan.Zero);
        RefusalCount Of(long calls, string code = "budget_exhausted", string key = "key_1", string tenant = "ten_a", int hours = 0) => new(tenant, KeyEnvironment.Live, hour.AddHours(hours), code, key, calls);
        await refusals.WriteAsync("run_1", [Of(3), Of(1, "rate_limited"), Of(9, tenant: "ten_b")], Cancel);
        await refusals.WriteAsync("run_1", [Of(5), Of(1, "rate_limited")], Cancel); // as it stands now: 5, not 8
        await refusals.WriteAsync("run_1", [Of(5), Of(1, "rate_limited")], Cancel);
        await refusals.WriteAsync("run_2", [Of(2), Of(4, hours: 1)], Cancel);
        (await refusals.ListAsync("ten_a", KeyEnvironment.Live, hour, hour.AddHours(2), Cancel))
            .ShouldBe([Of(7), Of(1, "rate_limited"), Of(4, hours: 1)]);
        (await refusals.ListAsync("ten_a", KeyEnvironment.Live, hour.AddHours(1), hour.AddHours(2), Cancel)).ShouldBe([Of(4, hours: 1)]);
        (await refusals.ListAsync("ten_a", KeyEnvironment.Test, hour, hour.AddHours(2), Cancel)).ShouldBeEmpty();
        await refusals.WriteAsync("run_1", [], Cancel);
    }

    [Fact]
    public async Task What_caching_saved_is_the_difference_of_two_costs_and_counts_each_event_once()
    {
        await using var store = await Kind.NewAsync();
        var (ledger, book) = (store.Get<IUsageLedger>(), store.Get<Domain.Pricing.PriceBook>());
        ((PriceVersions)store.Get<IPriceVersions>()).Keep(book);
        UsageEvent Cached(string id, string usage, string hints = "") => Some.Event(id) with { ResponseModel = null, RequestModel = "gpt-4.1", PricingHints = hints, PriceVersion = book.Version, Usage = TokenUsage.Parse(usage), Cost = NanoUsd.Zero };
        // gpt-4.1: input 2, cache read 0.5 dollars a million; with priority 1.75 times that.
        var events = new[] { Cached("req_1", "Input=1000,CacheRead=4000,Output=10"), Cached("req_2", "Input=0,CacheRead=2000", "service_tier=priority"), Cached("req_3", "Input=500,Output=3"), Some.Event("req_4") with { PriceVersion = "unknown" } };
        await ledger.AppendAsync(events, Cancel);
        await ledger.AppendAsync(events, Cancel);
        // 4000 × 1.50 / 10^6 = 0.006; 2000 × 1.50 × 1.75 / 10^6 = 0.00525
        var savings = await store.Get<ISpendQueries>().CacheSavingsAsync(All, Cancel);
        savings.ShouldBe(new CacheSavings(new NanoUsd(11_250_000), NanoUsd.Zero));
        (await store.Get<ISpendQueries>().CacheSavingsAsync(All with { Model = "other" }, Cancel))!.Saved.ShouldBe(NanoUsd.Zero);
        (await store.Get<ISpendQueries>().CacheSavingsAsync(All with { Tag = new Tag("customer", "acme") }, Cancel)).ShouldBeNull();
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
        store.Execute("UPDATE cache_savings_hourly SET provider = 'nobody'");
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldHaveSingleItem().Check.ShouldBe("savings_have_cached_calls");
    }

    [Fact]
    public async Task What_repeats_saved_adds_up_once_and_by_the_hour()
    {
        await using var store = await Kind.NewAsync();
        UsageEvent Repeat(string id, long? saved) => Some.Event(id) with
        {
            Usage = default, UsageSource = UsageSource.None, PriceStatus = PriceStatus.Free, Cost = NanoUsd.Zero, ProviderCost = null, OtherModels = [], Routed = UsageEvent.FromCache, Saved = saved is { } s ? new NanoUsd(s) : null,
        };
        UsageEvent[] events = [Repeat("req_1", 100), Repeat("req_2", 23), Repeat("req_3", null), Repeat("req_4", 1) with { KeyId = "key_2" }, Some.Event("req_5"), Some.Event("req_6") with { Routed = "rt_1 0123456789abcdef ClassProven", Saved = new NanoUsd(9) }];
        for (var twice = 0; twice < 2; twice++)
            await store.Get<IUsageLedger>().AppendAsync(events, Cancel);
        var queries = store.Get<ISpendQueries>();
        (await queries.RepeatSavingsAsync(All, Cancel)).ShouldBe(new RepeatSavings(4, new NanoUsd(124)));
        (await queries.RepeatSavingsAsync(All with { KeyId = "key_2" }, Cancel)).ShouldBe(new RepeatSavings(1, new NanoUsd(1)));
        (await queries.RepeatSavingsAsync(All with { Tag = new Tag("customer", "acme") }, Cancel)).ShouldBeNull();
        (await queries.RepeatSavingsAsync(All with { Environment = KeyEnvironment.Test }, Cancel)).ShouldBe(new RepeatSavings(0, NanoUsd.Zero));
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task Days_that_are_over_are_remembered_until_an_event_comes_late()
    {
        await using var store = await Kind.NewAsync();
        store.Clock.Ahead = Some.Noon - DateTimeOffset.UtcNow;
        var (ledger, queries) = (store.Get<IUsageLedger>(), store.Get<IUsageQueries>());
        var question = new SummaryQuestion("ten_a", Some.Noon.AddDays(-3), Some.Noon.AddHours(1)) { Grain = TimeGrain.Day, GroupBy = [SummaryDimension.Model], WithDurations = false };
        async Task<long> CallsAsync(SummaryQuestion q) => (await queries.SummarizeAsync(q, Cancel)).Sum(l => l.Totals.Calls);
        await ledger.AppendAsync([Some.Event("req_1", at: Some.Noon.AddDays(-2)), Some.Event("req_2")], Cancel);
        (await CallsAsync(question)).ShouldBe(2);
        // Shown to be remembered: a row that is changed behind the ledger's back is not seen in a day that is over, and is in the one that runs.
        store.Execute("UPDATE usage_hourly SET calls = calls + 100");
        (await CallsAsync(question)).ShouldBe(102);
        (await CallsAsync(question with { GroupBy = [SummaryDimension.Provider] })).ShouldBe(202);
        // Late by two days: all of the tenant's days are read anew.
        await ledger.AppendAsync([Some.Event("req_3", at: Some.Noon.AddDays(-2))], Cancel);
        (await CallsAsync(question)).ShouldBe(203);
        // Another tenant's late events are not its.
        await ledger.AppendAsync([Some.Event("req_4", "ten_b", at: Some.Noon.AddDays(-2))], Cancel);
        store.Execute("UPDATE usage_hourly SET calls = calls + 1 WHERE tenant_id = 'ten_a'");
        (await CallsAsync(question)).ShouldBe(204);
        // An event of this hour changes the day that runs, and no mark.
        await ledger.AppendAsync([Some.Event("req_5", at: Some.Noon)], Cancel);
        (await CallsAsync(question)).ShouldBe(205);
    }

    [Theory]
    [InlineData("Pacific/Auckland")]
    [InlineData("Pacific/Honolulu")]
    [InlineData("Asia/Kathmandu")]
    public async Task Remembered_days_equal_days_that_are_read_anew_in_every_zone(string zone)
    {
        await using var store = await Kind.NewAsync();
        store.Clock.Ahead = Some.Noon - DateTimeOffset.UtcNow;
        var events = Some.Events(32, 600, hours: 24 * 6);
        await store.Get<IUsageLedger>().AppendAsync(events, Cancel);
        var timeZone = TimeZoneInfo.FindSystemTimeZoneById(zone);
        var question = new SummaryQuestion("ten_a", Some.Noon.AddDays(-6), Some.Noon) { Grain = TimeGrain.Day, TimeZone = timeZone, GroupBy = [SummaryDimension.Model], GroupByTag = "customer", WithDurations = false };
        string Written(IEnumerable<SummaryLine> lines) => string.Join('\n', lines.Select(l => $"{l.BucketStart:O} {l.Group[0]} {l.TagValue} {l.Totals.Calls} {l.Totals.Cost}"));
        var first = Written(await store.Get<IUsageQueries>().SummarizeAsync(question, Cancel));
        Written(await store.Get<IUsageQueries>().SummarizeAsync(question, Cancel)).ShouldBe(first);
        var expected = events.GroupBy(e => (Day: TimeZoneInfo.ConvertTime(e.At, timeZone).Date, Model: Model(e), Customer: e.Tags.Where(t => t.Name == "customer").Select(t => t.Value).FirstOrDefault()));
        (await store.Get<IUsageQueries>().SummarizeAsync(question, Cancel)).Select(l => $"{TimeZoneInfo.ConvertTime(l.BucketStart, timeZone):yyyy-MM-dd} {l.Group[0]} {l.TagValue} {l.Totals.Calls} {l.Totals.Cost.Value}").Order(StringComparer.Ordinal)
            .ShouldBe(expected.Select(g => $"{g.Key.Day:yyyy-MM-dd} {g.Key.Model} {g.Key.Customer} {g.Count()} {g.Sum(e => e.Cost?.Value ?? 0)}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Without_durations_all_other_sums_are_the_same()
    {
        await using var store = await Kind.NewAsync();
        await store.Get<IUsageLedger>().AppendAsync(Some.Events(33, 300), Cancel);
        var question = All with { GroupBy = [SummaryDimension.Model], From = Some.Noon.AddHours(-50.4) };
        var (with, without) = (await store.Get<IUsageQueries>().SummarizeAsync(question, Cancel), await store.Get<IUsageQueries>().SummarizeAsync(question with { WithDurations = false }, Cancel));
        without.Select(l => l.Totals with { Latency = Durations.None, FirstByte = Durations.None }).ShouldBe(with.Select(l => l.Totals with { Latency = Durations.None, FirstByte = Durations.None }));
        without.ShouldAllBe(l => l.Totals.Latency.Quantile(0.5) == null);
    }

    [Fact]
    public async Task Names_are_the_tenants_own_and_tags_are_those_of_the_range()
    {
        await using var store = await Kind.NewAsync();
        var made = await store.ProvisionAsync("Acme");
        var names = await store.Get<ISpendQueries>().NamesAsync(made.TenantId, Cancel);
        (names.Tenant, names.Of(made.LiveKey.Id), names.Of("key_of_nobody")).ShouldBe(("Acme", "default", "key_of_nobody"));
        (await store.Get<ISpendQueries>().NamesAsync("ten_none", Cancel)).ById.ShouldBeEmpty();
        await store.Get<IUsageLedger>().AppendAsync([Some.Event("req_1"), Some.Event("req_2", at: Some.Noon.AddDays(-9)) with { Tags = [new Tag("old", "x")] }], Cancel);
        (await store.Get<IUsageQueries>().TagNamesAsync("ten_a", KeyEnvironment.Live, Some.Noon.AddDays(-4), Some.Noon.AddHours(1), Cancel)).ShouldBe(["customer", "feature"]);
        (await store.Get<IUsageQueries>().TagNamesAsync("ten_a", KeyEnvironment.Live, Some.Noon.AddDays(-10), Some.Noon.AddDays(-8), Cancel)).ShouldBe(["old"]);
        (await store.Get<ISpendQueries>().FirstHourAsync("ten_a", KeyEnvironment.Live, Cancel)).ShouldBe(Some.Noon.AddDays(-9));
        (await store.Get<ISpendQueries>().FirstHourAsync("ten_a", KeyEnvironment.Test, Cancel)).ShouldBeNull();
    }
}

public sealed class SqliteSpendQueryTests : SpendQueryTests<OnSqlite>;

public sealed class PostgresSpendQueryTests : SpendQueryTests<OnPostgres>;
