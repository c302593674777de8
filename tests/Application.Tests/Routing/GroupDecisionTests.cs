using System.Collections.Frozen;
using System.Text;
using Microsoft.Extensions.Configuration;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Providers;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;
using Tokonomics.Infrastructure.Providers;

namespace Tokonomics.Tests.Routing;

public sealed class GroupDecisionTests
{
    private static readonly byte[] Secret = new byte[32];
    private static readonly TrafficClass Class = new(1);
    private static readonly TrafficReading Traffic = new(Class, new double[PromptFeatures.Count], 0, "text", true);
    private static readonly RouteQuality Group = new() { Candidates = ["openai/a", "openai/b"], Keep = new QualityTarget(0.95), Active = true, SampleLimit = NanoUsd.Zero };
    private static readonly DateTimeOffset At = new(2026, 11, 30, 12, 0, 0, TimeSpan.Zero);

    // As many labels of a candidate that is as good as prove the class.
    private static readonly RoutingPolicy Proven = Policy(1);
    private static readonly RoutingPolicy Poor = Policy(0.2);

    private static RoutingPolicy Policy(double score)
    {
        var sums = new RoutingSums(default);
        for (var i = 0; i < 120; i++)
            sums.Learn(new RoutingLabel(Class, new double[PromptFeatures.Count], 1, score, new NanoUsd(1000), new NanoUsd(100)), null);
        return RoutingPolicy.Of(sums, Group.Keep);
    }

    private static GroupDecision Decide(string? lot, NanoUsd? strong, params CandidateStanding[] candidates) => GroupDecision.Of(Group, Traffic, candidates, strong, Secret, lot);

    private static CandidateStanding Standing(RoutingPolicy? policy, long? cost) => new(policy, cost is { } nano ? new NanoUsd(nano) : null);

    // The first of the lots that is, or isn't, of the holdout.
    private static string Lot(bool held) => Enumerable.Range(0, 10_000).Select(i => $"{i}").First(l => Holdout.Uniform(Secret, l) < QualityRouter.HoldoutShare == held);

    [Fact]
    public void Of_the_candidates_that_are_proven_the_cheapest_takes_the_call_wherever_it_stands()
    {
        var (dear, lot) = (new NanoUsd(1000), Lot(held: false));
        GroupDecision To(int candidate) => new(candidate, false, candidate, RouteReason.ClassProven);
        Decide(lot, dear, Standing(Proven, 300), Standing(Proven, 200)).ShouldBe(To(1));
        Decide(lot, dear, Standing(Proven, 200), Standing(Proven, 300)).ShouldBe(To(0));
        Decide(lot, dear, Standing(Poor, 100), Standing(Proven, 300)).ShouldBe(To(1));
        Decide(lot, dear, Standing(Proven, 300), Standing(Poor, 100)).ShouldBe(To(0));
        // One whose cost nobody knows takes nothing, and takes nothing away from the one before it.
        Decide(lot, dear, Standing(Proven, 300), Standing(Proven, null)).ShouldBe(To(0));
        Decide(lot, dear, Standing(Proven, null)).ShouldBe(new GroupDecision(null, false, null, RouteReason.NotCheaper));
        Decide(lot, null, Standing(Proven, 300)).Reason.ShouldBe(RouteReason.NotCheaper);
        Decide(lot, dear, Standing(Poor, 300)).Reason.ShouldBe(RouteReason.BelowBound);
        Decide(lot, dear, Standing(null, 300)).Reason.ShouldBe(RouteReason.NoLabels);
        Decide(lot, dear).Reason.ShouldBe(RouteReason.NoLabels);
    }

