using FsCheck;
using FsCheck.Fluent;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tests.Pricing;

namespace Tokonomics.Domain.Tests.Budgets;

public sealed class UpperBoundTests
{
    private static readonly DateTimeOffset At = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    private static ModelPrices Model(RateCard card, long? maxInput = 200_000, long? maxOutput = 8_000) => new()
    {
        Name = card.Model,
        MaxInput = maxInput,
        MaxOutput = maxOutput,
        Periods = [new RatePeriod(null, null, card)],
    };

    /// <summary>2 in, 10 out, nothing else.</summary>
    private static readonly RateCard Plain = new() { Provider = "p", Model = "plain", Rates = Cards.Rates((UsageUnit.Input, 2), (UsageUnit.Output, 10)) };

    private static MostUse Use(long? input, long? limit) => new() { InputTokens = input, OutputLimit = limit, Settled = PriceHints.ServiceTier | PriceHints.InferenceGeo | PriceHints.Speed };

    [Fact]
    public void It_is_input_and_limit_at_their_rates_rounded_up()
    {
        var bound = UpperBound.Of(Model(Plain), At, Use(1000, 500));
        bound.Most.ShouldBe(new NanoUsd(7_000_000)); // 1000 x 2 + 500 x 10 = 7000 micro-dollars
        (bound.InputTokens, bound.OutputTokens, bound.Limit).ShouldBe((1000, 500, 500));
        var tiny = new RateCard { Provider = "p", Model = "tiny", Rates = Cards.Rates((UsageUnit.Input, 0.0001m), (UsageUnit.Output, 0)) };
        UpperBound.Of(Model(tiny), At, Use(1, 1)).Most.ShouldBe(new NanoUsd(1)); // 0.1 nano-dollars
    }

    [Fact]
    public void Each_choice_has_the_limit()
    {
        UpperBound.Of(Model(Plain), At, Use(1000, 500) with { Choices = 3 }).Most.ShouldBe(new NanoUsd(17_000_000)); // 2000 + 3 x 5000
    }

    [Fact]
    public void Without_a_limit_the_models_own_counts_and_without_one_there_is_none()
    {
        UpperBound.Of(Model(Plain), At, Use(1000, null)).Most.ShouldBe(new NanoUsd(82_000_000)); // 2000 + 8000 x 10
        var none = UpperBound.Of(Model(Plain, maxOutput: null), At, Use(1000, null));
        none.Most.ShouldBeNull();
        none.Why.ShouldBe(NoBound.Output);
        none.LimitFor(new NanoUsd(7_000_000)).ShouldBe(500); // (7000 - 2000) / 10: a limit that is put in gives it a bound
        none.LimitFor(new NanoUsd(7_000_000_000)).ShouldBe(UpperBound.LimitThatAllTake);
    }

    [Fact]
    public void Input_that_is_not_in_the_request_fills_the_window()
    {
        UpperBound.Of(Model(Plain), At, Use(null, 500)).Most.ShouldBe(new NanoUsd(405_000_000)); // 200,000 x 2 + 5000
        UpperBound.Of(Model(Plain, maxInput: null), At, Use(null, 500)).Why.ShouldBe(NoBound.Input);
    }

    [Fact]
    public void Each_further_run_fills_the_window_and_may_have_the_limit_again()
    {
        var use = Use(1000, 500) with { Runs = 3, LimitIsPerRun = true };
        UpperBound.Of(Model(Plain), At, use).Most.ShouldBe(new NanoUsd(817_000_000)); // (1000 + 2 x 200,000) x 2 + 3 x 5000
    }

    [Fact]
    public void Without_a_price_there_is_none()
    {
        UpperBound.Of(null, At, Use(1, 1)).Why.ShouldBe(NoBound.Unpriced);
        var noOutput = new RateCard { Provider = "p", Model = "m", Rates = Cards.Rates((UsageUnit.Input, 2)) };
        UpperBound.Of(Model(noOutput), At, Use(1, 1)).Why.ShouldBe(NoBound.Unpriced);
        UpperBound.Of(Model(noOutput), At, Use(1, null) with { NoOutput = true }).Most.ShouldBe(new NanoUsd(2000));
        UpperBound.Of(Model(Plain), At, Use(1, 1) with { Fees = new TokenUsage { [UsageUnit.WebSearch] = 1 } }).Why.ShouldBe(NoBound.Unpriced);
    }

    [Fact]
    public void What_is_free_costs_nothing_however_much_it_is()
    {
        var free = new RateCard { Provider = "p", Model = "m", Free = true };
        UpperBound.Of(Model(free, null, null), At, new MostUse { Unbounded = NoBound.ServerTools }).Most.ShouldBe(NanoUsd.Zero);
    }

