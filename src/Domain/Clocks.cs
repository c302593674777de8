using System.Globalization;

namespace Tokonomics.Domain;

/// <summary>Instants by the clocks of a time zone.</summary>
public static class Clocks
{
    /// <summary>The instant at which clocks show that. Where they never do, since they are set forward over it, the next minute that they show.</summary>
    /// <param name="local">To the minute.</param>
    /// <param name="second">Where clocks show it twice, the second time instead of the first.</param>
    public static DateTimeOffset At(DateTime local, TimeZoneInfo zone, bool second = false)
    {
        local = DateTime.SpecifyKind(local, DateTimeKind.Unspecified);
        while (zone.IsInvalidTime(local)) // over midnight too: Beirut, Santiago in spring
            local = local.AddMinutes(1);
        var offset = zone.IsAmbiguousTime(local) ? second ? zone.GetAmbiguousTimeOffsets(local).Min() : zone.GetAmbiguousTimeOffsets(local).Max() : zone.GetUtcOffset(local);
        return new DateTimeOffset(local, offset).ToUniversalTime();
    }

    /// <summary>The week that a day lies in, by ISO 8601: <c>2026-W48</c>.</summary>
    public static string Week(DateTime day) => string.Create(CultureInfo.InvariantCulture, $"{ISOWeek.GetYear(day)}-W{ISOWeek.GetWeekOfYear(day):00}");

    /// <summary>The next Monday at eight, when people are back.</summary>
    public static DateTimeOffset NextMonday(DateTimeOffset now, TimeZoneInfo zone)
    {
        var day = TimeZoneInfo.ConvertTime(now, zone).Date;
        day = day.AddDays((8 - (int)day.DayOfWeek) % 7);
        var at = At(day.AddHours(8), zone);
        return at > now ? at : At(day.AddDays(7).AddHours(8), zone);
    }
}
