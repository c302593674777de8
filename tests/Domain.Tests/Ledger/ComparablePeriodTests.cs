using Tokonomics.Domain.Ledger;

namespace Tokonomics.Domain.Tests.Ledger;

public sealed class ComparablePeriodTests
{
    private static TimeZoneInfo Zone(string name) => TimeZoneInfo.FindSystemTimeZoneById(name);

    private static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);

    [Theory]
    // A month so far: the month before up to the same day and hour on the tenant's clocks.
    [InlineData("UTC", "2026-11-01T00:00Z", "2026-11-15T10:00Z", "2026-10-01T00:00Z", "2026-10-15T10:00Z")]
    // March has more days than February: the whole of it.
    [InlineData("UTC", "2026-03-01T00:00Z", "2026-03-31T10:00Z", "2026-02-01T00:00Z", "2026-03-01T00:00Z")]
    [InlineData("UTC", "2026-11-01T00:00Z", "2026-12-01T00:00Z", "2026-10-01T00:00Z", "2026-11-01T00:00Z")]
    // Berlin's clocks went back on 25 October: a day of the month is the same day, at another distance in UTC.
    [InlineData("Europe/Berlin", "2026-10-31T23:00Z", "2026-11-15T11:00Z", "2026-09-30T22:00Z", "2026-10-15T10:00Z")]
    // Auckland is thirteen hours ahead, Honolulu ten behind.
    [InlineData("Pacific/Auckland", "2026-10-31T11:00Z", "2026-11-10T11:00Z", "2026-09-30T11:00Z", "2026-10-10T11:00Z")]
    [InlineData("Pacific/Honolulu", "2026-11-01T10:00Z", "2026-11-10T10:00Z", "2026-10-01T10:00Z", "2026-10-10T10:00Z")]
    // Seven days: the seven before.
    [InlineData("UTC", "2026-11-08T00:00Z", "2026-11-15T00:00Z", "2026-11-01T00:00Z", "2026-11-08T00:00Z")]
    // Half a day: the same half of the day before.
    [InlineData("UTC", "2026-11-08T00:00Z", "2026-11-08T12:00Z", "2026-11-07T00:00Z", "2026-11-07T12:00Z")]
    // Over the day with 23 hours the clock's time stays.
    [InlineData("Europe/Berlin", "2026-03-29T22:00Z", "2026-03-30T22:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z")]
    public void A_range_is_compared_with_the_one_before_that_is_like_it(string zone, string from, string to, string beforeFrom, string beforeTo) =>
        ComparablePeriod.Before(At(from), At(to), Zone(zone)).ShouldBe((At(beforeFrom), At(beforeTo)));
}