    [Fact]
    public void Cache_writes_raise_it()
    {
        var bound = UpperBound.Of(Model(Cards.Full), At, Use(1000, 0) with { NoOutput = true });
        bound.Most.ShouldBe(new NanoUsd(3_750_000)); // 1000 x 3.75 written, not x 3
        var hour = Cards.Full with { Rates = Cards.Rates((UsageUnit.Input, 3), (UsageUnit.CacheWrite, 3.75m), (UsageUnit.CacheWrite1h, 6)) };
        UpperBound.Of(Model(hour), At, Use(1000, null) with { NoOutput = true, WritesCacheFor1h = true }).Most.ShouldBe(new NanoUsd(6_000_000));
        UpperBound.Of(Model(hour), At, Use(1000, null) with { NoOutput = true }).Most.ShouldBe(new NanoUsd(3_750_000));
    }

    [Fact]
    public void The_long_context_raises_it_from_the_first_token_above_the_cliff()
    {
        var at = UpperBound.Of(Model(Cards.Full, 1_000_000), At, Use(200_000, 1000));
        var above = UpperBound.Of(Model(Cards.Full, 1_000_000), At, Use(200_001, 1000));
        at.Most.ShouldBe(new NanoUsd(765_000_000)); // 200,000 x 3.75 + 1000 x 15
        above.Most.ShouldBe(new NanoUsd(1_222_506_000)); // 200,001 x 6 + 1000 x 22.5
    }

    [Fact]
    public void A_tier_that_is_not_settled_may_turn_out_the_dearest()
    {
        var open = Use(1000, 1000) with { Settled = PriceHints.InferenceGeo };
        UpperBound.Of(Model(Cards.Full), At, open).Most.ShouldBe(new NanoUsd(30_000_000)); // priority: 5 in, 25 out
        UpperBound.Of(Model(Cards.Full), At, Use(1000, 1000)).Most.ShouldBe(new NanoUsd(18_750_000)); // settled: 3.75 and 15
        UpperBound.Of(Model(Cards.Full), At, Use(1000, 1000) with { Hints = "service_tier=priority" }).Most.ShouldBe(new NanoUsd(30_000_000));
        // Flex is asked for, and may be answered by the plain tier.
        UpperBound.Of(Model(Cards.Full), At, Use(1000, 1000) with { Hints = "service_tier=flex" }).Most.ShouldBe(new NanoUsd(18_750_000));
        var geo = Use(1000, 1000) with { Settled = PriceHints.ServiceTier };
        UpperBound.Of(Model(Cards.Full), At, geo).Most.ShouldBe(new NanoUsd(20_625_000)); // x 1.1
    }

    [Fact]
    public void Output_counts_at_the_dearest_modality()
    {
        var card = new RateCard { Provider = "p", Model = "m", Rates = Cards.Rates((UsageUnit.Input, 1), (UsageUnit.Output, 10), (UsageUnit.OutputImage, 120), (UsageUnit.InputAudio, 7)) };
        UpperBound.Of(Model(card), At, Use(1000, 10)).Most.ShouldBe(new NanoUsd(2_200_000)); // 1000 x 1 + 10 x 120
        UpperBound.Of(Model(card, maxInput: 1000), At, Use(null, 10)).Most.ShouldBe(new NanoUsd(8_200_000)); // a window may be full of audio
    }

    [Fact]
    public void Fees_count_at_their_most()
    {
        var use = Use(0, 0) with { NoOutput = true, Fees = new TokenUsage { [UsageUnit.WebSearch] = 5 } };
        UpperBound.Of(Model(Cards.Full), At, use).Most.ShouldBe(new NanoUsd(50_000_000)); // 5 x 10 / 1000
        UpperBound.Of(Model(Cards.Full), At, use with { Fees = new TokenUsage { [UsageUnit.WebSearch] = long.MaxValue } }).Why.ShouldBe(NoBound.ServerTools);
        var request = new RateCard { Provider = "p", Model = "m", Rates = Cards.Rates((UsageUnit.Input, 1), (UsageUnit.Request, 5)), Variants = [new RateVariant("search_context", "high", null, Cards.Rates((UsageUnit.Request, 12)), [])] };
        UpperBound.Of(Model(request), At, Use(0, null) with { NoOutput = true }).Most.ShouldBe(new NanoUsd(12_000_000)); // unsaid: high may be the default
    }

    [Fact]
    public void Reasoning_beyond_the_limit_has_the_models_maximum()
    {
        var bound = UpperBound.Of(Model(Plain), At, Use(0, 10) with { ReasonsBeyondLimit = true });
        bound.Most.ShouldBe(new NanoUsd(80_100_000)); // (10 + 8000) x 10
        UpperBound.Of(Model(Plain, maxOutput: null), At, Use(0, 10) with { ReasonsBeyondLimit = true }).LimitFor(new NanoUsd(long.MaxValue)).ShouldBeNull();
    }

    [Fact]
    public void Absurd_limits_have_no_bound_and_throw_nothing()
    {
        UpperBound.Of(Model(Plain), At, Use(1, long.MaxValue) with { Choices = int.MaxValue }).Most.ShouldBeNull();
        UpperBound.Of(Model(Plain), At, Use(long.MaxValue, 1) with { ImageTokens = long.MaxValue }).Most.ShouldBeNull();
    }

