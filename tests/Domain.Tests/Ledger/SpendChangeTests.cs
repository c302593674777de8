using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Tests.Ledger;

public sealed class SpendChangeTests
{
    private static NanoUsd Usd(decimal usd) => NanoUsd.Round(usd);

    private static Contribution C(string dimension, string value, decimal before, decimal now, string? model = null) => new(dimension, value, model, Usd(before), Usd(now), 10, 20);

    private static SpendChange Of(Contribution[] values, params Contribution[] onModels)
    {
        var whole = values.Where(v => v.Dimension == values[0].Dimension).ToList();
        return SpendChange.Of(values, onModels, whole.Aggregate(NanoUsd.Zero, (s, v) => s + v.Before), whole.Aggregate(NanoUsd.Zero, (s, v) => s + v.Now));
    }

    [Fact]
    public void A_small_value_that_makes_most_of_the_rise_is_the_cause()
    {
        // 100 → 160: of the 60, summarise made 54 (90 %), and it was 10 % of the bill.
        var change = Of(
            [C("feature", "summarise", 10, 64), C("feature", "search", 90, 96), C("model", "gpt-5.1", 15, 68), C("model", "gpt-5-mini", 85, 92)],
            C("feature", "summarise", 0, 52, "gpt-5.1"), C("feature", "summarise", 10, 12, "gpt-4o-mini"));
        change.Cause!.Value.ShouldBe("summarise");
        change.CauseOnModel!.Model.ShouldBe("gpt-5.1");
        change.Share.ShouldBe(0.9m); // 54 of 60
    }

    [Fact]
    public void A_value_that_grew_with_all_others_explains_nothing()
    {
        var change = Of([C("model", "a", 70, 140), C("model", "b", 30, 60)]);
        change.Cause.ShouldBeNull();
        change.Largest.Select(l => l.Value).ShouldBe(["a", "b"]);
    }

    [Fact]
    public void A_fall_has_a_cause_too_and_what_rose_meanwhile_is_none()
    {
        // 100 → 70: b fell by 40, a rose by 10.
        var change = Of([C("key", "a", 50, 60), C("key", "b", 50, 10)]);
        change.Cause!.Value.ShouldBe("b");
        change.Share.ShouldBe(40m / 30);
    }

    [Fact]
    public void The_only_value_of_a_dimension_is_no_cause() =>
        Of([C("provider", "openai", 10, 30), C("model", "a", 5, 24), C("model", "b", 5, 6)]).Cause!.Dimension.ShouldBe("model");

    [Fact]
    public void Of_two_that_explain_alike_the_more_telling_dimension_is_named() =>
        Of([C("feature", "draft", 10, 40), C("feature", "x", 40, 40), C("key", "k", 10, 40), C("key", "y", 40, 40)]).Cause!.Dimension.ShouldBe("feature");

    [Fact]
    public void From_nothing_the_largest_value_is_the_cause() => Of([C("model", "a", 0, 9), C("model", "b", 0, 1)]).Cause!.Value.ShouldBe("a");

    [Fact]
    public void No_change_has_no_cause()
    {
        var change = Of([C("model", "a", 5, 6), C("model", "b", 5, 4)]);
        (change.Cause, change.Change, change.Largest.Count).ShouldBe((null, NanoUsd.Zero, 2));
    }

    [Fact]
    public void Where_the_cause_lies_on_several_models_none_is_named() =>
        Of([C("feature", "f", 0, 30), C("feature", "g", 10, 10)], C("feature", "f", 0, 14, "a"), C("feature", "f", 0, 13, "b"), C("feature", "f", 0, 3, "c")).CauseOnModel.ShouldBeNull();
}
