using Tokonomics.Domain.Budgets;

namespace Tokonomics.Tests.Budgets;

public sealed class BudgetCalendarTests
{
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
    private static readonly TimeZoneInfo NewYork = TimeZoneInfo.FindSystemTimeZoneById("America/New_York");
    private static readonly TimeZoneInfo Kiritimati = TimeZoneInfo.FindSystemTimeZoneById("Pacific/Kiritimati"); // 14 hours ahead of UTC
    private static readonly TimeZoneInfo Samoa = TimeZoneInfo.FindSystemTimeZoneById("Pacific/Pago_Pago"); // 11 behind

    private static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, null);

    [Fact]
    public void A_month_that_runs_ends_as_it_would_have_and_the_next_goes_to_the_new_zones_boundary()
    {
        // 20 November: the month ends at Berlin's midnight, six hours before New York's. Those six hours are no month of their own.
        var calendar = new BudgetCalendar(NewYork, (Berlin, At("2026-11-20T10:00Z")));
        calendar.Containing(BudgetPeriod.Month, At("2026-11-25T00:00Z"), default).ShouldBe(new PeriodWindow(At("2026-10-31T23:00Z"), At("2026-11-30T23:00Z")));
        calendar.Containing(BudgetPeriod.Month, At("2026-12-01T00:00Z"), default).ShouldBe(new PeriodWindow(At("2026-11-30T23:00Z"), At("2027-01-01T05:00Z")));
        calendar.Containing(BudgetPeriod.Month, At("2027-01-15T00:00Z"), default).ShouldBe(new PeriodWindow(At("2027-01-01T05:00Z"), At("2027-02-01T05:00Z")));
        // The other way the first month begins six hours late, with the end of the old one.
        var back = new BudgetCalendar(Berlin, (NewYork, At("2026-11-20T10:00Z")));
        back.Containing(BudgetPeriod.Month, At("2026-12-10T00:00Z"), default).ShouldBe(new PeriodWindow(At("2026-12-01T05:00Z"), At("2026-12-31T23:00Z")));
    }

    [Fact]
    public void Without_a_change_it_is_the_zones_own()
    {
        var at = At("2026-11-25T00:00Z");
        new BudgetCalendar(Berlin).Containing(BudgetPeriod.Day, at, default).ShouldBe(BudgetPeriods.Containing(BudgetPeriod.Day, Berlin, at, default));
        new BudgetCalendar(Berlin, (NewYork, at)).Containing(BudgetPeriod.Total, at, At("2026-01-01T00:00Z")).Start.ShouldBe(At("2026-01-01T00:00Z"));
    }

    [Fact]
    public void Windows_follow_each_other_through_any_changes_and_none_is_short()
    {
        var random = new Random(7);
        TimeZoneInfo[] zones = [Berlin, NewYork, Kiritimati, Samoa, TimeZoneInfo.Utc];
        for (var round = 0; round < 60; round++)
        {
            var changes = new List<(TimeZoneInfo, DateTimeOffset)>();
            var at = At("2026-02-01T00:00Z");
            for (var i = random.Next(1, 5); i > 0; i--)
                changes.Add((zones[random.Next(zones.Length)], at += TimeSpan.FromMinutes(random.Next(2, 60 * 24 * 20))));
            var calendar = new BudgetCalendar(zones[random.Next(zones.Length)], [.. changes]);
            foreach (var (period, shortest, longest) in new[] { (BudgetPeriod.Day, 12, 37), (BudgetPeriod.Week, 84, 24 * 11), (BudgetPeriod.Month, 24 * 14, 24 * 46) })
            {
                var window = calendar.Containing(period, At("2026-01-10T00:00Z"), default);
                while (window.Start < At("2026-07-01T00:00Z"))
                {
                    calendar.Containing(period, window.Start, default).ShouldBe(window);
                    calendar.Containing(period, window.End.AddTicks(-10), default).ShouldBe(window);
                    (window.End - window.Start).TotalHours.ShouldBeInRange(shortest, longest);
                    var next = calendar.Containing(period, window.End, default);
                    next.Start.ShouldBe(window.End);
                    window = next;
                }
            }
        }
    }

    [Fact]
    public void A_change_that_is_added_moves_no_window_that_has_begun()
    {
        var random = new Random(11);
        TimeZoneInfo[] zones = [Berlin, NewYork, Kiritimati, Samoa];
        for (var round = 0; round < 200; round++)
        {
            (TimeZoneInfo Zone, DateTimeOffset Until)[] first = [(zones[random.Next(4)], At("2026-03-01T00:00Z").AddMinutes(random.Next(100_000)))];
            var (second, third) = (zones[random.Next(4)], zones[random.Next(4)]);
            var until = first[0].Until.AddMinutes(random.Next(1, 50_000));
            var (before, after) = (new BudgetCalendar(second, first), new BudgetCalendar(third, [.. first, (second, until)]));
            foreach (var period in new[] { BudgetPeriod.Day, BudgetPeriod.Week, BudgetPeriod.Month })
                after.Containing(period, until, default).ShouldBe(before.Containing(period, until, default));
        }
    }

    [Fact]
    public void It_is_stored_and_read()
    {
        var text = BudgetCalendar.WriteEarlier(BudgetCalendar.WriteEarlier("[]", "Europe/Berlin", At("2026-11-20T10:00Z")), "America/New_York", At("2026-12-20T10:00Z"));
        text.ShouldBe("""[{"zone":"Europe/Berlin","until":1795168800000000},{"zone":"America/New_York","until":1797760800000000}]""");
        BudgetCalendar.Read("UTC", text).ShouldBe(new BudgetCalendar(TimeZoneInfo.Utc, (Berlin, At("2026-11-20T10:00Z")), (NewYork, At("2026-12-20T10:00Z"))));
        BudgetCalendar.Read("UTC", "[]").ShouldBe(BudgetCalendar.Utc);
    }
}
