namespace Tokonomics.Domain.Alerts;

/// <summary>How a budget stands, and what was spent on it lately. Dollars.</summary>
/// <param name="Left">Of its limit.</param>
/// <param name="Period">How long its period is; null where it has no end.</param>
/// <param name="UntilEnd">How much of it is still to come.</param>
/// <param name="FiveMinutes">Spent in the last five minutes.</param>
/// <param name="Hour">Spent in the last hour, those five minutes included.</param>
/// <param name="Dearest">The dearest single call of the last five minutes.</param>
/// <param name="Usual">In an hour like this; null where that isn't known.</param>
public readonly record struct BudgetPace(double Limit, double Left, TimeSpan? Period, TimeSpan? UntilEnd, double FiveMinutes, double Hour, double Dearest, double? Usual);

/// <summary>When somebody is told that a budget burns.</summary>
/// <param name="Within">Only if it would be used up within so long; 10 minutes to 7 days.</param>
/// <param name="Ratio">Only at so many times the pace that would last for the whole period, and at two thirds of so many times what is usual; above 1.</param>
public sealed record BurnSensitivity(TimeSpan Within, double Ratio = 3)
{
    public static BurnSensitivity Default { get; } = new(TimeSpan.FromHours(12));
}

/// <summary>At this rate a budget is used up long before its period ends.</summary>
/// <param name="PerHour">Dollars an hour, by the last five minutes.</param>
/// <param name="Left">How long it lasts at that rate.</param>
public sealed record BudgetBurn(double PerHour, TimeSpan Left)
{
    private const double FiveMinutesInHour = 12;

    /// <summary>
    /// Two windows, as for error budgets: five minutes say that it burns now, the hour that it isn't a handful of calls. Both must use up what is left within the time given and before the period
    /// ends. A pace that is common (of an even one for the whole period, of the usual for such hours) is no news: thresholds and the forecast tell of that. One call alone is never a burn.
    /// </summary>
    public static BudgetBurn? Of(in BudgetPace pace, BurnSensitivity sensitivity)
    {
        if (pace.Left <= 0)
            return null;
        var now = (pace.FiveMinutes - pace.Dearest) * FiveMinutesInHour;
        var hour = pace.Hour - pace.Dearest;
        var least = Math.Min(now, hour);
        if (least <= 0 || pace.Left / least >= Soon(pace, sensitivity).TotalHours)
            return null;
        if (pace.Period is { } period && least < sensitivity.Ratio * pace.Limit / period.TotalHours)
            return null;
        if (pace.Usual is { } usual && least < sensitivity.Ratio * 2 / 3 * usual)
            return null;
        return new BudgetBurn(now, TimeSpan.FromHours(pace.Left / now));
    }

    /// <summary>Whether it lasts again: at twice its pace of the last five minutes what is left would still do for the time given, or for the period.</summary>
    public static bool IsOver(in BudgetPace pace, BurnSensitivity sensitivity)
    {
        var now = pace.FiveMinutes * FiveMinutesInHour;
        return pace.Left > 0 && (now <= 0 || pace.Left / (2 * now) >= Soon(pace, sensitivity).TotalHours || (pace.Period is { } period && 2 * now < sensitivity.Ratio * pace.Limit / period.TotalHours));
    }

    private static TimeSpan Soon(in BudgetPace pace, BurnSensitivity sensitivity) => pace.UntilEnd is { } end && end < sensitivity.Within ? end : sensitivity.Within;
}
