using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Web.Portal.Tests;

public sealed class RouteSentencesTests
{
    private static readonly Dictionary<string, string> Keys = new() { ["key_1"] = "batch-eu" };

    private static string When(RouteConditions when, bool first = true) => RouteSentences.When(when, Keys, first);

    private static RouteRule To(params (string Model, int Weight)[] targets) => new() { Targets = [.. targets.Select(t => new RouteTarget(t.Model, t.Weight))] };

    [Fact]
    public void Conditions_are_said_one_after_the_other()
    {
        When(new()).ShouldBe("For every call");
        When(new(), first: false).ShouldBe("For all other calls");
        When(new() { Tags = [new Tag("customer", "acme")], PromptTokensAtLeast = 1000 }).ShouldBe("For calls with customer=acme, of 1,000 tokens and more");
        When(new() { Tags = [new Tag("customer", "*"), new Tag("feature", "search")], Keys = ["key_1", "key_2"] }).ShouldBe("For calls of the key batch-eu or key_2, with any customer and feature=search");
        When(new() { PromptTokensAtMost = 500, Tools = false, Streaming = true }).ShouldBe("For calls of 500 tokens at most, without tools, that stream");
        When(new() { PromptTokensAtLeast = 1, PromptTokensAtMost = 500 }).ShouldBe("For calls of 1 to 500 tokens");
        When(new() { BudgetUsedAbove = 80 }).ShouldBe("For calls once more than 80 % of a budget is used");
    }

    [Fact]
    public void Hours_are_said_with_their_days()
    {
        string Hours(string from, string to, params DayOfWeek[] days) => When(new() { Hours = new RouteHours(days, TimeOnly.Parse(from), TimeOnly.Parse(to)) })["For calls ".Length..];
        Hours("09:00", "17:00", DayOfWeek.Friday, DayOfWeek.Monday, DayOfWeek.Tuesday, DayOfWeek.Wednesday, DayOfWeek.Thursday).ShouldBe("on Monday to Friday from 09:00 to 17:00");
        Hours("22:00", "06:00", DayOfWeek.Sunday, DayOfWeek.Saturday).ShouldBe("on Saturday and Sunday from 22:00 to 06:00 of the next day");
        Hours("00:00", "00:00", Enum.GetValues<DayOfWeek>()).ShouldBe("on every day");
        Hours("00:00", "00:00", DayOfWeek.Monday, DayOfWeek.Wednesday, DayOfWeek.Friday).ShouldBe("on Monday, Wednesday and Friday");
    }

    [Fact]
    public void Targets_are_said_as_they_are_tried()
    {
        RouteSentences.Goes(To(("a/x", 1))).ShouldBe("a/x");
        RouteSentences.Goes(To(("a/x", 1), ("b/y", 1))).ShouldBe("a/x, then b/y on errors");
        RouteSentences.Goes(To(("a/x", 1), ("b/y", 1), ("c/z", 1)) with { FallBackOn = RouteFaults.RateLimited | RouteFaults.Timeout }).ShouldBe("a/x, then b/y, then c/z on rate limits or timeouts");
        RouteSentences.Goes(To(("a/x", 1), ("b/y", 1)) with { FallBackOn = RouteFaults.None }).ShouldBe("a/x; the others only while it is failing");
        RouteSentences.Goes(To(("a/x", 2), ("b/y", 1)) with { Choose = TargetChoice.Weighted }).ShouldBe("a/x (66.7 %) or b/y (33.3 %), another on errors");
        RouteSentences.Goes(To(("a/x", 1), ("b/y", 1)) with { Choose = TargetChoice.Cheapest }).ShouldBe("the cheapest of a/x and b/y, another on errors");
        RouteSentences.Goes(To(("a/x", 1), ("b/y", 1)) with { Choose = TargetChoice.Fastest, FallBackOn = RouteFaults.None }).ShouldBe("the fastest of a/x and b/y");
        RouteSentences.Manner(To(("a/x", 1), ("b/y", 1)) with { FirstByteTimeout = TimeSpan.FromSeconds(5) }).ShouldBe("One retry each, 5 s until an answer begins; a conversation stays where it began");
        RouteSentences.Manner(To(("a/x", 1)) with { Retries = 0 }).ShouldBe("No retries");
    }

    [Fact]
    public void A_quality_group_is_said_with_what_it_does_and_what_comparing_may_cost()
    {
        var group = new RouteQuality { Candidates = ["b/y"], Keep = new QualityTarget(0.95), SampleLimit = NanoUsd.Round(10) };
        string? Said(RouteQuality? quality) => RouteSentences.Group(To(("a/x", 1), ("c/z", 1)) with { Quality = quality });
        Said(null).ShouldBeNull();
        Said(group).ShouldBe("It only watches whether b/y keeps 95 % of the quality of a/x; no call goes there. 3 % of the calls are compared, for $10.00 a month at most; tool calls and JSON are checked before the client sees them.");
        Said(group with { Active = true, Candidates = ["b/y", "b/w"], Judge = "j/k", Check = false, Keep = new QualityTarget(0.975) })
            .ShouldBe("Where comparisons prove that 97.5 % of the quality is kept, b/y or b/w answers instead of a/x. 3 % of the calls are compared, for $10.00 a month at most; j/k judges answers that differ.");
        Said(group with { SampleLimit = NanoUsd.Zero, Check = false }).ShouldEndWith("No call is compared.");
        Said(group with { SamplePercent = 0, Judge = "j/k" }).ShouldEndWith("No call is compared; tool calls and JSON are checked before the client sees them.");
    }
}
