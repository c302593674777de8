namespace Tokonomics.Domain.Alerts;

/// <summary>What something that spends had in the last minutes, of dollars or of calls, and what it usually has.</summary>
/// <param name="Minutes">Of each of the last minutes, the latest last; up to <see cref="SpendSpike.LongestWindow"/> are looked at.</param>
/// <param name="Usual">At this hour of the week.</param>
/// <param name="Grain">How coarse the grains are that it comes in (<see cref="Alerts.Grain"/>).</param>
public readonly record struct Recent(ReadOnlyMemory<double> Minutes, HourBaseline Usual, double Grain);

/// <summary>How soon and how surely a spike is told.</summary>
/// <param name="Floor">Dollars an hour beyond what is usual: less is not worth waking somebody for.</param>
/// <param name="Ratio">How often as much as usual is spent at least; above 1.</param>
/// <param name="Deviations">How many standard deviations beyond what is usual it is at least.</param>
public sealed record SpikeSensitivity(double Floor = 1, double Ratio = 2, double Deviations = 4);

/// <summary>Far more is spent than is usual at this hour of the week.</summary>
/// <param name="Minutes">Over how many minutes it shows.</param>
/// <param name="Spent">Dollars in them.</param>
/// <param name="Usual">Dollars that were expected in them.</param>
public sealed record SpendSpike(int Minutes, double Spent, double Usual)
{
    public const int ShortestWindow = 5;

    public const int LongestWindow = 60;

    /// <summary>Minutes, the shortest first.</summary>
    public static IReadOnlyList<int> Windows { get; } = [ShortestWindow, 10, 20, LongestWindow];

    // Of something that is seldom used, a handful of calls in a row is no news.
    private const double LeastGrains = 12;

    private const int OverMinutes = 30;
    private const double OverRatio = 1.5;


    /// <summary>
    /// Looks at the last 5, 10, 20 and 60 minutes, the shortest first. In each, what was spent, less the dearest single call of the shortest, must be the ratio and the floor beyond what is
    /// expected, and more than chance explains: the dollars themselves, or the number of calls, which tells the same far sooner where calls differ much in price. Chance has two parts: how
    /// far apart such hours lie from week to week, and the grain: who pays 2 dollars a call and makes three an hour is not spiking when two come in ten minutes.
    /// </summary>
    /// <param name="spend">Dollars; no call counts as more than <see cref="Grain.MostOfMean"/> times the mean one.</param>
    /// <param name="dearest">Dollars of the dearest single call in the last <see cref="ShortestWindow"/> minutes.</param>
    public static SpendSpike? Find(in Recent spend, in Recent calls, double dearest, SpikeSensitivity sensitivity)
    {
        foreach (var window in Windows)
        {
            if (window > spend.Minutes.Length || window > calls.Minutes.Length)
                break;
            var (spent, expected) = (Sum(spend, window), spend.Usual.Expected * window / 60);
            if (spent - dearest - expected >= sensitivity.Floor * window / 60 && spent - dearest >= sensitivity.Ratio * expected
                && (IsBeyondChance(spend, window, dearest, sensitivity) || IsBeyondChance(calls, window, 1, sensitivity)))
                return new SpendSpike(window, spent, expected);
        }

        return null;
    }

    /// <summary>
    /// Whether what spiked is as usual again: in the last half hour below one and a half times what is expected, or less than half the floor beyond it; and no window sees a spike any more of
    /// half the floor, half as far beyond the usual, and at three quarters of the deviations. What hovers at a limit is one spike, not ten, and the end isn't told to begin again at once.
    /// </summary>
    public static bool IsOver(in Recent spend, in Recent calls, double dearest, SpikeSensitivity sensitivity)
    {
        var window = Math.Min(OverMinutes, spend.Minutes.Length);
        var (spent, expected) = (Sum(spend, window), spend.Usual.Expected * window / 60);
        var less = new SpikeSensitivity(sensitivity.Floor / 2, 1 + ((sensitivity.Ratio - 1) / 2), sensitivity.Deviations * 0.75);
        return (spent < OverRatio * expected || spent - expected < less.Floor * window / 60) && Find(spend, calls, dearest, less) is null;
    }

    private static double Sum(in Recent of, int window)
    {
        var sum = 0d;
        foreach (var minute in of.Minutes.Span[^window..])
            sum += minute;
        return sum;
    }

    // Few grains are skewed, and reach further by chance than a normal spread of the same width: the second term of Cornish and Fisher's expansion, half as large again since grains differ in size.
    private static bool IsBeyondChance(in Recent of, int window, double leftOut, SpikeSensitivity sensitivity)
    {
        var (expected, k) = (of.Usual.Expected * window / 60, sensitivity.Deviations);
        var weeks = of.Usual.Spread * expected;
        var chance = (k * Math.Sqrt((of.Grain * expected) + (weeks * weeks))) + (of.Grain * ((k * k) - 1) / 4);
        return Sum(of, window) - leftOut >= expected + Math.Max(LeastGrains * of.Grain, chance);
    }
}
