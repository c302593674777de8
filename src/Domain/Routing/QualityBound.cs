namespace Tokonomics.Domain.Routing;

/// <summary>What must be kept of the strong model's mean score.</summary>
/// <param name="Target">0.5 to 1, such as 0.95.</param>
public readonly record struct QualityTarget(double Target)
{
    public static readonly IReadOnlyList<QualityTarget> Usual = [new(0.95), new(0.97), new(0.99)];

    /// <summary>Null where it is in its range; otherwise the sentence that says what is wrong.</summary>
    public string? Problem() => Target is >= 0.5 and <= 1 ? null : $"What is kept of the quality is 0.5 to 1, not {Target}.";
}

/// <summary>What a class's labels prove.</summary>
/// <param name="Mean">Of candidate − target × strong, shrunk to that of all classes.</param>
/// <param name="Lower">The end of the interval of which nine in ten lie above.</param>
public readonly record struct ClassProof(double Labels, double Mean, double Lower)
{
    /// <summary>Whether the class may be routed whole.</summary>
    public bool Holds => Labels >= QualityBound.LeastForClass && Lower >= 0;
}

/// <summary>
/// What may be routed for a quality to be kept. A class goes to the candidate whole when nine in ten of what its labels allow lies above the target. From a hundred labels on, prompts are taken in order,
/// over all classes, as far as the promise holds for all traffic of the group together.
/// </summary>
/// <remarks>
/// The promise: not more than a point below the target, in 95 of 100 cases. For it the end of the interval of which 985 in 1,000 lie above (2.17 deviations) must not be more than a point
/// below the target: not 950, since up to forty cuts are tried on the same labels and the luckiest of those that hold is taken. And it shall keep the target itself, not the target less a point, more
/// often than not: half a deviation above it. Chosen on the train split (docs/routing/evaluation.md), and between 2.05 and 2.25 deviations by a look at the dev split too; on train a plain bound of nine in ten at the target kept the promise too and saved a
/// third less at 99 % with 400 labels.
/// </remarks>
public static class QualityBound
{
    /// <summary>A class with fewer labels is never routed whole.</summary>
    public const int LeastForClass = 50;

    /// <summary>A group with fewer labels is never routed by prompt.</summary>
    public const int LeastForPrompts = 100;

    /// <summary>By how much of the strong's score the promise may be missed.</summary>
    public const double Tolerance = 0.01;

    private const double NineInTen = 1.2816;
    private const double WithinTolerance = 2.17;
    private const double AtTarget = 0.5;
    private const int Cuts = 40;

    /// <summary>The mean of candidate − target × strong in a class, shrunk to that of all, and its lower bound.</summary>
    public static ClassProof Prove(in PairedSums own, in PairedSums all, QualityTarget target)
    {
        const double k = RoutingModel.Shrinkage;
        if (all.Count <= 0)
            return default;
        var common = all.Margin(target.Target) / all.Count;
        var weight = own.Count + k;
        var mean = (own.Margin(target.Target) + (k * common)) / weight;
        // Squares about the shrunk mean, k of them the group's own spread; and one loss that hasn't been seen yet, since a class without any would be without doubt.
        var spread = (all.MarginSquares(target.Target) / all.Count) - (common * common);
        var squares = own.MarginSquares(target.Target) - (2 * mean * own.Margin(target.Target)) + (own.Count * mean * mean) + (k * spread) + 1;
        return new ClassProof(own.Count, mean, mean - (NineInTen * Math.Sqrt(squares / weight / weight)));
    }

    /// <summary>How far prompts may be routed.</summary>
    /// <param name="proven">Classes that are routed whole; counted as routed at every cut.</param>
    /// <returns>The share of the traffic, easiest first, that is routed; 0 where nothing is proven.</returns>
    internal static double Cut(RoutingSums sums, IReadOnlySet<TrafficClass> proven, QualityTarget target)
    {
        if (sums.Ridge.Count < LeastForPrompts)
            return 0;
        // 1. Each cell's share, in the order that the other folds give; and its sums at the target and a point below.
        var cells = new List<(double Share, double Margin, double Squares, double Least, double LeastSquares)>();
        var (count, margin, squares, least, leastSquares) = (0d, 0d, 0d, 0d, 0d);
        var (keep, below) = (target.Target, target.Target - Tolerance);
        for (var fold = 0; fold < RoutingSums.Folds; fold++)
            foreach (var (name, shares) in RoutingModel.Shares(sums, fold))
                for (var rank = 0; rank < RoutingSums.Ranks; rank++)
                {
                    var cell = sums.Classes[name].Cell(fold, rank);
                    if (cell.Count <= 0)
                        continue;
                    // Unrouted, strong − target × strong stays. What changes with routing: that, for candidate − target × strong.
                    var (stays, staysBelow) = ((1 - keep) * (1 - keep) * cell.StrongSquares, (1 - below) * (1 - below) * cell.StrongSquares);
                    count += cell.Count;
                    margin += (1 - keep) * cell.Strong;
                    least += (1 - below) * cell.Strong;
                    squares += stays;
                    leastSquares += staysBelow;
                    var lost = cell.Candidate - cell.Strong;
                    cells.Add((proven.Contains(name) ? 0 : shares[rank], lost, cell.MarginSquares(keep) - stays, lost, cell.MarginSquares(below) - staysBelow));
                }

        // 2. The widest cut that holds.
        cells.Sort((a, b) => a.Share.CompareTo(b.Share));
        var (best, at) = (0d, 0);
        for (var cut = 1; cut <= Cuts; cut++)
        {
            for (; at < cells.Count && cells[at].Share <= (double)cut / Cuts; at++)
            {
                margin += cells[at].Margin;
                squares += cells[at].Squares;
                least += cells[at].Least;
                leastSquares += cells[at].LeastSquares;
            }

            if (Holds(count, margin, squares, AtTarget) && Holds(count, least, leastSquares, WithinTolerance))
                best = (double)cut / Cuts;
        }

        return best;
    }

    // One loss more than were seen: labels without any would be without doubt.
    private static bool Holds(double count, double sum, double squares, double deviations)
    {
        var mean = sum / count;
        return mean >= deviations * Math.Sqrt(Math.Max(0, ((squares + 1) / count) - (mean * mean)) / count);
    }
}
