using FsCheck;
using FsCheck.Fluent;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Tests.Ledger;

public sealed class SpendForecastTests
{
    // A Monday.
    private static readonly DateOnly First = new(2026, 8, 3);

    private static NanoUsd Usd(decimal usd) => NanoUsd.Round(usd);

    private static List<DaySpend> Days(int count, Func<int, decimal> usd) => [.. Enumerable.Range(0, count).Select(i => new DaySpend(First.AddDays(i), Usd(usd(i))))];

    private static PeriodSoFar SoFar(List<DaySpend> history, decimal spent, int after, decimal passed = 0)
    {
        var today = First.AddDays(history.Count);
        return new PeriodSoFar(Usd(spent), today, passed, [.. Enumerable.Range(1, after).Select(i => today.AddDays(i))]);
    }

    private static Arbitrary<(List<DaySpend> History, PeriodSoFar SoFar)> Any() =>
        Gen.Choose(3, 70).SelectMany(count => Gen.Choose(0, 50_000).ArrayOf(count).SelectMany(cents => Gen.Choose(0, 30).SelectMany(after => Gen.Choose(0, 100).Select(passed =>
        {
            var history = Days(count, i => i == 0 ? 1 : cents[i] / 100m);
            return (history, SoFar(history, cents[^1] / 50m, after, passed / 100m));
        })))).ToArbitrary();

    [Fact]
    public void The_expected_end_lies_in_its_range_and_never_below_what_is_spent() =>
        Prop.ForAll(Any(), c =>
        {
            var forecast = SpendForecast.Of(c.History, c.SoFar)!;
            return forecast.Low <= forecast.Expected && forecast.Expected <= forecast.High && c.SoFar.Spent <= forecast.Low;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_sums_of_the_days_to_come_never_fall_and_their_range_never_narrows() =>
        Prop.ForAll(Any(), c =>
        {
            var days = SpendForecast.Of(c.History, c.SoFar)!.Days;
            return days.Count == c.SoFar.DaysAfter.Count + 1
                && days.Zip(days.Skip(1)).All(p => p.First.Expected <= p.Second.Expected && p.First.High.Value - p.First.Expected.Value <= p.Second.High.Value - p.Second.Expected.Value + 1);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Amounts_a_thousand_times_larger_give_a_forecast_a_thousand_times_larger() =>
        Prop.ForAll(Any(), c =>
        {
            var small = SpendForecast.Of(c.History, c.SoFar)!;
            var large = SpendForecast.Of([.. c.History.Select(d => d with { Spent = new NanoUsd(d.Spent.Value * 1000) })], c.SoFar with { Spent = new NanoUsd(c.SoFar.Spent.Value * 1000) })!;
            // Half a nano-dollar of rounding, times a thousand, and the root's own end.
            return Math.Abs(large.Expected.Value - (small.Expected.Value * 1000)) <= 2000 && Math.Abs(large.High.Value - (small.High.Value * 1000)) <= 2000;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_same_days_give_the_same_forecast() =>
        Prop.ForAll(Any(), c =>
        {
            var (a, b) = (SpendForecast.Of(c.History, c.SoFar)!, SpendForecast.Of([.. c.History], c.SoFar)!);
            return (a.Expected, a.Low, a.High) == (b.Expected, b.Low, b.High);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_steady_tenant_is_forecast_to_the_cent_with_no_range()
    {
        var history = Days(56, _ => 10);
        // 40 spent, half of today (5) and 10 days of 10 are still to come.
        var forecast = SpendForecast.Of(history, SoFar(history, 40, after: 10, passed: 0.5m))!;
        forecast.Expected.ShouldBe(Usd(145));
        forecast.Low.ShouldBe(Usd(145));
        forecast.High.ShouldBe(Usd(145));
        forecast.DaysKnown.ShouldBe(56);
    }

    [Fact]
    public void A_weekend_without_spend_is_forecast_without_spend()
    {
        // Eight weeks of 10 on weekdays and nothing on the weekend; today is a Monday, and five days and a weekend follow.
        var history = Days(56, i => i % 7 < 5 ? 10 : 0);
        var forecast = SpendForecast.Of(history, SoFar(history, 0, after: 6))!;
        forecast.Expected.ShouldBe(Usd(50));
        forecast.Days[^1].Expected.ShouldBe(forecast.Days[4].Expected); // Saturday and Sunday add nothing
    }

    [Fact]
    public void One_wild_day_bends_the_shape_of_no_weekday()
    {
        var history = Days(56, i => i == 20 ? 5000 : 10); // three weeks before the level's two
        SpendForecast.Of(history, SoFar(history, 0, after: 13))!.Expected.ShouldBe(Usd(140));
    }

    [Fact]
    public void Growth_is_followed_within_two_weeks()
    {
        var history = Days(56, i => i < 42 ? 10 : 20);
        SpendForecast.Of(history, SoFar(history, 0, after: 9))!.Expected.ShouldBe(Usd(200));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void With_fewer_than_three_days_nothing_is_said(int days)
    {
        var history = Days(days, _ => 10);
        SpendForecast.Of(history, SoFar(history, 1, after: 10)).ShouldBeNull();
        // Days before the first call are no history.
        var silent = Days(30 + days, i => i < 30 ? 0 : 10);
        SpendForecast.Of(silent, SoFar(silent, 1, after: 10)).ShouldBeNull();
    }

    [Fact]
    public void A_new_tenant_gets_a_wide_range_and_an_old_one_of_the_same_ways_a_narrow_one()
    {
        static decimal Usd(int i) => 10 + (i % 3);
        var (few, many) = (Days(5, Usd), Days(56, Usd));
        var (young, old) = (SpendForecast.Of(few, SoFar(few, 0, after: 20))!, SpendForecast.Of(many, SoFar(many, 0, after: 20))!);
        (young.High.Value - young.Low.Value).ShouldBeGreaterThan(3 * (old.High.Value - old.Low.Value));
    }

    [Fact]
    public void Where_nothing_is_to_come_the_period_ends_where_it_is()
    {
        var history = Days(30, i => 10 + (i % 4));
        var forecast = SpendForecast.Of(history, SoFar(history, 123, after: 0, passed: 1))!;
        (forecast.Expected, forecast.Low, forecast.High).ShouldBe((Usd(123), Usd(123), Usd(123)));
    }

    [Fact]
    public void The_largest_amounts_don_t_overflow()
    {
        var history = Days(56, i => 20_000_000 + i);
        SpendForecast.Of(history, SoFar(history, 1_000_000_000, after: 30))!.Expected.Value.ShouldBeGreaterThan(Usd(1_500_000_000).Value);
    }
}
