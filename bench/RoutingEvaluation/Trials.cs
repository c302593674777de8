using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Bench.RoutingEvaluation;

/// <summary>What one draw of labels gave on the rows that none of them came from.</summary>
/// <param name="Saved">Of the strong model's cost, 0 to 1; the holdout left out, as it is the same at any quality.</param>
/// <param name="Kept">Of the strong model's mean score.</param>
/// <param name="IsForetold">The saving lies in the interval that was estimated from the sums beforehand.</param>
public readonly record struct Routed(double Saved, double Kept, bool IsForetold);

/// <summary>Draws labels from a pool's train rows, learns from them one by one as a product would, and measures on its test rows.</summary>
public static class Trials
{
    // The model that ranks a label is as old as this many labels at most.
    private const int Refit = 25;

    private static readonly PairFingerprint Pair = PairFingerprint.Of("strong", "1", "candidate", "1");

    /// <summary>Where labels and what is measured come from the same split: two thirds for the ones, the others for the other, another part in each draw. Otherwise the pool as it is.</summary>
    public static Pool Part(Pool pool, int seed)
    {
        if (pool.Train != pool.Test)
            return pool;
        var rows = pool.Train.ToArray();
        new Random(-seed - 1).Shuffle(rows);
        return pool with { Train = rows[..(rows.Length * 2 / 3)], Test = rows[(rows.Length * 2 / 3)..] };
    }

    /// <summary>Visits the sums after each of the numbers of labels, in one draw.</summary>
    public static void Draw(Pool pool, int seed, IReadOnlyList<int> labels, Action<int, RoutingSums> visit)
    {
        var random = new Random(seed);
        var rows = pool.Train.ToArray();
        random.Shuffle(rows);
        var sums = new RoutingSums(Pair);
        RoutingModel? model = null;
        for (var i = 0; i <= rows.Length && i <= labels.Max(); i++)
        {
            if (labels.Contains(i))
                visit(i, sums);
            if (i == rows.Length)
                break;
            if (i % Refit == 0)
                model = RoutingModel.Of(sums);
            sums.Learn(rows[i].Label, model);
        }
    }

    public static Routed Route(Pool pool, RoutingSums sums, QualityTarget target, RoutingModel model)
    {
        var policy = RoutingPolicy.Of(sums, target, model);
        var (strong, kept, cost, all) = (0d, 0d, 0d, 0d);
        foreach (var row in pool.Test)
        {
            // Asked with a number beyond the holdout's.
            var costs = new RouteCosts(row.Label.StrongCost, row.Label.CandidateCost);
            var routed = QualityRouter.Decide(policy, row.Label.Class, row.Label.Features.Span, costs with { Candidate = NanoUsd.Zero, Strong = new NanoUsd(1) }, 1).ToCandidate;
            strong += row.Strong;
            kept += routed ? row.Candidate : row.Strong;
            all += row.StrongUsd;
            cost += routed ? row.CandidateUsd : row.StrongUsd;
        }

        var estimate = SavingEstimate.Of(sums, policy, pool.Test.GroupBy(r => r.Label.Class).ToDictionary(g => g.Key, g => (long)g.Count())).All;
        var saved = (all - cost) * (1 - QualityRouter.HoldoutShare);
        return new Routed(1 - (cost / all), kept / strong, saved >= (double)estimate.SavingLow.Usd - 1e-9 && saved <= (double)estimate.SavingHigh.Usd + 1e-9);
    }

    public static double[] Scores(Pool pool, RoutingModel model) =>
        [.. pool.Test.Select(row => model.Labels > 0 ? model.ExpectedGap(row.Label.Class, row.Label.Features.Span) : PromptFeatures.Difficulty(row.Label.Features.Span))];

    /// <summary>
    /// The mean share of the gap between candidate and strong that is recovered, over all shares of calls that go to the strong model, those with the highest scores first; ties are taken in
    /// expectation. 0.5 is chance. The same number as evaluate.py's.
    /// </summary>
    public static double Apgr(IReadOnlyList<Row> rows, double[] scores)
    {
        var order = Enumerable.Range(0, rows.Count).OrderByDescending(i => scores[i]).ToArray();
        var (weak, strong) = (rows.Average(r => r.Candidate), rows.Average(r => r.Strong));
        var (area, quality) = (0d, weak);
        for (var i = 0; i < order.Length;)
        {
            var (from, before) = (i, quality);
            for (; i < order.Length && scores[order[i]] == scores[order[from]]; i++)
                quality += (rows[order[i]].Strong - rows[order[i]].Candidate) / rows.Count;
            area += (double)(i - from) / rows.Count * (before + quality - (2 * weak)) / 2;
        }

        return area / (strong - weak);
    }
}
