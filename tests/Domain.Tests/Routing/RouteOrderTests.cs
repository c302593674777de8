using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class RouteOrderTests
{
    private static RouteRule Rule(TargetChoice choose, params int[] weights) =>
        new() { Choose = choose, Targets = [.. weights.Select((w, i) => new RouteTarget($"m{i}", w))] };

    private static int[] Order(RouteRule rule, double share = 0, decimal?[]? cost = null, int?[]? latency = null, int pinned = -1, params int[] open) =>
        RouteOrder.Of(rule, share, i => cost?[i], i => latency?[i] is { } ms ? TimeSpan.FromMilliseconds(ms) : null, pinned, open.Contains);

    [Fact]
    public void Ordered_targets_are_tried_as_they_stand() => Order(Rule(TargetChoice.Ordered, 1, 1, 1)).ShouldBe([0, 1, 2]);

    [Fact]
    public void Draws_by_weight_come_out_in_their_proportion_and_the_others_follow_in_order()
    {
        var rule = Rule(TargetChoice.Weighted, 1, 2, 7);
        var first = Enumerable.Range(0, 1000).Select(i => Order(rule, i / 1000.0)).ToList();
        first.CountBy(o => o[0]).OrderBy(g => g.Key).Select(g => g.Value).ShouldBe([100, 200, 700]);
        Order(rule, 0.15).ShouldBe([1, 0, 2]);
    }

    [Fact]
    public void The_cheapest_is_the_first_and_one_without_a_price_the_last_choice()
    {
        Order(Rule(TargetChoice.Cheapest, 1, 1, 1), cost: [3, 1, 2]).ShouldBe([1, 0, 2]);
        Order(Rule(TargetChoice.Cheapest, 1, 1), cost: [null, 1]).ShouldBe([1, 0]);
    }

    [Fact]
    public void The_fastest_is_the_first_and_one_that_nobody_has_met_is_tried()
    {
        Order(Rule(TargetChoice.Fastest, 1, 1, 1), latency: [300, 100, 200]).ShouldBe([1, 0, 2]);
        Order(Rule(TargetChoice.Fastest, 1, 1, 1), latency: [300, 100, null]).ShouldBe([2, 0, 1]);
    }

    [Fact]
    public void A_target_that_fails_comes_after_all_that_do_not()
    {
        Order(Rule(TargetChoice.Ordered, 1, 1, 1), open: [0]).ShouldBe([1, 2, 0]);
        Order(Rule(TargetChoice.Ordered, 1, 1, 1), open: [0, 1, 2]).ShouldBe([0, 1, 2]);
        Order(Rule(TargetChoice.Weighted, 1, 1), share: 0.9, pinned: 1, open: [1]).ShouldBe([0, 1]);
    }

    [Fact]
    public void A_conversation_stays_where_it_is_unless_a_switch_is_worth_the_prompt_that_is_cached_there()
    {
        Order(Rule(TargetChoice.Weighted, 1, 1), share: 0.1, pinned: 1).ShouldBe([1, 0]);
        Order(Rule(TargetChoice.Fastest, 1, 1), latency: [1, 500], pinned: 1).ShouldBe([1, 0]);
        Order(Rule(TargetChoice.Cheapest, 1, 1), cost: [6, 10], pinned: 1).ShouldBe([1, 0]);
        Order(Rule(TargetChoice.Cheapest, 1, 1), cost: [4, 10], pinned: 1).ShouldBe([0, 1]);
    }

    [Theory]
    [InlineData(1, null, 0.0, 125)]
    [InlineData(1, null, 1.0, 250)]
    [InlineData(3, null, 1.0, 1000)]
    [InlineData(20, null, 1.0, 5000)]
    [InlineData(1, 3000, 0.0, 3000)]
    [InlineData(1, -50, 0.0, 0)] // a date that has passed
    [InlineData(1, 5001, 0.0, null)]
    public void Delays_grow_are_spread_and_end_where_waiting_is_not_worth_it(int failures, int? asked, double share, int? milliseconds) =>
        RetryDelay.Of(failures, asked is { } ms ? TimeSpan.FromMilliseconds(ms) : null, share).ShouldBe(milliseconds is { } wait ? TimeSpan.FromMilliseconds(wait) : null);
}
