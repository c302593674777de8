namespace Tokonomics.Domain.Alerts;

/// <summary>When people don't want to be disturbed by what can wait, by the clocks of their time zone.</summary>
/// <param name="Days">The days on which it begins; none: never.</param>
/// <param name="From">When it begins, to the minute.</param>
/// <param name="To">When it ends: where that isn't after <paramref name="From"/>, on the next day. The same as that: a whole day later.</param>
public sealed record QuietHours(IReadOnlyList<DayOfWeek> Days, TimeOnly From, TimeOnly To)
{
    private const int DaysOfWeek = 7;

    /// <summary>Null where it is well; otherwise the sentence that says what is wrong.</summary>
    public string? Problem() =>
        Days.Distinct().Count() != Days.Count || !Days.All(Enum.IsDefined) ? "Each day of the week stands there once at most."
        : Days.Count == DaysOfWeek && From == To ? "Quiet for the whole week would be for ever: mute what should not be told."
        : null;

    /// <summary>
    /// When the quiet time that an instant lies in is over. Where one follows upon another (whole days), the end of the last. Clocks that are set forward or back within it make it an hour
    /// shorter or longer; a beginning or an end that such a night doesn't have is taken at the next minute that it has, and of one that it has twice the beginning is the first, the end the second.
    /// </summary>
    /// <returns>Null where the instant isn't quiet.</returns>
    public DateTimeOffset? EndAt(DateTimeOffset at, TimeZoneInfo zone)
    {
        DateTimeOffset? end = null;
        for (var days = 0; days <= DaysOfWeek; days++)
        {
            if (Containing(end ?? at, zone) is not { } next)
                break;
            end = next;
        }

        return end;
    }

    private DateTimeOffset? Containing(DateTimeOffset at, TimeZoneInfo zone)
    {
        var today = TimeZoneInfo.ConvertTime(at, zone).Date;
        // Clocks set back over midnight: the first hour of a new day may be followed by the old one's last.
        foreach (var day in (DateTime[])[today.AddDays(-1), today, today.AddDays(1)])
        {
            if (!Days.Contains(day.DayOfWeek))
                continue;
            var (start, end) = (Clocks.At(day + From.ToTimeSpan(), zone), Clocks.At((To > From ? day : day.AddDays(1)) + To.ToTimeSpan(), zone, second: true));
            if (at >= start && at < end)
                return end;
        }

        return null;
    }
}

/// <summary>Instants by the clocks of a time zone.</summary>
public static class Clocks
{
    /// <summary>The instant at which clocks show that. Where they never do, since they are set forward over it, the next minute that they show.</summary>
    /// <param name="local">To the minute.</param>
    /// <param name="second">Where clocks show it twice, the second time.</param>
    public static DateTimeOffset At(DateTime local, TimeZoneInfo zone, bool second = false)
    {
        while (zone.IsInvalidTime(local))
            local = local.AddMinutes(1);
        var offset = zone.IsAmbiguousTime(local) ? second ? zone.GetAmbiguousTimeOffsets(local).Min() : zone.GetAmbiguousTimeOffsets(local).Max() : zone.GetUtcOffset(local);
        return new DateTimeOffset(local, offset);
    }

    /// <summary>The next Monday at eight, when people are back.</summary>
    public static DateTimeOffset NextMonday(DateTimeOffset now, TimeZoneInfo zone)
    {
        var day = TimeZoneInfo.ConvertTime(now, zone).Date;
        day = day.AddDays((8 - (int)day.DayOfWeek) % 7);
        var at = At(day.AddHours(8), zone);
        return at > now ? at : At(day.AddDays(7).AddHours(8), zone);
    }
}
