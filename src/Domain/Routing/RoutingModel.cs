namespace Tokonomics.Domain.Routing;

/// <summary>
/// What sums say of a prompt: how much worse the candidate is expected to be. The mean of its class, shrunk to the mean of all, and within the class a ridge on the prompt's features, of all labels and of the class's own. Immutable;
/// made anew from the sums now and then (about 0.3 ms with fourteen classes), asked at every request.
/// </summary>
public sealed class RoutingModel
{
    /// <summary>Where a class's margin and the middle of its prompts are concerned, the mean of all weighs as so many labels of its own. Of its gap: <see cref="ClassGaps"/>.</summary>
    public const double Shrinkage = 8;

    /// <summary>A class with fewer labels is not routed by prompt: its mean is another's.</summary>
    public const double LeastOfClass = 8;

    // What is known of any traffic before there is a label: longer prompts, formulas and questions of reasoning need the strong model sooner. As much as so many labels would say that find it to be so in full.
    private const double FirstGuess = 30;

    // How much of the gap's spread within a class the rank explains is estimated too, and shrunk; never nothing, so that within a class prompts stay in order.
    private const double SlopePenalty = 100;
    private const double LeastSlope = 0.02;

    private static readonly double RankScale = Math.Sqrt(Enumerable.Range(0, RoutingSums.Ranks).Sum(r => Middle(r) * Middle(r)) / RoutingSums.Ranks);

    // What stands in the middle of each rank, in deviations; their mean square is 1.
    private static readonly double[] RankScores = [.. Enumerable.Range(0, RoutingSums.Ranks).Select(r => Middle(r) / RankScale)];

    private readonly Part _all;
    private readonly double _slope;
    private readonly Dictionary<TrafficClass, Part> _classes = [];

    private RoutingModel(RoutingSums sums)
    {
        Labels = sums.Ridge.Count;
        Classes = [.. sums.Classes.Keys];
        var (gap, centre) = (sums.All.Gap, new double[PromptFeatures.Count]);
        for (var i = 0; i < centre.Length && Labels > 0; i++)
            centre[i] = sums.Ridge.Sum(i) / Labels;
        _all = new Part(gap, centre);
        var gaps = ClassGaps.Of(Without(sums, -1), gap);
        foreach (var (name, mean) in gaps)
            _classes.Add(name, new Part(mean, Centre(sums.Classes[name], centre)));
        Fit(sums);
        _slope = Slope(sums, -1, gaps);
    }

    /// <summary>How many it rests on.</summary>
    public double Labels { get; }

    public IReadOnlyList<TrafficClass> Classes { get; }

    /// <summary>Makes a model; of no labels one that finds all prompts alike.</summary>
    public static RoutingModel Of(RoutingSums sums) => new(sums);

    /// <summary>How much worse the candidate's score is expected to be than the strong's; higher: needs the strong model more.</summary>
    public double ExpectedGap(TrafficClass name, ReadOnlySpan<double> features)
    {
        var part = Of(name);
        return part.Gap + (_slope * part.Deviation(features) / RankScale);
    }

    /// <summary>Into which part of its class a prompt falls: 0 needs the strong model least, <see cref="RoutingSums.Ranks"/> − 1 most.</summary>
    public int Rank(TrafficClass name, ReadOnlySpan<double> features) => Math.Min(RoutingSums.Ranks - 1, (int)(RoutingSums.Ranks * Normal(Of(name).Deviation(features))));

    /// <summary>
    /// Where each class's ranks stand among all labels when they are put in order by the expected gap: 0 to 1, the share of the traffic that comes before. Above 1 for classes with fewer than
    /// <see cref="LeastOfClass"/> labels.
    /// </summary>
    /// <param name="without">The fold that is left out; −1 for none.</param>
    internal static Dictionary<TrafficClass, double[]> Shares(RoutingSums sums, int without)
    {
        var all = default(PairedSums);
        var classes = Without(sums, without);
        foreach (var own in classes.Values)
            all.Add(own);
        var gaps = ClassGaps.Of(classes, all.Gap);
        var slope = Slope(sums, without, gaps);
        var cells = new List<(double Gap, TrafficClass Class, int Rank, double Weight)>();
        var shares = new Dictionary<TrafficClass, double[]>();
        foreach (var (name, own) in classes)
        {
            shares[name] = new double[RoutingSums.Ranks];
            Array.Fill(shares[name], 2);
            if (own.Count < LeastOfClass)
                continue;
            for (var rank = 0; rank < RoutingSums.Ranks; rank++)
                cells.Add((gaps[name] + (slope * RankScores[rank]), name, rank, own.Count / RoutingSums.Ranks / all.Count));
        }

        var before = 0d;
        foreach (var (_, name, rank, weight) in cells.OrderBy(c => c.Gap))
        {
            shares[name][rank] = before + (weight / 2);
            before += weight;
        }

        return shares;
    }

