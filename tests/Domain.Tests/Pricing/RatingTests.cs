using FsCheck;
using FsCheck.Fluent;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tests.Metering;

namespace Tokonomics.Domain.Tests.Pricing;

public sealed class RatingTests
{
    private static readonly UsageUnit[] Tokens = [.. Enum.GetValues<UsageUnit>().Where(RateSet.IsToken)];

    // No tier: additive over the whole range.
    private static readonly RateCard Flat = Cards.Full with { Tiers = [] };

    [Fact]
    public void Costs_of_disjoint_usages_add_up() =>
        Prop.ForAll(Usages.Of(Tokens).Two().ToArbitrary(), pair =>
            Rating.Exact(Flat, Usages.Sum(pair.Item1, pair.Item2), "") == Rating.Exact(Flat, pair.Item1, "") + Rating.Exact(Flat, pair.Item2, "")).QuickCheckThrowOnFailure();

    [Fact]
    public void More_of_a_unit_never_costs_less_and_nothing_is_negative() =>
        Prop.ForAll(Usages.Of(Tokens).Two().ToArbitrary(), pair =>
        {
            var less = Rating.Rate(Cards.Full, pair.Item1, "").Cost!.Value;
            var more = Rating.Rate(Cards.Full, Usages.Sum(pair.Item1, pair.Item2), "").Cost!.Value;
            return less >= NanoUsd.Zero && more >= less;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Multipliers_compose_with_each_other_and_with_a_long_context() =>
        Prop.ForAll(Usages.Of(Tokens).ToArbitrary(), usage =>
            Rating.Exact(Cards.Full, usage, "inference_geo=us;service_tier=flex") == Rating.Exact(Cards.Full, usage, "") * 0.55m).QuickCheckThrowOnFailure();

    [Fact]
    public void The_lines_of_a_receipt_sum_to_the_cost() =>
        Prop.ForAll(Usages.Of(Tokens).ToArbitrary(), usage =>
            Rating.Explain(Cards.Full, usage, "service_tier=flex").Sum(line => line.Usd) == Rating.Exact(Cards.Full, usage, "service_tier=flex")).QuickCheckThrowOnFailure();

    [Fact]
    public void A_call_costs_the_sum_of_its_products()
    {
        var usage = TokenUsage.Parse("Input=1000,CacheRead=2000,CacheWrite=400,Output=300,Reasoning=50,WebSearch=2");

        // 1000 x 3 + 2000 x 0.3 + 400 x 3.75 + 350 x 15 = 10,350 millionths; 2 x 10 / 1000 = 0.02
        Rating.Rate(Cards.Full, usage, "").ShouldBe(new RatedCost(NanoUsd.Round(0.03035m), PriceStatus.Priced));
    }

    [Theory]
    [InlineData(200_000, 600_000_000)] // 200,000 x 3 / 1e6 = 0.6
    [InlineData(200_001, 1_200_006_000)] // one token more, and all take 6: 200,001 x 6 / 1e6 = 1.200006
    public void A_long_context_is_a_cliff(long input, long nano) =>
        Rating.Rate(Cards.Full, new TokenUsage { [UsageUnit.Input] = input }, "").Cost.ShouldBe(new NanoUsd(nano));

    [Fact]
    public void Cached_tokens_and_cache_writes_count_towards_a_long_context()
    {
        var usage = TokenUsage.Parse("Input=1,CacheRead=150000,CacheWrite=50000,Output=10");

        // 200,001 in all: 1 x 6 + 150,000 x 0.6 + 50,000 x 3.75 (no long-context rate of its own) + 10 x 22.5 = 277,731 millionths
        Rating.Exact(Cards.Full, usage, "").ShouldBe(0.277731m);
    }

    [Theory]
    [InlineData("", 1000, "0.003")] // 1000 x 3
    [InlineData("service_tier=priority", 1000, "0.005")]
    [InlineData("SERVICE_TIER=Priority", 1000, "0.005")]
    [InlineData("service_tier=priorityx", 1000, "0.003")]
    [InlineData("a=b;service_tier=priority;speed=fast", 1000, "0.005")]
    [InlineData("service_tier=priority", 200_001, "2.200011")] // x 11
    [InlineData("service_tier", 1000, "0.003")]
    [InlineData(";;=;x=", 1000, "0.003")]
    public void A_variant_holds_where_the_hints_say_it(string hints, long input, string usd) =>
        Rating.Exact(Cards.Full, new TokenUsage { [UsageUnit.Input] = input }, hints).ShouldBe(decimal.Parse(usd));

    [Theory]
    [InlineData("Input", 3)]
    [InlineData("InputAudio", 3)]
    [InlineData("InputImage", 3)]
    [InlineData("InputVideo", 3)]
    [InlineData("CacheRead", 0.3)]
    [InlineData("CacheReadAudio", 0.3)]
    [InlineData("CacheReadImage", 0.3)]
    [InlineData("CacheWrite", 3.75)]
    [InlineData("CacheWrite1h", 3.75)]
    [InlineData("Output", 15)]
    [InlineData("Reasoning", 15)]
    [InlineData("OutputAudio", 15)]
    [InlineData("OutputImage", 15)]
    [InlineData("OutputVideo", 15)]
    [InlineData("Citation", 15)]
    public void A_unit_without_a_rate_takes_that_of_the_unit_it_is_a_kind_of(string unit, double rate) =>
        Rating.Explain(Cards.Full, TokenUsage.Parse($"{unit}=1000"), "").Single().Rate.ShouldBe((decimal)rate);

    [Fact]
    public void Without_cache_rates_cached_tokens_cost_as_much_as_any_input()
    {
        var card = new RateCard { Provider = "p", Model = "m", Rates = Cards.Rates((UsageUnit.Input, 2)) };
        Rating.Exact(card, TokenUsage.Parse("CacheRead=1000000,CacheWrite1h=1000000"), "").ShouldBe(4m);
    }

    [Theory]
    [InlineData("FileSearch=1")]
    [InlineData("GroundedPrompt=1")]
    [InlineData("Image=1")]
    [InlineData("AudioMilliseconds=1")]
    [InlineData("Character=1")]
    [InlineData("Page=1")]
    [InlineData("SearchUnit=1")]
    public void A_fee_that_is_not_known_is_never_zero(string used)
    {
        var usage = TokenUsage.Parse($"Input=10,{used}");
        Rating.Rate(Cards.Full, usage, "").ShouldBe(new RatedCost(null, PriceStatus.Unpriced));
        Rating.Explain(Cards.Full, usage, "").Select(line => line.Usd).ShouldBe([0.00003m, null]);
    }

    [Fact]
    public void Without_a_card_nothing_is_priced() => Rating.Rate(null, TokenUsage.Parse("Input=1"), "").ShouldBe(new RatedCost(null, PriceStatus.Unpriced));

    [Fact]
    public void What_is_free_on_purpose_costs_zero()
    {
        var card = new RateCard { Provider = "local", Model = "*", Free = true };
        Rating.Rate(card, TokenUsage.Parse("Input=1000,Output=5,Image=1,WebSearch=1"), "").ShouldBe(new RatedCost(NanoUsd.Zero, PriceStatus.Priced));
    }

    [Fact]
    public void A_fee_for_each_request_is_due_once_whether_or_not_the_call_was_counted()
    {
        var card = new RateCard
        {
            Provider = "p",
            Model = "sonar",
            Rates = Cards.Rates((UsageUnit.Input, 1), (UsageUnit.Request, 5)),
            Variants = [new RateVariant("search_context", "high", null, Cards.Rates((UsageUnit.Request, 12)), [])],
        };
        Rating.Exact(card, TokenUsage.Parse("Input=1000"), "").ShouldBe(0.006m); // 0.001 + 5 / 1000
        Rating.Exact(card, TokenUsage.Parse("Input=1000,Request=1"), "").ShouldBe(0.006m);
        Rating.Exact(card, TokenUsage.Parse("Input=1000"), "search_context=high").ShouldBe(0.013m);
        Rating.Exact(card, default, "").ShouldBe(0m); // nothing was reported: nothing was answered
        Rating.Exact(Cards.Full, TokenUsage.Parse("Input=1000,Request=1"), "").ShouldBe(0.003m); // no such fee here
    }

    [Fact]
    public void Images_are_priced_by_size_and_quality()
    {
        var card = new RateCard
        {
            Provider = "p",
            Model = "image",
            Rates = Cards.Rates((UsageUnit.Image, 0.04m)),
            Variants =
            [
                new RateVariant("image", "1792x1024*", null, Cards.Rates((UsageUnit.Image, 0.08m)), []),
                new RateVariant("image", "1792x1024/hd", null, Cards.Rates((UsageUnit.Image, 0.12m)), []),
            ],
        };
        Rating.Exact(card, TokenUsage.Parse("Image=2"), "image=1024x1024").ShouldBe(0.08m);
        Rating.Exact(card, TokenUsage.Parse("Image=2"), "image=1792x1024/standard").ShouldBe(0.16m);
        Rating.Exact(card, TokenUsage.Parse("Image=2"), "image=1792x1024/hd").ShouldBe(0.24m);
    }

    [Fact]
    public void Audio_is_priced_by_the_hour_and_characters_by_the_million()
    {
        var card = new RateCard { Provider = "p", Model = "m", Rates = Cards.Rates((UsageUnit.AudioMilliseconds, 0.36m), (UsageUnit.Character, 15), (UsageUnit.Page, 4)) };
        Rating.Exact(card, TokenUsage.Parse("AudioMilliseconds=7000"), "").ShouldBe(0.0007m); // 7 s of 3600 at 0.36
        Rating.Exact(card, TokenUsage.Parse("Character=100,Page=3"), "").ShouldBe(0.0135m); // 0.0015 + 0.012
    }

    [Theory]
    [InlineData(1, 2)] // 0.0015 USD per million is 1.5 nano-dollars a token: 1.5 rounds to 2
    [InlineData(3, 4)] // 4.5 rounds to 4
    public void A_cost_is_rounded_half_to_even(long tokens, long nano)
    {
        var card = new RateCard { Provider = "p", Model = "m", Rates = Cards.Rates((UsageUnit.Input, 0.0015m)) };
        Rating.Rate(card, new TokenUsage { [UsageUnit.Input] = tokens }, "").Cost.ShouldBe(new NanoUsd(nano));
    }

    [Fact]
    public void A_cost_is_rounded_once()
    {
        // Two units of half a nano-dollar each make one, not two times zero.
        var card = new RateCard { Provider = "p", Model = "m", Rates = Cards.Rates((UsageUnit.Input, 0.0005m), (UsageUnit.Output, 0.0005m)) };
        Rating.Rate(card, TokenUsage.Parse("Input=1,Output=1"), "").Cost.ShouldBe(new NanoUsd(1));
    }

    [Theory]
    [InlineData("Input=9223372036854775807,Output=9223372036854775807")]
    [InlineData("Input=1000000000000000000")]
    public void An_absurd_count_is_unpriced_and_never_throws(string text)
    {
        var usage = TokenUsage.Parse(text);
        Rating.Rate(Cards.Full, usage, "service_tier=flex").Status.ShouldBe(PriceStatus.Unpriced);
        Rating.Explain(Cards.Full, usage, "").Count.ShouldBeGreaterThan(0);
        var dearest = new RateCard
        {
            Provider = "p",
            Model = "m",
            Rates = Cards.Rates((UsageUnit.Input, RateSet.Highest), (UsageUnit.Output, RateSet.Highest)),
            Variants = [.. Enumerable.Range(0, 20).Select(i => new RateVariant("h", "*", RateVariant.HighestTimes, RateSet.Empty, []))],
        };
        Rating.Rate(dearest, usage, "h=1").Status.ShouldBe(PriceStatus.Unpriced);
        Rating.Explain(dearest, usage, "h=1").Count.ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Rating_allocates_nothing()
    {
        var usage = TokenUsage.Parse("Input=1000,CacheRead=5,Output=10");
        const string Hints = "inference_geo=us;service_tier=flex";
        for (var i = 0; i < 100; i++)
            Rating.Rate(Cards.Full, usage, Hints);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
            Rating.Rate(Cards.Full, usage, Hints);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }
}
