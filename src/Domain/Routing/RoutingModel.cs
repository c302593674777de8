namespace Tokonomics.Domain.Routing;

/// <summary>
/// What sums say of a prompt: how much worse the candidate is expected to be. The mean of its class, shrunk to the mean of all, and within the class a ridge on the prompt's features. Immutable;
/// made anew from the sums now and then (about 0.2 ms), asked at every request.
/// </summary>
public sealed class RoutingModel
{
    /// <summary>A class weighs the mean of all as if it were so many labels of its own.</summary>
    public const double Shrinkage = 8;

    /// <summary>A class with fewer labels is not routed by prompt: its mean is another's.</summary>
    public const double LeastOfClass = 8;

    // In labels, of features scaled to a deviation of 1 within their class. Chosen on the train split of docs/routing/evaluation.md's data: 1,000 to 6,000 do nearly as well.
    private const double Penalty = 2500;

    // How much of the gap's spread within a class the rank explains is estimated too, and shrunk; never nothing, so that within a class prompts stay in order.
    private const double SlopePenalty = 100;
    private const double LeastSlope = 0.02;

    private static readonly double RankScale = Math.Sqrt(Enumerable.Range(0, RoutingSums.Ranks).Sum(r => Middle(r) * Middle(r)) / RoutingSums.Ranks);

    // What stands in the middle of each rank, in deviations; their mean square is 1.
    private static readonly double[] RankScores = [.. Enumerable.Range(0, RoutingSums.Ranks).Select(r => Middle(r) / RankScale)];

    private readonly double[] _weights;
    private readonly double[] _centre;
    private readonly double _spread;
    private readonly double _slope;
    private readonly Dictionary<TrafficClass, (double Gap, double[] Centre)> _classes = [];
    private readonly double _gap;

    private RoutingModel(RoutingSums sums)
    {
        Labels = sums.Ridge.Count;
        Classes = [.. sums.Classes.Keys];
        var all = sums.All;
        _gap = all.Gap;
        _centre = new double[PromptFeatures.Count];
        for (var i = 0; i < _centre.Length && Labels > 0; i++)
            _centre[i] = sums.Ridge.Sum(i) / Labels;
        foreach (var (name, sum) in sums.Classes)
        {
            var (own, centre) = (sum.All, new double[PromptFeatures.Count]);
            for (var i = 0; i < centre.Length; i++)
                centre[i] = (sum.Feature(i) + (Shrinkage * _centre[i])) / (own.Count + Shrinkage);
            _classes.Add(name, (Shrunk(own, _gap), centre));
        }

        (_weights, _spread) = Ridge(sums);
        _slope = Slope(sums, -1, _gap);
    }

    /// <summary>How many it rests on.</summary>
    public double Labels { get; }

    public IReadOnlyList<TrafficClass> Classes { get; }

    /// <summary>Makes a model; of no labels one that finds all prompts alike.</summary>
    public static RoutingModel Of(RoutingSums sums) => new(sums);

    /// <summary>How much worse the candidate's score is expected to be than the strong's; higher: needs the strong model more.</summary>
    public double ExpectedGap(TrafficClass name, ReadOnlySpan<double> features) =>
        (_classes.TryGetValue(name, out var known) ? known.Gap : _gap) + (_slope * Deviation(name, features) / RankScale);

    /// <summary>Into which part of its class a prompt falls: 0 needs the strong model least, <see cref="RoutingSums.Ranks"/> − 1 most.</summary>
    public int Rank(TrafficClass name, ReadOnlySpan<double> features) => Math.Min(RoutingSums.Ranks - 1, (int)(RoutingSums.Ranks * Normal(Deviation(name, features))));

    /// <summary>
    /// Where each class's ranks stand among all labels when they are put in order by the expected gap: 0 to 1, the share of the traffic that comes before. Above 1 for classes with fewer than
    /// <see cref="LeastOfClass"/> labels.
    /// </summary>
    /// <param name="without">The fold that is left out; −1 for none.</param>
    internal static Dictionary<TrafficClass, double[]> Shares(RoutingSums sums, int without)
    {
        var all = default(PairedSums);
        foreach (var sum in sums.Classes.Values)
            all.Add(Without(sum, without));
        var slope = Slope(sums, without, all.Gap);
        var cells = new List<(double Gap, TrafficClass Class, int Rank, double Weight)>();
        var shares = new Dictionary<TrafficClass, double[]>();
        foreach (var (name, sum) in sums.Classes)
        {
            var own = Without(sum, without);
            shares[name] = new double[RoutingSums.Ranks];
            Array.Fill(shares[name], 2);
            if (own.Count < LeastOfClass)
                continue;
            var gap = Shrunk(own, all.Gap);
            for (var rank = 0; rank < RoutingSums.Ranks; rank++)
                cells.Add((gap + (slope * RankScores[rank]), name, rank, own.Count / RoutingSums.Ranks / all.Count));
        }

        var before = 0d;
        foreach (var (_, name, rank, weight) in cells.OrderBy(c => c.Gap))
        {
            shares[name][rank] = before + (weight / 2);
            before += weight;
        }

        return shares;
    }

