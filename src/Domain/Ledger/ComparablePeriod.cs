namespace Tokonomics.Domain.Ledger;

/// <summary>Which time before a range is like it.</summary>
public static class ComparablePeriod
{
    /// <summary>
    /// Of a range that begins with a month's first day: the month before, up to the same day and hour, or to its end where it is shorter. Of any other range:
    /// as many days before it, beginning at the same time of day on the tenant's clocks. Both in the tenant's zone, whatever the clocks did in between.
    /// </summary>
    public static (DateTimeOffset From, DateTimeOffset To) Before(DateTimeOffset from, DateTimeOffset to, TimeZoneInfo zone)
    {
        var (first, last) = (TimeZoneInfo.ConvertTime(from, zone).DateTime, TimeZoneInfo.ConvertTime(to, zone).DateTime);
        if (first is { Day: 1, TimeOfDay.Ticks: 0 } && last <= first.AddMonths(1))
        {
            var start = first.AddMonths(-1);
            var end = start + (last - first);
            return (Clocks.At(start, zone), last == first.AddMonths(1) || end > first ? Clocks.At(first, zone) : Clocks.At(end, zone));
        }

        var days = Math.Max(1, (int)Math.Ceiling((last - first).TotalDays));
        return (Clocks.At(first.AddDays(-days), zone), Clocks.At(last.AddDays(-days), zone));
    }
}