    [Fact]
    public void A_call_that_is_not_made_yet_and_has_no_conversation_may_be_held_and_nobody_knows()
    {
        var standing = Standing(Proven, 300);
        Decide(Lot(held: true), new NanoUsd(1000), standing).ShouldBe(new GroupDecision(0, true, null, RouteReason.Holdout));
        Decide(null, new NanoUsd(1000), standing).ShouldBe(new GroupDecision(0, null, 0, RouteReason.ClassProven));
        Decide(null, new NanoUsd(1000), Standing(Poor, 300)).IsHeld.ShouldBe(false); // it stays anyway
        GroupDecision.Lot(7, null).ShouldBe("7");
        GroupDecision.Lot(7, "req_1").ShouldBe("7");
        GroupDecision.Lot(0, "req_1").ShouldBe("req_1");
        GroupDecision.Lot(0, null).ShouldBeNull();
        GroupDecision.Of(Group with { Active = false }, Traffic, [standing], new NanoUsd(1000), Secret, Lot(held: false)).ShouldBe(new GroupDecision(0, false, null, RouteReason.NotActive));
    }

    [Fact]
    public void A_switch_pays_for_the_prompt_that_is_cached_where_the_conversation_is()
    {
        // Per million tokens: the strong model 10 in, 1 from its cache, 10 out; the candidate 5 in, none from a cache, 5 out.
        static ModelPrices Model(string name, params (UsageUnit Unit, decimal Usd)[] rates) => new()
        {
            Name = name, Aliases = [], Periods = [new RatePeriod(null, null, new RateCard { Provider = "openai", Model = name, Rates = new RateSet(rates.Select(r => KeyValuePair.Create(r.Unit, r.Usd))) })],
        };
        var prices = new PriceBook([new PriceSheet
        {
            Provider = "openai", Sources = [new Uri("https://example.com/prices")], Checked = new DateOnly(2026, 11, 21),
            Models = [Model("strong", (UsageUnit.Input, 10), (UsageUnit.CacheRead, 1), (UsageUnit.Output, 10)), Model("cheap", (UsageUnit.Input, 5), (UsageUnit.Output, 5))],
        }]);
        var upstreams = new Upstreams(ProviderData.Load(new ConfigurationBuilder().Build()), prices, new Uri("http://127.0.0.1:9"));
        var key = new KeySnapshot { Id = "key_1", Tenant = new TenantSnapshot { Id = "ten_1", Credentials = new[] { new ProviderCredential("cred_1", "openai", "sk") }.ToFrozenDictionary(c => c.Provider) } };
        var match = upstreams.ByModel.Find("POST", "chat/completions").ShouldNotBeNull();
        var body = Encoding.UTF8.GetBytes($$"""{"model":"smart","max_tokens":10,"messages":[{"role":"user","content":"{{new string('a', 4000)}}"}]}""");
        var peek = DialectCatalogue.Find("openai-chat")!.Peek(RequestFacts.Of(match, null, "application/json"), body);
        peek.PromptTokens.ShouldBe(1007); // 4,000 bytes, four to a token; 4 for the message, 3 before the answer
        var (targets, problems) = ReachedTarget.Of(upstreams, [new RouteTarget("openai/strong"), new RouteTarget("openai/cheap")], new TargetQuestion(key, prices, match, peek, null, false, At));
        problems.ShouldBeEmpty();
        NanoUsd? Cost(int target, string? pinned) => GroupDecision.Cost(targets[target], targets[0], targets[1], key, prices, peek, new RecentOutputs(), At, pinned);

        Cost(0, null).ShouldBe(new NanoUsd(10_170_000)); // 1,007 × 10 + 10 × 10, millionths of a dollar
        Cost(1, null).ShouldBe(new NanoUsd(5_085_000)); // 1,007 × 5 + 10 × 5
        Cost(0, "openai/strong").ShouldBe(new NanoUsd(1_107_000)); // 1,007 × 1 + 10 × 10
        Cost(1, "openai/strong").ShouldBe(Cost(1, null));
        Cost(1, "openai/cheap").ShouldBe(Cost(1, null)); // no rate for what is cached

        var lot = Lot(held: false);
        GroupDecision Where(string? pinned) => GroupDecision.Of(Group, Traffic, [new CandidateStanding(Proven, Cost(1, pinned))], Cost(0, pinned), Secret, lot);
        Where(null).Reason.ShouldBe(RouteReason.ClassProven);
        Where("openai/strong").Reason.ShouldBe(RouteReason.NotCheaper);
        Where("openai/cheap").Reason.ShouldBe(RouteReason.ClassProven);
    }
}