    private static Dictionary<TrafficClass, PairedSums> Without(RoutingSums sums, int fold)
    {
        var classes = new Dictionary<TrafficClass, PairedSums>(sums.Classes.Count);
        foreach (var (name, sum) in sums.Classes)
        {
            var all = default(PairedSums);
            for (var i = 0; i < RoutingSums.Folds; i++)
                if (i != fold)
                    all.Add(sum.Fold(i));
            classes.Add(name, all);
        }

        return classes;
    }

    // By how much the gap grows from rank to rank, over all classes.
    private static double Slope(RoutingSums sums, int without, Dictionary<TrafficClass, double> gaps)
    {
        var (with, squares) = (0d, SlopePenalty);
        foreach (var (name, sum) in sums.Classes)
            for (var fold = 0; fold < RoutingSums.Folds; fold++)
                for (var rank = 0; rank < RoutingSums.Ranks && fold != without; rank++)
                {
                    var cell = sum.Cell(fold, rank);
                    with += RankScores[rank] * (cell.Strong - cell.Candidate - (cell.Count * gaps[name]));
                    squares += RankScores[rank] * RankScores[rank] * cell.Count;
                }

        return Math.Max(LeastSlope, with / squares);
    }

    private static double[] Centre(ClassSums sum, double[] ofAll)
    {
        var (count, centre) = (sum.All.Count, new double[PromptFeatures.Count]);
        for (var i = 0; i < centre.Length; i++)
            centre[i] = (sum.Feature(i) + (Shrinkage * ofAll[i])) / (count + Shrinkage);
        return centre;
    }

    private Part Of(TrafficClass name) => _classes.TryGetValue(name, out var known) ? known : _all;

    // Products within classes are products in all less those of the classes' centres: no row is needed.
    private void Fit(RoutingSums sums)
    {
        const int n = PromptFeatures.Count;
        // 1. Of all classes together.
        var (products, withGap) = (new double[n, n], new double[n]);
        for (var i = 0; i < n; i++)
        {
            withGap[i] = sums.Ridge.WithGap(i);
            for (var j = 0; j <= i; j++)
                products[i, j] = sums.Ridge.Products(i, j);
        }

        foreach (var (name, sum) in sums.Classes)
        {
            var ((gap, centre), own) = ((_classes[name].Gap, _classes[name].Centre), sum.All);
            for (var i = 0; i < n; i++)
            {
                withGap[i] -= Between(sum, own, i, gap, centre);
                for (var j = 0; j <= i; j++)
                    products[i, j] -= (sum.Feature(i) * centre[j]) + (centre[i] * sum.Feature(j)) - (own.Count * centre[i] * centre[j]);
            }
        }

        var fit = new RidgeFit(products, Labels);
        var common = fit.Weights(withGap, Labels, FirstGuess);
        common.CopyTo(_all.Weights, 0);

        // 2. A class adds what its own labels say: its prompts may differ in what makes them hard.
        var (labels, squares, ofClass) = (1e-9, 1e-9 * fit.Variance(common), new double[n]);
        foreach (var (name, sum) in sums.Classes)
        {
            var (part, own) = (_classes[name], sum.All);
            common.CopyTo(part.Weights, 0);
            if (own.Count >= LeastOfClass)
            {
                for (var i = 0; i < n; i++)
                    ofClass[i] = sum.WithGap(i) - Between(sum, own, i, part.Gap, part.Centre);
                var added = fit.Weights(ofClass, own.Count, 0);
                for (var i = 0; i < n; i++)
                    part.Weights[i] += added[i];
            }

            labels += own.Count;
            squares += own.Count * fit.Variance(part.Weights);
        }

        // 3. In deviations within a class.
        var spread = Math.Sqrt(squares / labels);
        foreach (var part in _classes.Values.Append(_all))
        {
            fit.Unscale(part.Weights, spread);
            part.Settle();
        }
    }

    // What of a class's products of a feature and the gap its means make alone.
    private static double Between(ClassSums sum, in PairedSums own, int feature, double gap, double[] centre) =>
        (sum.Feature(feature) * gap) + (centre[feature] * (own.Strong - own.Candidate - (own.Count * gap)));

    // The normal distribution by the logistic one: within 0.01 of it, and its inverse is a logarithm.
    private static double Normal(double x) => 1 / (1 + Math.Exp(-1.702 * x));

    private static double Middle(int rank)
    {
        var below = (rank + 0.5) / RoutingSums.Ranks;
        return Math.Log(below / (1 - below)) / 1.702;
    }

    // Of a class, or of all for one that isn't known.
    private sealed class Part(double gap, double[] centre)
    {
        private double _offset;

        public double Gap => gap;

        public double[] Centre => centre;

        public double[] Weights { get; } = new double[PromptFeatures.Count];

        public void Settle()
        {
            for (var i = 0; i < centre.Length; i++)
                _offset -= Weights[i] * centre[i];
        }

        // The ridge's part of a prompt, in deviations of it within a class.
        public double Deviation(ReadOnlySpan<double> features)
        {
            var sum = _offset;
            for (var i = 0; i < Weights.Length; i++)
                sum += Weights[i] * features[i];
            return sum;
        }
    }
}
