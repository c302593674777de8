namespace Tokonomics.Domain.Routing;

/// <summary>In which order the targets of a rule are tried.</summary>
public static class RouteOrder
{
    /// <summary>A switch of the target in the middle of a conversation has to be cheaper than that share of staying, since the prompt that the provider had cached is read anew.</summary>
    public const decimal WorthASwitch = 0.5m;

    /// <param name="share">In [0, 1): which target is drawn where the choice is by weight. The same for all calls of a conversation.</param>
    /// <param name="cost">What the call is expected to cost at a target, in whatever unit; null where its price isn't known: it comes last.</param>
    /// <param name="latency">Until its recent answers began; null where there were none: it comes first, to find out.</param>
    /// <param name="pinned">The target that the conversation is at; -1 where it isn't known.</param>
    /// <param name="open">The target is failing: it comes after all that are not.</param>
    /// <returns>The targets' places.</returns>
    public static int[] Of(RouteRule rule, double share, Func<int, decimal?> cost, Func<int, TimeSpan?> latency, int pinned, Func<int, bool> open)
    {
        var order = Enumerable.Range(0, rule.Targets.Count).ToArray();
        if (order.Length == 1)
            return order;
        var first = rule.Choose switch
        {
            TargetChoice.Weighted => Drawn(rule.Targets, share),
            TargetChoice.Cheapest => order.MinBy(i => cost(i) ?? decimal.MaxValue),
            TargetChoice.Fastest => order.MinBy(i => latency(i) ?? TimeSpan.Zero),
            _ => 0,
        };
        if (pinned >= 0 && pinned != first && !(rule.Choose == TargetChoice.Cheapest && cost(first) is { } there && cost(pinned) is { } here && there < here * WorthASwitch))
            first = pinned;
        return [.. order.OrderBy(i => open(i)).ThenBy(i => i != first).ThenBy(i => i)];
    }

    private static int Drawn(IReadOnlyList<RouteTarget> targets, double share)
    {
        var left = share * targets.Sum(t => t.Weight);
        for (var i = 0; i < targets.Count - 1; i++)
            if ((left -= targets[i].Weight) < 0)
                return i;
        return targets.Count - 1;
    }
}