    [Fact]
    public void The_clamp_pays_for_all_it_allows_and_for_not_one_token_more()
    {
        var bound = UpperBound.Of(Model(Plain), At, Use(1000, 5000));
        bound.LimitFor(new NanoUsd(4_000_000)).ShouldBe(200); // (4000 - 2000) / 10
        bound.LimitFor(new NanoUsd(4_009_999)).ShouldBe(200);
        bound.LimitFor(new NanoUsd(4_010_000)).ShouldBe(201);
        bound.LimitFor(new NanoUsd(2_640_000)).ShouldBe(64);
        bound.LimitFor(new NanoUsd(2_639_999)).ShouldBeNull(); // 63 tokens help nobody
        bound.LimitFor(new NanoUsd(1_999_999)).ShouldBeNull(); // not even the input
        bound.LimitFor(new NanoUsd(-5)).ShouldBeNull();
        bound.LimitFor(NanoUsd.Ceiling(1000)).ShouldBe(5000); // never above the request's
        UpperBound.Of(Model(Plain), At, Use(1000, 9000)).LimitFor(NanoUsd.Ceiling(1000)).ShouldBe(8000); // nor the model's
    }

    [Fact]
    public void The_clamp_is_exact_and_monotone_whatever_the_rates()
    {
        var gen =
            from input in Gen.Choose(0, 2_000_000)
            from limit in Gen.Choose(64, 200_000)
            from choices in Gen.Choose(1, 8)
            from rateIn in Gen.Choose(0, 100_000)
            from rateOut in Gen.Choose(1, 1_000_000)
            from times in Gen.Choose(1, 1999)
            from left in Gen.Choose(0, int.MaxValue)
            from more in Gen.Choose(0, 1_000_000)
            select (input, limit, choices, rateIn, rateOut, times, left, more);
        Prop.ForAll(gen.ToArbitrary(), x =>
        {
            // Rates of three and of seven places, and a multiplier that makes the quotients endless.
            var card = new RateCard
            {
                Provider = "p",
                Model = "m",
                Rates = Cards.Rates((UsageUnit.Input, x.rateIn / 1000m), (UsageUnit.Output, x.rateOut / 10_000_000m * 7)),
                Variants = [new RateVariant("service_tier", "priority", x.times / 1000m, RateSet.Empty, [])],
            };
            var use = new MostUse { InputTokens = x.input, OutputLimit = x.limit, Choices = x.choices };
            var bound = UpperBound.Of(Model(card, 3_000_000, 150_000), At, use);
            var most = Math.Min(x.limit, 150_000);
            var left = new NanoUsd(x.left);
            var clamped = bound.LimitFor(left);
            bound.MostWith(x.limit).ShouldBe(bound.Most!.Value);
            if (clamped is { } limit)
            {
                limit.ShouldBeInRange(UpperBound.LeastLimit, most);
                UpperBound.Of(Model(card, 3_000_000, 150_000), At, use with { OutputLimit = limit }).Most!.Value.ShouldBeLessThanOrEqualTo(left);
                if (limit < most)
                    bound.MostWith(limit + 1).ShouldBeGreaterThan(left);
                bound.LimitFor(new NanoUsd((long)x.left + x.more))!.Value.ShouldBeGreaterThanOrEqualTo(limit);
            }
            else
            {
                bound.MostWith(UpperBound.LeastLimit).ShouldBeGreaterThan(left);
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(3000));
    }

    [Fact]
    public void No_use_within_the_bound_is_ever_rated_above_it()
    {
        var gen =
            from parts in Gen.ArrayOf(Gen.Choose(0, 60_000), 9)
            from outs in Gen.ArrayOf(Gen.Choose(0, 900), 5)
            from searches in Gen.Choose(0, 4)
            from hints in Gen.Elements("", "service_tier=flex", "service_tier=priority", "inference_geo=us", "inference_geo=us;service_tier=priority", "service_tier=batch")
            from slack in Gen.Choose(0, 3)
            select (parts, outs, searches, hints, slack);
        Prop.ForAll(gen.ToArbitrary(), x =>
        {
            var usage = new TokenUsage();
            for (var i = 0; i < 9; i++)
                usage[(UsageUnit)i] = x.parts[i];
            for (var i = 0; i < 5; i++)
                usage[(UsageUnit)((int)UsageUnit.Output + i)] = x.outs[i];
            usage[UsageUnit.WebSearch] = x.searches;
            // Nothing is said in the request, so that the answer's hints may be any.
            var use = new MostUse
            {
                InputTokens = usage.InputTokens + x.slack,
                OutputLimit = usage.OutputTokens + x.slack,
                WritesCacheFor1h = true,
                Fees = new TokenUsage { [UsageUnit.WebSearch] = 4 },
            };
            var cost = Rating.Rate(Cards.Full, usage, x.hints).Cost!.Value;
            UpperBound.Of(Model(Cards.Full), At, use).Most!.Value.ShouldBeGreaterThanOrEqualTo(cost);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(3000));
    }
}
