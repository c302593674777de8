using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Ledger;

/// <summary>What was spent in each hour, in order and without gaps.</summary>
/// <param name="First">When the first of them begins: a whole hour of UTC.</param>
/// <param name="Hours">The last may be the one that runs, with what it has so far.</param>
public sealed record HourlySpend(DateTimeOffset First, IReadOnlyList<NanoUsd> Hours);

/// <summary>Where spending stands in a period that runs.</summary>
/// <param name="Spent">In the period so far, everything included: what is certain.</param>
/// <param name="Cap">Null where there is none.</param>
/// <param name="Zone">Whose days and hours of the week: the tenant's.</param>
public sealed record PeriodSoFar(PeriodWindow Window, NanoUsd Spent, NanoUsd? Cap, DateTimeOffset Now, TimeZoneInfo Zone)
{
    /// <summary>The cap that holds from a later moment on, where a temporary increase ends within the period.</summary>
    public (NanoUsd Cap, DateTimeOffset From)? CapLater { get; init; }

    /// <summary>How much of the period has passed, 0 to 1; 0 where it has no end.</summary>
    public decimal Passed => Window.ResetsAt is null ? 0 : Math.Clamp((decimal)(Now - Window.Start).Ticks / (Window.End - Window.Start).Ticks, 0, 1);
}

/// <summary>One day that is still to come, or the rest of today.</summary>
public readonly record struct ForecastDay(DateOnly Day, NanoUsd Expected, NanoUsd Low, NanoUsd High);

/// <summary>What a period will have cost at its end, as if no cap stopped it.</summary>
/// <param name="Low">Four times in five it lies between this and <paramref name="High"/>, where the time to come is like the time before.</param>
/// <param name="Days">The sums reached at the end of each day from today on, with their ranges: what a chart draws.</param>
/// <param name="DaysKnown">How many whole days of history it rests on.</param>
/// <param name="ReachedAt">When the cap is expected to be reached; null where that isn't within the period, or is over.</param>
public sealed record SpendForecast(NanoUsd Expected, NanoUsd Low, NanoUsd High, IReadOnlyList<ForecastDay> Days, int DaysKnown, DateTimeOffset? ReachedAt = null)
{
    /// <summary>Fewer whole days of history than this say nothing.</summary>
    public const int LeastDays = 3;

    /// <summary>How far back it looks.</summary>
    public const int MostDays = 56;

    // Of a normal spread, four fifths lie within this many deviations.
    private const double FourFifths = 1.2816;

    /// <summary>
    /// Hour by hour to the period's end: the scope's present level, times the shape of the weekday, times the shape of the hour (<see cref="SpendPattern"/>). The rest of today also follows how today has
    /// gone so far, as much as it did on earlier days at this time. What is spent already is certain; the range is how far the scope's own days strayed. Whatever the clocks do, an hour counts as the
    /// local hour that it is. Nothing here is random, and amounts a thousand times larger give a forecast a thousand times larger.
    /// </summary>
    /// <param name="history">Of the same scope, from <see cref="MostDays"/> days ago to now; those before the first hour that cost something are left out.</param>
    /// <returns>Null where there are fewer than <see cref="LeastDays"/> whole days, or the period has no end.</returns>
    public static SpendForecast? Of(HourlySpend history, PeriodSoFar soFar)
    {
        var (window, now) = (soFar.Window, soFar.Now);
        if (window.ResetsAt is null || SpendPattern.Of(history, now, soFar.Zone) is not { } pattern)
            return null;
        var start = (double)soFar.Spent.Usd;
        var cap = soFar.Cap is { } limit && soFar.Spent < limit ? (double)limit.Usd : double.PositiveInfinity;
        var (sum, certain, day, days, reached) = (start, 0d, pattern.Today, new List<ForecastDay>(), default(DateTimeOffset?));
        for (var at = now; at < window.End;)
        {
            var hour = SpendPattern.HourOf(at);
            var end = hour.AddHours(1) < window.End ? hour.AddHours(1) : window.End;
            var (date, usd) = pattern.Of(hour);
            if (date != day)
            {
                Close();
                day = date;
            }

            var more = usd * ((end - at).Ticks / (double)TimeSpan.TicksPerHour);
            if (soFar.CapLater is { } later && later.From <= at && soFar.Spent < soFar.Cap)
                cap = (double)later.Cap.Usd;
            if (reached is null && sum + more >= cap && (more > 0 || sum > cap))
                reached = at + ((end - at) * (more > 0 ? Math.Clamp((cap - sum) / more, 0, 1) : 0));
            (sum, at) = (sum + more, end);
        }

        Close();
        var last = days[^1];
        return new SpendForecast(last.Expected, last.Low, last.High, days, pattern.DaysKnown, reached);

        void Close()
        {
            if (day == pattern.Today)
                certain = sum;
            var variance = pattern.VarianceOfToday(certain - start) + pattern.Variance(sum - certain, day.DayNumber - pattern.Today.DayNumber + 1);
            var half = FourFifths * pattern.Widened * Math.Sqrt(variance);
            days.Add(new ForecastDay(day, Nano(sum), Nano(Math.Max(start, sum - half)), Nano(sum + half)));
        }
    }

    /// <summary>How many whole days a history has, from the first that cost something on.</summary>
    public static int DaysOf(HourlySpend history, DateTimeOffset now, TimeZoneInfo zone) => SpendPattern.DaysOf(history, now, zone).Days.Count;

    private static NanoUsd Nano(double usd) => NanoUsd.Round((decimal)Math.Min(usd, 9_000_000_000d));
}
