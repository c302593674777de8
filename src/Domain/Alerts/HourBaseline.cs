namespace Tokonomics.Domain.Alerts;

/// <summary>What an hour usually has, of dollars or of calls.</summary>
/// <param name="Expected">In an hour.</param>
/// <param name="Spread">By how much such hours differ from week to week, as a share of <paramref name="Expected"/>: a standard deviation.</param>
/// <param name="Weeks">How many weeks it rests on; 0 where it rests on less than one.</param>
public sealed record HourBaseline(double Expected, double Spread, int Weeks)
{
    /// <summary>Fewer hours of history than this say nothing.</summary>
    public const int LeastHours = 24;

    private const int WeekHours = 168;
    private const int MostWeeks = 8;

    // However alike the weeks were, the next may differ by so much.
    private const double LeastSpread = 0.1;

    // Of a normal spread, the median distance from the median times this is the deviation.
    private const double DeviationsOfMedian = 1.4826;

    /// <summary>
    /// An hour is expected to cost the level times the shape of its hour of the week. The shape is the median over up to eight weeks of what that hour, and to a lesser part its neighbours, had
    /// of its week, so that one wild week doesn't bend it and a change to summer time hardly does. The level is the mean hour of the last seven days, or of the last day where that was more for
    /// its shape: growth raises what is expected at once, and a lull doesn't lower it before a week has passed. With less than two weeks all hours are alike and the spread is what the
    /// hours have; a young tenant's is widened.
    /// </summary>
    /// <param name="history">Whole hours in order and without gaps, the last of them the one before <paramref name="hour"/>; those before the first that had something are left out.</param>
    /// <param name="hour">The beginning of the hour that is asked for.</param>
    /// <param name="zone">Whose hours of the week: the tenant's.</param>
    /// <returns>Null where there are fewer than <see cref="LeastHours"/>: too little to say what is usual.</returns>
    public static HourBaseline? Of(ReadOnlySpan<double> history, DateTimeOffset hour, TimeZoneInfo zone)
    {
        var from = Math.Max(0, history.Length - (MostWeeks * WeekHours));
        while (from < history.Length && history[from] <= 0)
            from++;
        var hours = history[from..].ToArray();
        if (hours.Length < LeastHours)
            return null;
        var weeks = hours.Length / WeekHours;
        return weeks < 2 ? Young(hours, weeks) : Grown(hours, weeks, [.. Enumerable.Range(0, weeks + 1).Select(week => Shift(week, hour, zone))]);
    }

    private static HourBaseline Young(double[] hours, int weeks)
    {
        var recent = hours.AsSpan(Math.Max(0, hours.Length - WeekHours)).ToArray();
        var mean = recent.Average();
        // As far as its hours lie apart: what is usual at noon isn't told from what is usual at night yet.
        var variance = recent.Sum(h => (h - mean) * (h - mean)) / recent.Length;
        var high = Math.Max(mean, hours.AsSpan(hours.Length - LeastHours).ToArray().Average());
        return new HourBaseline(high, high > 0 ? Math.Max(0.5, Math.Sqrt(variance) / high) : 0.5, weeks);
    }

    private static HourBaseline Grown(double[] hours, int weeks, int[] shifts)
    {
        // Week 1 is the last; within it, hours counted back from the one that is asked for.
        double At(int back) => back >= 1 && back <= hours.Length ? hours[^back] : double.NaN;
        double Level(int week) => hours.AsSpan(hours.Length - (week * WeekHours), WeekHours).ToArray().Average();
        double? Share(int week, int ahead)
        {
            var (sum, weight) = (0d, 0d);
            foreach (var (offset, w) in ((int, double)[])[(-1, 0.25), (0, 0.5), (1, 0.25)])
                if (At((week * WeekHours) - ahead - offset - shifts[week]) is var value && !double.IsNaN(value))
                    (sum, weight) = (sum + (w * value), weight + w);
            var level = Level(week);
            return weight > 0 && level > 0 ? sum / weight / level : null;
        }

        double[] Shares(int ahead) => [.. Enumerable.Range(1, weeks).Select(w => Share(w, ahead)).OfType<double>()];

        var shares = Shares(0);
        if (shares.Length == 0)
            return new HourBaseline(0, 1, weeks);
        var shape = Median(shares);
        var spread = shares.Length > 1 && shape > 0 ? DeviationsOfMedian * Median([.. shares.Select(s => Math.Abs(s - shape))]) / shape : 0.5;

        // The last day against its own shape: how the level has moved within the week.
        var (spent, usual) = (0d, 0d);
        for (var back = 1; back <= LeastHours; back++)
        {
            var past = Shares(-back);
            (spent, usual) = (spent + At(back), usual + (past.Length > 0 ? Median(past) : 0));
        }

        var level = Math.Max(Level(1), usual > 0 ? Math.Min(spent / usual, 2 * Level(1)) : 0);
        return new HourBaseline(level * shape, Math.Max(LeastSpread, spread * (weeks < 4 ? 1.5 : 1)), weeks);
    }

    // The same hour of the tenant's day some weeks ago: an hour off where its clocks were changed in between.
    private static int Shift(int weeks, DateTimeOffset hour, TimeZoneInfo zone) => (int)Math.Round((zone.GetUtcOffset(hour) - zone.GetUtcOffset(hour.AddHours(-weeks * WeekHours))).TotalHours);

    internal static double Median(double[] values)
    {
        Array.Sort(values);
        var middle = values.Length / 2;
        return values.Length % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    }
}
