namespace Tokonomics.Domain.Budgets;

/// <param name="End">Exclusive; <see cref="DateTimeOffset.MaxValue"/> for a period without end.</param>
public readonly record struct PeriodWindow(DateTimeOffset Start, DateTimeOffset End)
{
    public bool Contains(DateTimeOffset at) => at >= Start && at < End;

    /// <summary>When a new period begins; null where none does.</summary>
    public DateTimeOffset? ResetsAt => End == DateTimeOffset.MaxValue ? null : End;

    /// <summary>Unix microseconds, the store's grain.</summary>
    public long StartMicros => Micros(Start);

    public long EndMicros => Micros(End);

    private static long Micros(DateTimeOffset at) => (at.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond;
}

/// <summary>Calendar periods in a time zone. The windows of one kind follow each other without a gap, whatever the clocks do.</summary>
public static class BudgetPeriods
{
    /// <param name="createdAt">The budget's; the start of a total.</param>
    public static PeriodWindow Containing(BudgetPeriod period, TimeZoneInfo zone, DateTimeOffset at, DateTimeOffset createdAt)
    {
        if (period == BudgetPeriod.Total)
            return new PeriodWindow(WholeMicros(createdAt), DateTimeOffset.MaxValue);
        var day = TimeZoneInfo.ConvertTime(at, zone).Date;
        var first = period switch
        {
            BudgetPeriod.Week => day.AddDays(-(((int)day.DayOfWeek + 6) % 7)),
            BudgetPeriod.Month => new DateTime(day.Year, day.Month, 1),
            _ => day,
        };
        var window = new PeriodWindow(Clocks.At(first, zone), Clocks.At(Next(period, first), zone));
        // Clocks set back over midnight repeat the last hour of a day after the new one has begun: the instant belongs to the window that it lies in.
        return at < window.Start ? new PeriodWindow(Clocks.At(Before(period, first), zone), window.Start)
            : at >= window.End ? new PeriodWindow(window.End, Clocks.At(Next(period, Next(period, first)), zone))
            : window;
    }

    private static DateTime Next(BudgetPeriod period, DateTime first) => period switch
    {
        BudgetPeriod.Week => first.AddDays(7),
        BudgetPeriod.Month => first.AddMonths(1),
        _ => first.AddDays(1),
    };

    private static DateTime Before(BudgetPeriod period, DateTime first) => period switch
    {
        BudgetPeriod.Week => first.AddDays(-7),
        BudgetPeriod.Month => first.AddMonths(-1),
        _ => first.AddDays(-1),
    };

    private static DateTimeOffset WholeMicros(DateTimeOffset at) => new(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerMicrosecond), TimeSpan.Zero);
}
