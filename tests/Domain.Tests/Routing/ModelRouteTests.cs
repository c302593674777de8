using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class ModelRouteTests
{
    private static readonly DateTime Monday = new(2026, 11, 30, 10, 0, 0);

    private static RouteQuestion Call(
        string key = "key_a", Tag[]? tags = null, long tokens = 100, bool tools = false, bool streams = false, DateTime? local = null, int? used = null) =>
        new(key, tags ?? [], tokens, tools, streams, local ?? Monday, () => used);

    private static RouteRule Rule(RouteConditions? when = null, params string[] models) =>
        new() { When = when ?? new(), Targets = [.. models.DefaultIfEmpty("openai/gpt-5-mini").Select(m => new RouteTarget(m))] };

    private static ModelRoute Route(params RouteRule[] rules) => new() { Id = "route_1", Name = "smart", Rules = rules };

    [Fact]
    public void The_first_rule_that_applies_is_the_calls()
    {
        var route = Route(Rule(new() { Streaming = true }), Rule(new() { Tools = true }), Rule());
        route.Find(Call(streams: true, tools: true))!.Value.Number.ShouldBe(1);
        route.Find(Call(tools: true))!.Value.Number.ShouldBe(2);
        route.Find(Call())!.Value.Number.ShouldBe(3);
        Route(Rule(new() { Tools = true })).Find(Call()).ShouldBeNull();
    }

    public static TheoryData<RouteConditions, RouteQuestion, bool> Conditions => new()
    {
        { new() { Keys = ["key_a", "key_b"] }, Call("key_b"), true },
        { new() { Keys = ["key_a", "key_b"] }, Call("key_c"), false },
        { new() { Tags = [new("customer", "acme")] }, Call(tags: [new("customer", "acme"), new("feature", "x")]), true },
        { new() { Tags = [new("customer", "acme")] }, Call(tags: [new("customer", "globex")]), false },
        { new() { Tags = [new("customer", "*")] }, Call(tags: [new("customer", "globex")]), true },
        { new() { Tags = [new("customer", "*")] }, Call(), false },
        { new() { Tags = [new("customer", "acme"), new("feature", "x")] }, Call(tags: [new("customer", "acme")]), false },
        { new() { PromptTokensAtLeast = 100, PromptTokensAtMost = 200 }, Call(tokens: 100), true },
        { new() { PromptTokensAtLeast = 100, PromptTokensAtMost = 200 }, Call(tokens: 200), true },
        { new() { PromptTokensAtLeast = 100 }, Call(tokens: 99), false },
        { new() { PromptTokensAtMost = 200 }, Call(tokens: 201), false },
        { new() { Tools = false }, Call(), true },
        { new() { Tools = false }, Call(tools: true), false },
        { new() { Streaming = true }, Call(), false },
        { new() { BudgetUsedAbove = 80 }, Call(used: 81), true },
        { new() { BudgetUsedAbove = 80 }, Call(used: 80), false },
        { new() { BudgetUsedAbove = 0 }, Call(used: null), false }, // no budget applies: none is used
        { new() { Hours = new([DayOfWeek.Monday], new(9, 0), new(17, 0)) }, Call(), true },
        { new() { Hours = new([DayOfWeek.Monday], new(9, 0), new(17, 0)) }, Call(local: Monday.AddHours(7)), false }, // the end isn't within
        { new() { Hours = new([DayOfWeek.Tuesday], new(9, 0), new(17, 0)) }, Call(), false },
        { new() { Hours = new([DayOfWeek.Sunday], new(22, 0), new(11, 0)) }, Call(), true }, // since yesterday
        { new() { Hours = new([DayOfWeek.Monday], new(22, 0), new(11, 0)) }, Call(), false }, // it only begins today
    };

    [Theory]
    [MemberData(nameof(Conditions))]
    public void A_rule_applies_where_all_that_it_says_holds(RouteConditions when, RouteQuestion call, bool holds) => when.Hold(call).ShouldBe(holds);

    [Fact]
    public void What_a_budget_has_used_is_only_asked_where_a_rule_wants_to_know()
    {
        var asked = 0;
        var call = Call() with { BudgetUsed = () => ++asked };
        Route(Rule(new() { Tools = true }), Rule()).Find(call);
        asked.ShouldBe(0);
        Route(Rule(new() { Tools = true, BudgetUsedAbove = 1 }), Rule(new() { BudgetUsedAbove = 99 }), Rule()).Find(call);
        asked.ShouldBe(1);
    }

    public static TheoryData<ModelRoute, string> Problems => new()
    {
        { Route(), "1 to 20 rules" },
        { Route(Rule()) with { Name = "with space" }, "name" },
        { Route(Rule()) with { Name = "" }, "name" },
        { Route(Rule(), Rule()), "Rule 1 applies to every call" },
        { Route(Rule() with { Targets = [] }), "Rule 1: A rule has 1 to 10 targets; this has 0." },
        { Route(Rule() with { Targets = [new("a", 0)] }), "weight" },
        { Route(Rule(null, "a", "a")), "once" },
        { Route(Rule(null, "a b")), "'a b' is no model" },
        { Route(Rule() with { Retries = 6 }), "Retries" },
        { Route(Rule() with { FirstByteTimeout = TimeSpan.FromMilliseconds(99) }), "100 ms" },
        { Route(Rule(new() { PromptTokensAtLeast = 2, PromptTokensAtMost = 1 })), "at least is not above at most" },
        { Route(Rule(new() { BudgetUsedAbove = 101 })), "0 to 100 percent" },
        { Route(Rule(new() { Hours = new([], new(9, 0), new(10, 0)) })), "Hours" },
    };

    [Theory]
    [MemberData(nameof(Problems))]
    public void What_is_wrong_with_a_route_is_said_by_its_name(ModelRoute route, string says) => route.Problem().ShouldNotBeNull().ShouldContain(says);

    [Fact]
    public void A_route_that_is_well_has_no_problem() =>
        Route(Rule(new() { Tools = true }, "openai/gpt-5-mini", "anthropic/claude-haiku-4-5"), Rule()).Problem().ShouldBeNull();
}
