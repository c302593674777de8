using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Routing;

/// <summary>What routing at a target would do, from sums alone: of a class, or of all together.</summary>
/// <param name="Calls">How many it is about.</param>
/// <param name="RoutedShare">Of them, 0 to 1.</param>
/// <param name="Saving">What is expected to be saved, less what the holdout doesn't save; with its interval of nine in ten.</param>
/// <param name="QualityKept">Of the strong model's mean score; 1 is all. Null where the strong one scored nothing.</param>
/// <param name="QualityLow">The end of the interval of which nine in ten lie above.</param>
/// <param name="LabelsNeeded">How many more labels would prove the class whole, were they like those that are there; 0 where it is proven, null where no number would.</param>
public sealed record SavingEstimate(long Calls, double RoutedShare, NanoUsd Saving, NanoUsd SavingLow, NanoUsd SavingHigh, double? QualityKept, double? QualityLow, int? LabelsNeeded)
{
    // Nine in ten by what was measured (docs/routing/evaluation.md), not by the normal distribution: the cut is the widest that held on the same labels, and ranks were given by older ridges.
    private const double Interval = 3.25;
    private const double NineInTen = 1.2816;
    private const int MostNeeded = 1_000_000;

    /// <summary>Estimates all classes of <paramref name="calls"/> that have labels; the others go to the strong model and save nothing.</summary>
    /// <param name="calls">How many calls of each class the time has that is asked about.</param>
    public static (SavingEstimate All, IReadOnlyDictionary<TrafficClass, SavingEstimate> ByClass) Of(RoutingSums sums, RoutingPolicy policy, IReadOnlyDictionary<TrafficClass, long> calls)
    {
        // Lost where the other folds' order routes: an estimate by the order that these labels made would flatter.
        var orders = Enumerable.Range(0, RoutingSums.Folds).Select(fold => RoutingModel.Shares(sums, fold)).ToList();
        var all = sums.All;
        var byClass = new Dictionary<TrafficClass, SavingEstimate>();
        var total = default(Part);
        foreach (var (name, volume) in calls)
        {
            var part = sums.Classes.TryGetValue(name, out var sum) ? Look(name, sum, orders, policy, volume) : new Part { Calls = volume };
            byClass[name] = part.ToEstimate(sum is null ? null : Needed(sum.All, all, policy.Target));
            total = total.With(part);
        }

        return (total.ToEstimate(null), byClass);
    }

    private static Part Look(TrafficClass name, ClassSums sum, List<Dictionary<TrafficClass, double[]>> orders, RoutingPolicy policy, long volume)
    {
        var (own, whole) = (sum.All, policy.Proven.Contains(name));
        var (seen, routed, lost, lostSquares, saved, savedSquares) = (0d, 0d, 0d, 0d, 0d, 0d);
        for (var fold = 0; fold < RoutingSums.Folds; fold++)
            for (var rank = 0; rank < RoutingSums.Ranks; rank++)
            {
                var cell = sum.Cell(fold, rank);
                seen += cell.Count;
                if (!whole && orders[fold][name][rank] > policy.Cut)
                    continue;
                var (usd, squares) = sum.Saved(fold, rank);
                routed += cell.Count;
                lost -= cell.Margin(1);
                lostSquares += cell.MarginSquares(1);
                saved += usd;
                savedSquares += squares;
            }

        if (seen <= 0)
            return new Part { Calls = volume, Strong = volume * own.Strong / Math.Max(1, own.Count) };
        // What is uncertain: the mean, as the labels tell it, and what just these calls will be like.
        var scale = volume * (1 - QualityRouter.HoldoutShare);
        double Spread(double sum, double squares) => Math.Max(0, (squares / seen) - (sum / seen * (sum / seen))) * ((scale * scale / seen) + scale);
        return new Part
        {
            Calls = volume,
            Routed = scale * routed / seen,
            Saved = scale * saved / seen,
            SavedVariance = Spread(saved, savedSquares),
            Strong = volume * own.Strong / Math.Max(1, own.Count),
            Lost = scale * lost / seen,
            LostVariance = routed > 0 ? Spread(lost, lostSquares + 1) : 0,
        };
    }

    private static int? Needed(in PairedSums own, in PairedSums all, QualityTarget target)
    {
        var proof = QualityBound.Prove(own, all, target);
        if (proof.Holds)
            return 0;
        if (proof.Mean <= 0)
            return null;
        // The bound's distance from the mean falls with the root of the labels.
        var distance = (proof.Mean - proof.Lower) / NineInTen * Math.Sqrt(own.Count + RoutingModel.Shrinkage);
        var needed = Math.Max(QualityBound.LeastForClass, Math.Ceiling(Math.Pow(NineInTen * distance / proof.Mean, 2) - RoutingModel.Shrinkage)) - own.Count;
        return needed > MostNeeded ? null : Math.Max(1, (int)Math.Ceiling(needed));
    }

    private readonly record struct Part
    {
        public long Calls { get; init; }

        public double Routed { get; init; }

        public double Saved { get; init; }

        public double SavedVariance { get; init; }

        public double Strong { get; init; }

        public double Lost { get; init; }

        public double LostVariance { get; init; }

        public Part With(in Part other) => new()
        {
            Calls = Calls + other.Calls,
            Routed = Routed + other.Routed,
            Saved = Saved + other.Saved,
            SavedVariance = SavedVariance + other.SavedVariance,
            Strong = Strong + other.Strong,
            Lost = Lost + other.Lost,
            LostVariance = LostVariance + other.LostVariance,
        };

        public SavingEstimate ToEstimate(int? needed)
        {
            var about = Interval * Math.Sqrt(SavedVariance);
            return new SavingEstimate(
                Calls, Calls > 0 ? Routed / Calls : 0, Money(Saved), Money(Saved - about), Money(Saved + about),
                Strong > 0 ? 1 - (Lost / Strong) : null, Strong > 0 ? 1 - ((Lost + (NineInTen * Math.Sqrt(LostVariance))) / Strong) : null, needed);
        }

        private static NanoUsd Money(double usd) => new((long)Math.Round(usd * NanoUsd.PerUsd));
    }
}
