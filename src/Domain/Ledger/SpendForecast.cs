using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Ledger;

/// <summary>What was spent on one whole day of the tenant's calendar.</summary>
public readonly record struct DaySpend(DateOnly Day, NanoUsd Spent);

/// <summary>Where spending stands in a period that runs.</summary>
/// <param name="Spent">In the period so far, today included.</param>
/// <param name="Today">The day that runs.</param>
/// <param name="DayPassed">How much of it has passed, 0 to 1.</param>
/// <param name="DaysAfter">The days of the period after today.</param>
public sealed record PeriodSoFar(NanoUsd Spent, DateOnly Today, decimal DayPassed, IReadOnlyList<DateOnly> DaysAfter);

/// <summary>One day that is still to come, or the rest of today.</summary>
public readonly record struct ForecastDay(DateOnly Day, NanoUsd Expected, NanoUsd Low, NanoUsd High);

/// <summary>What a period will have cost at its end.</summary>
/// <param name="Low">Four times in five it lies between this and <paramref name="High"/>, where the days to come are like the days before.</param>
/// <param name="Days">The sums reached at the end of each day from today on, with their ranges: what a chart draws.</param>
/// <param name="DaysKnown">How many days of history it rests on.</param>
public sealed record SpendForecast(NanoUsd Expected, NanoUsd Low, NanoUsd High, IReadOnlyList<ForecastDay> Days, int DaysKnown)
{
    /// <summary>Fewer days of history than this say nothing.</summary>
    public const int LeastDays = 3;

    private const int ShapeDays = 56;
    private const int LevelDays = 14;

    // Of a normal spread, four fifths lie within this many deviations.
    private const decimal FourFifths = 1.2816m;

    /// <summary>
    /// A day is expected to cost the tenant's level times the shape of its weekday. The shape is the median of each weekday over up to eight weeks, so that one
    /// wild day doesn't bend it; with less than two weeks all days are alike. The level is what the last fourteen days spent for each unit of shape, so that it
    /// follows growth within two weeks. The range has two parts, both measured on the tenant's own days: how far days lie from what their week and weekday say,
    /// and how far the level moves from one week to the next, which weighs more the further ahead. With little history both are widened: twice below two weeks,
    /// half as much again below four. What is spent already is certain. Nothing here is random, and amounts a thousand times larger give a forecast a thousand
    /// times larger.
    /// </summary>
    /// <param name="history">Whole days before today, in order and without gaps; those before the first that cost something are left out.</param>
    /// <returns>Null where there are fewer than <see cref="LeastDays"/> days: too little to say anything.</returns>
    public static SpendForecast? Of(IReadOnlyList<DaySpend> history, PeriodSoFar soFar)
    {
        var from = 0;
        while (from < history.Count && history[from].Spent.Value <= 0)
            from++;
        var days = history.Skip(Math.Max(from, history.Count - ShapeDays)).Select(d => (d.Day, Usd: d.Spent.Usd)).ToList();
        if (days.Count < LeastDays)
            return null;

        var shape = Shape(days);
        decimal ShapeOf(DateOnly day) => shape[(int)day.DayOfWeek];
        var level = Level(days.TakeLast(LevelDays), ShapeOf);
        var (ofDay, ofLevel) = Spread(days, ShapeOf, level);
        var widened = days.Count < 14 ? 2m : days.Count < 28 ? 1.5m : 1m;

        var result = new List<ForecastDay>();
        var (expected, noise, reach, ahead) = (soFar.Spent.Usd, 0m, 0m, 0m);
        Add(soFar.Today, 1 - Math.Clamp(soFar.DayPassed, 0, 1));
        foreach (var day in soFar.DaysAfter)
            Add(day, 1);
        var last = result[^1];
        return new SpendForecast(last.Expected, last.Low, last.High, result, days.Count);

        void Add(DateOnly day, decimal part)
        {
            expected += level * ShapeOf(day) * part;
            noise += ofDay * ofDay * part;
            reach += ShapeOf(day) * part;
            ahead += part;
            var deviation = Root(noise + (ofLevel * ofLevel * reach * reach * (1 + (ahead / 21))));
            var half = FourFifths * widened * deviation;
            result.Add(new ForecastDay(day, Nano(expected), Nano(Math.Max(soFar.Spent.Usd, expected - half)), Nano(expected + half)));
        }
    }

    // By DayOfWeek; 1 is a day like the average.
    private static decimal[] Shape(List<(DateOnly Day, decimal Usd)> days)
    {
        var shape = new decimal[7];
        if (days.Count >= 14)
            for (var weekday = 0; weekday < 7; weekday++)
                shape[weekday] = Median([.. days.Where(d => (int)d.Day.DayOfWeek == weekday).Select(d => d.Usd)]);
        var mean = shape.Sum() / 7;
        for (var weekday = 0; weekday < 7; weekday++)
            shape[weekday] = mean > 0 ? shape[weekday] / mean : 1;
        return shape;
    }

    private static decimal Level(IEnumerable<(DateOnly Day, decimal Usd)> days, Func<DateOnly, decimal> shape)
    {
        var (usd, units) = (0m, 0m);
        foreach (var day in days)
            (usd, units) = (usd + day.Usd, units + shape(day.Day));
        return units > 0 ? usd / units : 0;
    }

    /// <returns>By how much a day strays from its week and weekday, and the level from one week to the next; dollars, as a standard deviation.</returns>
    private static (decimal OfDay, decimal OfLevel) Spread(List<(DateOnly Day, decimal Usd)> days, Func<DateOnly, decimal> shape, decimal level)
    {
        // Weeks counted back from the last day; a part of a week at the beginning is left out, unless it is all there is.
        var weeks = new List<List<(DateOnly Day, decimal Usd)>>();
        for (var end = days.Count; end >= 7; end -= 7)
            weeks.Add(days.GetRange(end - 7, 7));
        if (weeks.Count == 0)
            weeks.Add(days);
        var levels = weeks.ConvertAll(week => Level(week, shape));
        var (squares, count) = (0m, 0);
        for (var i = 0; i < weeks.Count; i++)
            foreach (var day in weeks[i])
            {
                var off = day.Usd - (levels[i] * shape(day.Day));
                (squares, count) = (squares + (off * off), count + 1);
            }

        var (moves, steps) = (0m, 0);
        for (var i = 1; i < levels.Count; i++)
            (moves, steps) = (moves + ((levels[i - 1] - levels[i]) * (levels[i - 1] - levels[i])), steps + 1);
        // One week says nothing of how weeks differ: a quarter of the level is taken.
        return (Root(squares / Math.Max(1, count - weeks.Count)), steps == 0 ? level / 4 : Root(moves / steps));
    }

    private static decimal Median(List<decimal> values)
    {
        values.Sort();
        var middle = values.Count / 2;
        return values.Count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    }

    // Newton's; a decimal has 28 digits, and ten dollars to the tenth squared still fit.
    private static decimal Root(decimal square)
    {
        if (square <= 0)
            return 0;
        var root = square > 1 ? square / 2 : 1m;
        for (var i = 0; i < 200; i++)
        {
            var next = (root + (square / root)) / 2;
            if (next == root || Math.Abs(next - root) < 0.000_000_000_000_1m)
                return next;
            root = next;
        }

        return root;
    }

    private static NanoUsd Nano(decimal usd) => NanoUsd.Round(Math.Min(usd, 9_000_000_000m));
}
