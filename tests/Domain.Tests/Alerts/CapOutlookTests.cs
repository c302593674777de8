using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Tests.Alerts;

public sealed class CapOutlookTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    private static NanoUsd Usd(decimal usd) => NanoUsd.Round(usd);

    // Ninety to a hundred and ten of a month, as things stand on the eleventh.
    private static bool Told(decimal cap, decimal spent = 40, int days = 30, int passed = 10, decimal expected = 100, decimal low = 91, bool reached = true) => CapOutlook.WillNotLast(
        new SpendForecast(Usd(expected), Usd(low), Usd(110), [], days, reached ? Start.AddDays(20) : null),
        new PeriodSoFar(new PeriodWindow(Start, Start.AddDays(30)), Usd(spent), Usd(cap), Start.AddDays(passed), TimeZoneInfo.Utc));

    [Fact]
    public void It_is_told_where_two_times_in_three_the_cap_is_reached()
    {
        Told(90).ShouldBeTrue();
        Told(97).ShouldBeTrue(); // a third of the way from a hundred down to 91
        Told(97.01m).ShouldBeFalse();
        Told(105, reached: false).ShouldBeFalse();
    }

    [Fact]
    public void With_little_history_all_of_the_range_must_lie_beyond_the_cap()
    {
        Told(95, days: 13).ShouldBeFalse();
        Told(95, days: 14).ShouldBeTrue();
        Told(91, days: 3).ShouldBeTrue();
    }

    [Fact]
    public void Before_a_tenth_of_the_period_has_passed_and_after_the_cap_is_reached_nothing_is_told()
    {
        Told(90, passed: 2).ShouldBeFalse();
        Told(90, passed: 3).ShouldBeTrue();
        Told(40, spent: 40).ShouldBeFalse();
        Told(40, spent: 39.99m).ShouldBeTrue();
    }

    [Fact]
    public void It_is_over_when_the_end_is_clearly_below_the_cap()
    {
        static bool Over(decimal expected, bool reached = false) => CapOutlook.WillLast(new SpendForecast(Usd(expected), Usd(1), Usd(200), [], 30, reached ? Start : null), Usd(100));
        Over(94.99m).ShouldBeTrue();
        Over(95).ShouldBeFalse();
        Over(90, reached: true).ShouldBeFalse(); // an increase that ends takes its room with it
    }
}
