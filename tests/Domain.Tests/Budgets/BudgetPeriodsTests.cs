using Tokonomics.Domain.Budgets;

namespace Tokonomics.Domain.Tests.Budgets;

public sealed class BudgetPeriodsTests
{
    private static PeriodWindow Window(BudgetPeriod period, string zone, string at) =>
        BudgetPeriods.Containing(period, TimeZoneInfo.FindSystemTimeZoneById(zone), DateTimeOffset.Parse(at), DateTimeOffset.Parse("2026-01-05T10:00:00.1234567Z"));

    [Theory]
    [InlineData(BudgetPeriod.Month, "UTC", "2026-01-31T23:59:59.999Z", "2026-01-01T00:00Z", "2026-02-01T00:00Z")]
    [InlineData(BudgetPeriod.Month, "UTC", "2026-02-01T00:00:00Z", "2026-02-01T00:00Z", "2026-03-01T00:00Z")]
    [InlineData(BudgetPeriod.Month, "Pacific/Auckland", "2026-01-31T11:00:00Z", "2026-01-31T11:00Z", "2026-02-28T11:00Z")] // +13 in summer
    [InlineData(BudgetPeriod.Month, "Pacific/Auckland", "2026-04-10T00:00:00Z", "2026-03-31T11:00Z", "2026-04-30T12:00Z")] // +13 until 5 April, then +12
    [InlineData(BudgetPeriod.Month, "Pacific/Honolulu", "2026-02-01T09:59:59Z", "2026-01-01T10:00Z", "2026-02-01T10:00Z")] // -10, no summer time
    [InlineData(BudgetPeriod.Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z")] // 23 hours
    [InlineData(BudgetPeriod.Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00Z", "2026-10-25T23:00Z")] // 25 hours
    [InlineData(BudgetPeriod.Day, "America/Santiago", "2026-09-06T12:00:00Z", "2026-09-06T04:00Z", "2026-09-07T03:00Z")] // midnight is skipped: the day begins at 01:00 -03
    [InlineData(BudgetPeriod.Week, "UTC", "2026-03-15T23:59:59Z", "2026-03-09T00:00Z", "2026-03-16T00:00Z")] // Sunday belongs to the Monday before
    public void A_window_is_a_calendar_period_of_the_zone(BudgetPeriod period, string zone, string at, string start, string end)
    {
        var window = Window(period, zone, at);
        window.Start.ShouldBe(DateTimeOffset.Parse(start));
        window.End.ShouldBe(DateTimeOffset.Parse(end));
    }

    [Fact]
    public void A_total_begins_with_the_budget_and_never_ends()
    {
        var window = Window(BudgetPeriod.Total, "UTC", "2031-01-01T00:00:00Z");
        window.Start.ShouldBe(DateTimeOffset.Parse("2026-01-05T10:00:00.123456Z")); // whole microseconds, as the store keeps it
        window.ResetsAt.ShouldBeNull();
        window.Contains(DateTimeOffset.Parse("2099-01-01T00:00:00Z")).ShouldBeTrue();
    }

    [Theory]
    [InlineData("Pacific/Auckland")]
    [InlineData("Pacific/Honolulu")]
    [InlineData("America/Havana")] // clocks go back at one, over no midnight
    [InlineData("America/Santiago")] // and forward at midnight
    [InlineData("Asia/Beirut")]
    [InlineData("America/Asuncion")]
    [InlineData("Australia/Lord_Howe")] // half an hour of summer time
    [InlineData("Asia/Kathmandu")] // +05:45
    [InlineData("Pacific/Apia")] // left out 30 December 2011
    public void Windows_follow_each_other_without_gap_or_overlap(string zone)
    {
        foreach (var period in new[] { BudgetPeriod.Day, BudgetPeriod.Week, BudgetPeriod.Month })
            foreach (var year in new[] { 2011, 2026 })
            {
                var from = new DateTimeOffset(year, 1, 1, 0, 0, 0, TimeSpan.Zero);
                var last = Window(period, zone, from.ToString("O"));
                for (var at = from; at < from.AddMonths(13); at = at.AddMinutes(15))
                {
                    var window = BudgetPeriods.Containing(period, TimeZoneInfo.FindSystemTimeZoneById(zone), at, from);
                    window.Contains(at).ShouldBeTrue($"{period} {at:O} not in {window}");
                    if (window != last)
                        window.Start.ShouldBe(last.End, $"{period} {at:O}");
                    last = window;
                }
            }
    }
}
