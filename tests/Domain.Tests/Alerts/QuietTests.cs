using System.Globalization;
using Tokonomics.Domain;
using Tokonomics.Domain.Alerts;

namespace Tokonomics.Tests.Alerts;

/// <summary>When people aren't disturbed, by their own clocks; and what a mute covers.</summary>
public sealed class QuietTests
{
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
    private static readonly DayOfWeek[] Weekdays = [DayOfWeek.Monday, DayOfWeek.Tuesday, DayOfWeek.Wednesday, DayOfWeek.Thursday, DayOfWeek.Friday];
    private static readonly QuietHours Nights = new(Enum.GetValues<DayOfWeek>(), new TimeOnly(22, 0), new TimeOnly(7, 0));

    private static DateTimeOffset Utc(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    [Theory]
    // 2026-11-25 is a Wednesday; Berlin is an hour ahead.
    [InlineData("2026-11-25T20:59:59", null)]
    [InlineData("2026-11-25T21:00:00", "2026-11-26T06:00:00")]
    [InlineData("2026-11-26T02:30:00", "2026-11-26T06:00:00")]
    [InlineData("2026-11-26T05:59:59", "2026-11-26T06:00:00")]
    [InlineData("2026-11-26T06:00:00", null)]
    // The night of 29 March 2026 has no 02:00 to 03:00: from 21:00 UTC to 05:00, eight hours long.
    [InlineData("2026-03-28T21:00:00", "2026-03-29T05:00:00")]
    [InlineData("2026-03-29T05:00:00", null)]
    // That of 25 October has it twice: from 20:00 UTC to 06:00, ten hours long.
    [InlineData("2026-10-24T20:00:00", "2026-10-25T06:00:00")]
    [InlineData("2026-10-25T05:59:00", "2026-10-25T06:00:00")]
    public void Nights_end_in_the_morning_by_the_clocks_of_the_zone(string at, string? end) => Nights.EndAt(Utc(at), Berlin).ShouldBe(end is null ? null : Utc(end));

    [Theory]
    [InlineData("2026-03-29T00:30:00", "2026-03-29T01:00:00")] // ends at 02:30, which this night doesn't have: as its clocks go from 02:00 to 03:00, at 01:00 UTC
    [InlineData("2026-10-25T00:30:00", "2026-10-25T01:30:00")] // shows 02:30 for the first time: it ends with the second
    [InlineData("2026-10-25T01:29:00", "2026-10-25T01:30:00")]
    [InlineData("2026-10-25T01:30:00", null)]
    public void An_end_that_the_clocks_leave_out_or_show_twice_is_the_later(string at, string? end) =>
        new QuietHours(Enum.GetValues<DayOfWeek>(), new TimeOnly(0, 0), new TimeOnly(2, 30)).EndAt(Utc(at), Berlin).ShouldBe(end is null ? null : Utc(end));

    [Fact]
    public void A_night_belongs_to_the_day_on_which_it_begins()
    {
        var quiet = new QuietHours(Weekdays, new TimeOnly(22, 0), new TimeOnly(7, 0));
        quiet.EndAt(Utc("2026-11-28T03:00:00"), Berlin).ShouldBe(Utc("2026-11-28T06:00:00")); // Friday's night, on Saturday
        quiet.EndAt(Utc("2026-11-28T22:00:00"), Berlin).ShouldBeNull(); // Saturday's
        quiet.EndAt(Utc("2026-11-30T03:00:00"), Berlin).ShouldBeNull(); // Sunday's, on Monday
        new QuietHours([], new TimeOnly(22, 0), new TimeOnly(7, 0)).EndAt(Utc("2026-11-25T23:00:00"), Berlin).ShouldBeNull();
    }

    [Fact]
    public void Whole_days_that_follow_each_other_are_one_quiet_time()
    {
        var weekend = new QuietHours([DayOfWeek.Saturday, DayOfWeek.Sunday], new TimeOnly(0, 0), new TimeOnly(0, 0));
        weekend.EndAt(Utc("2026-11-28T12:00:00"), Berlin).ShouldBe(Utc("2026-11-29T23:00:00"));
        weekend.EndAt(Utc("2026-11-27T22:59:00"), Berlin).ShouldBeNull();
        new QuietHours(Weekdays, new TimeOnly(9, 0), new TimeOnly(17, 0)).EndAt(Utc("2026-11-25T10:00:00"), Berlin).ShouldBe(Utc("2026-11-25T16:00:00")); // within a day
    }

    [Fact]
    public void Quiet_for_the_whole_week_is_refused()
    {
        (Nights with { To = Nights.From }).Problem()!.ShouldContain("for ever");
        (Nights with { Days = [DayOfWeek.Monday, DayOfWeek.Monday] }).Problem()!.ShouldContain("once");
        Nights.Problem().ShouldBeNull();
    }

    [Theory]
    [InlineData("2026-11-29T12:00:00", "2026-11-30T07:00:00")] // a Sunday
    [InlineData("2026-11-30T06:59:00", "2026-11-30T07:00:00")] // Monday before eight
    [InlineData("2026-11-30T07:00:00", "2026-12-07T07:00:00")]
    [InlineData("2026-10-24T12:00:00", "2026-10-26T07:00:00")] // over the change of the clocks
    public void Until_Monday_is_the_next_one_at_eight(string now, string end) => Clocks.NextMonday(Utc(now), Berlin).ShouldBe(Utc(end));

    private static readonly DateTimeOffset Now = Utc("2026-11-29T12:00:00");
    private static readonly AlertSubject[] KeyOfSearch = [AlertSubject.Key("key_1"), new("project", "", "prj_1"), new("team", "", "team_1")];

    private static AlertMute Mute(AlertKind? kind, AlertSubject subject, TimeSpan? lasts) => new("mute_1", kind, subject, Now, Now + lasts);

    [Fact]
    public void A_mute_covers_its_kind_and_its_subject_and_what_that_contains()
    {
        bool Covers(AlertKind? kind, AlertSubject subject) => Mute(kind, subject, TimeSpan.FromHours(1)).Covers(AlertKind.KeyAwake, AlertSeverity.Warning, KeyOfSearch);
        Covers(AlertKind.KeyAwake, KeyOfSearch[0]).ShouldBeTrue();
        Covers(AlertKind.KeyAwake, KeyOfSearch[2]).ShouldBeTrue(); // its team
        Covers(null, KeyOfSearch[1]).ShouldBeTrue();
        Covers(null, AlertSubject.Tenant).ShouldBeTrue();
        Covers(AlertKind.SpendSpike, KeyOfSearch[0]).ShouldBeFalse();
        Covers(AlertKind.KeyAwake, AlertSubject.Key("key_2")).ShouldBeFalse();
        Mute(null, KeyOfSearch[0], null).Covers(AlertKind.KeyAwake, AlertSeverity.Warning, KeyOfSearch[2..]).ShouldBeFalse(); // a key's mute keeps nothing of its team
    }

    [Fact]
    public void What_is_critical_is_muted_for_seven_days_at_most()
    {
        foreach (AlertKind? kind in (AlertKind?[])[null, AlertKind.BudgetExhausted, AlertKind.SpendSpike])
        {
            AlertMute.Problem(kind, null, Now)!.ShouldContain("seven days");
            AlertMute.Problem(kind, Now.AddDays(8), Now)!.ShouldContain("seven days");
            AlertMute.Problem(kind, Now.AddDays(7), Now).ShouldBeNull();
        }

        AlertMute.Problem(AlertKind.WeeklyDigest, null, Now).ShouldBeNull();
        AlertMute.Problem(AlertKind.WeeklyDigest, Now, Now)!.ShouldContain("future");
        // And whatever kinds will once be critical: a longer mute doesn't keep such a one.
        Mute(AlertKind.KeyAwake, AlertSubject.Tenant, null).Covers(AlertKind.KeyAwake, AlertSeverity.Critical, KeyOfSearch).ShouldBeFalse();
        Mute(AlertKind.KeyAwake, AlertSubject.Tenant, null).Covers(AlertKind.KeyAwake, AlertSeverity.Warning, KeyOfSearch).ShouldBeTrue();
        Mute(null, AlertSubject.Tenant, TimeSpan.FromDays(7)).Covers(AlertKind.BudgetExhausted, AlertSeverity.Critical, KeyOfSearch).ShouldBeTrue();
    }
}
