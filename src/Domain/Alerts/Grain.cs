namespace Tokonomics.Domain.Alerts;

/// <summary>How coarse the grains are that spending comes in: with calls of one price that come by chance, the price of one; more where prices differ, and where calls come in bursts.</summary>
public static class Grain
{
    /// <summary>A call counts as so many times the mean call at most, wherever spikes are looked for: the rare dear one is no spike, and would be a grain that no day tells the size of.</summary>
    public const double MostOfMean = 20;

    private const int Block = 10;

    // An hour that says so many times as much as the median one is left out: a spike in it is not how spending usually comes.
    private const double LeftOut = 6;

    /// <summary>
    /// By how much minutes, and blocks of ten of them, stray from the mean of their hour: the sum of the squares over the sum of what was spent, the larger of the two. For what comes by
    /// chance it doesn't depend on how much comes, so that a day or two of any hours tell it.
    /// </summary>
    /// <param name="minutes">Dollars in each minute of whole hours.</param>
    /// <returns>Dollars; 0 where nothing was spent.</returns>
    public static double Of(ReadOnlySpan<double> minutes)
    {
        var hours = new List<(double Squares, double Spent)>();
        for (var at = 0; at + 60 <= minutes.Length; at += 60)
            if (Hour(minutes.Slice(at, 60)) is { Spent: > 0 } hour)
                hours.Add(hour);
        if (hours.Count == 0)
            return 0;
        var most = LeftOut * HourBaseline.Median([.. hours.Select(h => h.Squares / h.Spent)]);
        var (squares, spent) = (0d, 0d);
        foreach (var hour in hours)
            if (hour.Squares <= most * hour.Spent)
                (squares, spent) = (squares + hour.Squares, spent + hour.Spent);
        return spent > 0 ? squares / spent : 0;
    }

    private static (double Squares, double Spent) Hour(ReadOnlySpan<double> hour)
    {
        var (fine, coarse, spent) = (0d, 0d, 0d);
        foreach (var minute in hour)
            spent += minute;
        var mean = spent / 60;
        for (var block = 0; block < 60; block += Block)
        {
            var inBlock = 0d;
            foreach (var minute in hour.Slice(block, Block))
            {
                inBlock += minute;
                fine += (minute - mean) * (minute - mean);
            }

            coarse += (inBlock - (mean * Block)) * (inBlock - (mean * Block));
        }

        // The mean is taken from the same hour, which takes away one of the sixty and one of the six. Six blocks tell less than sixty minutes: only where they say much more are they believed.
        return (Math.Max(fine * 60 / 59, coarse * 6 / 5 / 2), spent);
    }
}