    private static PairedSums Without(ClassSums sums, int fold)
    {
        var all = default(PairedSums);
        for (var i = 0; i < RoutingSums.Folds; i++)
            if (i != fold)
                all.Add(sums.Fold(i));
        return all;
    }

    private static double Shrunk(in PairedSums own, double gap) => (own.Strong - own.Candidate + (Shrinkage * gap)) / (own.Count + Shrinkage);

    // By how much the gap grows from rank to rank, over all classes.
    private static double Slope(RoutingSums sums, int without, double gap)
    {
        var (with, squares) = (0d, SlopePenalty);
        foreach (var sum in sums.Classes.Values)
        {
            var expected = Shrunk(Without(sum, without), gap);
            for (var fold = 0; fold < RoutingSums.Folds; fold++)
                for (var rank = 0; rank < RoutingSums.Ranks && fold != without; rank++)
                {
                    var cell = sum.Cell(fold, rank);
                    with += RankScores[rank] * (cell.Strong - cell.Candidate - (cell.Count * expected));
                    squares += RankScores[rank] * RankScores[rank] * cell.Count;
                }
        }

        return Math.Max(LeastSlope, with / squares);
    }

    // The ridge's part of a prompt, in deviations of it within a class.
    private double Deviation(TrafficClass name, ReadOnlySpan<double> features)
    {
        var centre = _classes.TryGetValue(name, out var known) ? known.Centre : _centre;
        var sum = 0d;
        for (var i = 0; i < _weights.Length; i++)
            sum += _weights[i] * (features[i] - centre[i]);
        return _spread > 0 ? sum / _spread : 0;
    }

    // Products within classes are products in all less those of the classes' centres: no row is needed.
    private (double[] Weights, double Spread) Ridge(RoutingSums sums)
    {
        const int n = PromptFeatures.Count;
        var (a, b) = (new double[n, n], new double[n]);
        for (var i = 0; i < n; i++)
        {
            b[i] = sums.Ridge.WithGap(i);
            for (var j = 0; j <= i; j++)
                a[i, j] = sums.Ridge.Products(i, j);
        }

        foreach (var (name, sum) in sums.Classes)
        {
            var ((gap, centre), own) = (_classes[name], sum.All);
            for (var i = 0; i < n; i++)
            {
                b[i] -= (sum.Feature(i) * gap) + (centre[i] * (own.Strong - own.Candidate - (own.Count * gap)));
                for (var j = 0; j <= i; j++)
                    a[i, j] -= (sum.Feature(i) * centre[j]) + (centre[i] * sum.Feature(j)) - (own.Count * centre[i] * centre[j]);
            }
        }

        var (scale, scatter) = (new double[n], (double[,])a.Clone());
        for (var i = 0; i < n; i++)
            scale[i] = Math.Sqrt(Math.Max(0, a[i, i]) / Math.Max(1, Labels)) + 1e-6;
        for (var i = 0; i < n; i++)
        {
            b[i] /= scale[i];
            for (var j = 0; j <= i; j++)
                a[i, j] /= scale[i] * scale[j];
            a[i, i] += Penalty;
        }

        Solve(a, b);
        for (var i = 0; i < n; i++)
            b[i] /= scale[i];
        var squares = 0d;
        for (var i = 0; i < n; i++)
            for (var j = 0; j <= i; j++)
                squares += b[i] * b[j] * scatter[i, j] * (i == j ? 1 : 2);
        return (b, Math.Sqrt(Math.Max(0, squares) / Math.Max(1, Labels)));
    }

    // Cholesky; the penalty on the diagonal makes every matrix of sums positive.
    private static void Solve(double[,] a, double[] b)
    {
        var n = b.Length;
        for (var j = 0; j < n; j++)
        {
            for (var i = j; i < n; i++)
            {
                var sum = a[i, j];
                for (var k = 0; k < j; k++)
                    sum -= a[i, k] * a[j, k];
                a[i, j] = i == j ? Math.Sqrt(sum) : sum / a[j, j];
            }
        }

        for (var i = 0; i < n; i++)
        {
            for (var k = 0; k < i; k++)
                b[i] -= a[i, k] * b[k];
            b[i] /= a[i, i];
        }

        for (var i = n - 1; i >= 0; i--)
        {
            for (var k = i + 1; k < n; k++)
                b[i] -= a[k, i] * b[k];
            b[i] /= a[i, i];
        }
    }

    // The normal distribution by the logistic one: within 0.01 of it, and its inverse is a logarithm.
    private static double Normal(double x) => 1 / (1 + Math.Exp(-1.702 * x));

    private static double Middle(int rank)
    {
        var below = (rank + 0.5) / RoutingSums.Ranks;
        return Math.Log(below / (1 - below)) / 1.702;
    }
}
