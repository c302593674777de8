using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Alerts;

/// <summary>When a forecast is worth telling: early enough to do something, sure enough not to cry wolf.</summary>
public static class CapOutlook
{
    /// <summary>Before so much of a period has passed, nothing is told of its end.</summary>
    public const decimal LeastPassed = 0.1m;

    /// <summary>With so many whole days of history two times in three are enough; before that, all of the range must lie beyond the cap.</summary>
    public const int EnoughDays = 14;

    // Of a normal spread, nine in ten lie above the low end, which is 1.28 deviations down; two in three above a third of that.
    private const decimal TwoInThree = 1 / 3m;

    private const decimal ClearlyBelow = 0.95m;

    /// <summary>The cap will be reached before the period ends, more likely than not by two to one, and isn't yet.</summary>
    public static bool WillNotLast(SpendForecast forecast, PeriodSoFar soFar) =>
        soFar.Cap is { } cap && soFar.Spent < cap && soFar.Passed >= LeastPassed && forecast.ReachedAt is not null
        && (forecast.Low >= cap || (forecast.DaysKnown >= EnoughDays && cap.Usd <= forecast.Expected.Usd - ((forecast.Expected.Usd - forecast.Low.Usd) * TwoInThree)));

    /// <summary>Far enough below the cap that a forecast which moves a little won't tell it again and again.</summary>
    public static bool WillLast(SpendForecast forecast, NanoUsd cap) => forecast.ReachedAt is null && forecast.Expected.Usd < cap.Usd * ClearlyBelow;
}
