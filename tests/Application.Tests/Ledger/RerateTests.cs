using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Tests.Ledger;

public sealed class RerateTests
{
    private sealed class Versions : IPriceVersions
    {
        public PriceBook? Book(string version) => null;

        public Func<UsageEvent, RatedCost>? Find(string version) => version switch
        {
            "v1" => usage => new RatedCost(new NanoUsd(usage.Usage.InputTokens * 10), PriceStatus.Priced),
            "v2" => usage => new RatedCost(new NanoUsd(usage.Usage.InputTokens * 20), PriceStatus.Priced),
            _ => null,
        };
    }

    [Fact]
    public async Task Each_event_is_rated_by_its_own_version_and_only_differences_are_listed()
    {
        await using var store = new TempStore();
        // 125 input tokens: 1250 by v1, 2500 by v2.
        await store.Get<IUsageLedger>().AppendAsync(
            [
                Some.Event("req_right1") with { Cost = new NanoUsd(1250) },
                Some.Event("req_right2") with { Cost = new NanoUsd(2500), PriceVersion = "v2" },
                Some.Event("req_wrong") with { Cost = new NanoUsd(1251) },
                Some.Event("req_none") with { Cost = null, PriceStatus = PriceStatus.Unpriced },
                Some.Event("req_lost") with { PriceVersion = "v9" },
                Some.Event("req_free") with { Cost = NanoUsd.Zero, PriceStatus = PriceStatus.Free },
                Some.Event("req_april", at: new DateTimeOffset(2026, 4, 1, 0, 0, 0, TimeSpan.Zero)) with { Cost = new NanoUsd(7) },
                Some.Event("req_other", tenantId: "ten_b") with { Cost = new NanoUsd(8) },
            ],
            TestContext.Current.CancellationToken);
        var rerate = new Rerate(store.Get<IUsageQueries>(), new Versions());
        var report = await rerate.RunAsync("ten_a", 2026, 3, TestContext.Current.CancellationToken);
        report.Events.ShouldBe(6);
        report.DifferenceCount.ShouldBe(3);
        report.Differences.Select(d => d.Event.RequestId).ShouldBe(["req_lost", "req_none", "req_wrong"]);
        report.Differences[2].ToString().ShouldContain("recorded 0.000001251 (Priced), rated again 0.00000125 (Priced)");
        report.Differences[0].ToString().ShouldContain("price version v9 is unknown");
        (await rerate.RunAsync(null, 2026, 3, TestContext.Current.CancellationToken)).Events.ShouldBe(7);
        (await rerate.RunAsync("ten_a", 2026, 4, TestContext.Current.CancellationToken)).DifferenceCount.ShouldBe(1);
    }

    [Fact]
    public async Task Reading_goes_on_over_pages()
    {
        await using var store = new TempStore();
        var events = Some.Events(1, 4500).Select((e, i) => i % 2 == 0 ? e with { At = Some.Noon.AddHours(-1) } : e).ToList();
        await store.Get<IUsageLedger>().AppendAsync(events, TestContext.Current.CancellationToken);
        var seen = new List<string>();
        await foreach (var usage in store.Get<IUsageQueries>().ReadAsync(null, Some.Noon.AddDays(-9), Some.Noon, TestContext.Current.CancellationToken))
            seen.Add(usage.RequestId);
        seen.Count.ShouldBe(4500);
        seen.Distinct().Count().ShouldBe(4500);
    }
}
