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
