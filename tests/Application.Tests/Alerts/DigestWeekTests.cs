using System.Globalization;
using Tokonomics.Application.Alerts;

namespace Tokonomics.Application.Tests.Alerts;

public sealed class DigestWeekTests
{
    private static DateTimeOffset At(string at) => DateTimeOffset.Parse(at, CultureInfo.InvariantCulture);

    private static DigestWeek? Due(string at, string zone = "UTC") => WeeklyDigest.Due(At(at), TimeZoneInfo.FindSystemTimeZoneById(zone));

    [Theory]
    [InlineData("2026-11-30T08:00Z", "digest:2026-W48")]
    [InlineData("2026-11-30T07:59:59Z", null)]
    [InlineData("2026-11-30T23:00Z", "digest:2026-W48")]
    [InlineData("2026-12-01T07:59Z", "digest:2026-W48")] // workers that were stopped all Monday
    [InlineData("2026-12-01T08:00Z", null)]
    [InlineData("2026-12-04T09:00Z", null)]
    [InlineData("2026-12-06T09:00Z", null)]
    public void It_is_due_from_eight_on_Monday_for_a_day(string at, string? cause) => Due(at)?.Cause.ShouldBe(cause);

    [Theory]
    [InlineData("2021-01-04T09:00Z", "digest:2020-W53")] // the week of new year 2021 is the last of 2020
    [InlineData("2020-01-06T09:00Z", "digest:2020-W01")] // it began on 30 December 2019
    [InlineData("2026-01-05T09:00Z", "digest:2026-W01")] // on 29 December 2025
    [InlineData("2027-01-04T09:00Z", "digest:2026-W53")]
    [InlineData("2027-01-11T09:00Z", "digest:2027-W01")]
    public void The_week_has_its_own_year(string at, string cause) => Due(at)!.Cause.ShouldBe(cause);

    [Theory]
    // Clocks forward on Sunday 29 March: the week that is told has 167 hours. Back on 25 October: 169.
    [InlineData("2026-03-30T06:00Z", "Europe/Berlin", 167)]
    [InlineData("2026-10-26T07:00Z", "Europe/Berlin", 169)]
    [InlineData("2026-11-02T14:00Z", "America/Chicago", 169)]
    [InlineData("2026-10-05T02:30Z", "Australia/Adelaide", 167)]
    public void Eight_is_eight_by_the_tenants_clocks_and_a_week_has_the_hours_that_it_has(string at, string zone, int hours)
    {
        var week = Due(at, zone)!;
        (week.Last.End - week.Last.Start).TotalHours.ShouldBe(hours);
        (week.Before.End - week.Before.Start).TotalHours.ShouldBe(168);
        week.Before.End.ShouldBe(week.Last.Start);
        TimeZoneInfo.ConvertTime(week.Last.End, TimeZoneInfo.FindSystemTimeZoneById(zone)).ShouldSatisfyAllConditions(e => e.DayOfWeek.ShouldBe(DayOfWeek.Monday), e => e.TimeOfDay.ShouldBe(TimeSpan.Zero));
    }

    [Fact]
    public void Looked_at_each_quarter_of_an_hour_for_two_years_each_week_has_one_cause_in_every_zone()
    {
        foreach (var zone in (string[])["UTC", "Europe/Berlin", "America/Santiago", "Asia/Kolkata", "Pacific/Apia", "Africa/Casablanca"])
        {
            var causes = new List<string>();
            for (var at = At("2026-01-05T00:00Z"); at < At("2028-01-03T00:00Z"); at = at.AddMinutes(15))
                if (Due(at.ToString("O", CultureInfo.InvariantCulture), zone)?.Cause is { } cause && (causes.Count == 0 || causes[^1] != cause))
                    causes.Add(cause);
            causes.Count.ShouldBeInRange(103, 105, zone);
            causes.Distinct().Count().ShouldBe(causes.Count, zone);
        }
    }
}
