using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Ledger;

/// <summary>One layer of a stacked chart.</summary>
/// <param name="Key">The value; null for all the others together.</param>
/// <param name="Costs">One for each bucket.</param>
public sealed record SpendLayer(string? Key, IReadOnlyList<NanoUsd> Costs, NanoUsd Cost);

/// <summary>Spend over time in at most seven layers and the others together, the largest first.</summary>
public sealed record SpendStacks(IReadOnlyList<(DateTimeOffset Start, DateTimeOffset End)> Buckets, IReadOnlyList<SpendLayer> Stacks)
{
    public const int Most = 7;

    public static SpendStacks Of(SummaryQuestion question, IEnumerable<SummaryLine> lines, Func<SummaryLine, string> key)
    {
        var edges = question.Edges();
        var places = new Dictionary<DateTimeOffset, int>();
        for (var i = 0; i + 1 < edges.Count; i++)
            places[edges[i]] = i;
        var layers = new Dictionary<string, NanoUsd[]>(StringComparer.Ordinal);
        foreach (var line in lines)
        {
            if (!layers.TryGetValue(key(line), out var layer))
                layers[key(line)] = layer = new NanoUsd[places.Count];
            // Where retention has moved an edge back, it is the bucket that the edge begins.
            var at = places.TryGetValue(line.BucketStart, out var place) ? place : places.Where(p => p.Key <= line.BucketEnd).Select(p => p.Value).DefaultIfEmpty(0).Max();
            layer[at] += line.Totals.Cost;
        }

        var sorted = layers.Select(l => new SpendLayer(l.Key, l.Value, Sum(l.Value))).Where(s => s.Cost != NanoUsd.Zero).OrderByDescending(s => s.Cost).ThenBy(s => s.Key, StringComparer.Ordinal).ToList();
        var stacks = sorted.Take(Most).ToList();
        // One alone is no "other".
        if (sorted.Count == Most + 1)
            stacks.Add(sorted[Most]);
        else if (sorted.Count > Most)
        {
            var other = new NanoUsd[places.Count];
            foreach (var stack in sorted.Skip(Most))
                for (var i = 0; i < other.Length; i++)
                    other[i] += stack.Costs[i];
            stacks.Add(new SpendLayer(null, other, Sum(other)));
        }

        return new SpendStacks([.. edges.Zip(edges.Skip(1))], stacks);
    }

    private static NanoUsd Sum(IEnumerable<NanoUsd> costs) => costs.Aggregate(NanoUsd.Zero, (a, b) => a + b);
}
