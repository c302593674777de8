using FsCheck;
using FsCheck.Fluent;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Tests.Ledger;

public sealed class SpendForecastTests
{
    // A Monday.
    private static readonly DateTimeOffset First = new(2026, 8, 3, 0, 0, 0, TimeSpan.Zero);

    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");

    private static NanoUsd Usd(decimal usd) => NanoUsd.Round(usd);

    private static HourlySpend Hours(int count, Func<DateTimeOffset, decimal> usd, DateTimeOffset? first = null) =>
        new(first ?? First, [.. Enumerable.Range(0, count).Select(i => Usd(usd((first ?? First).AddHours(i))))]);

    private static HourlySpend Days(int count, Func<int, decimal> usd) => Hours(count * 24, hour => usd((int)(hour - First).TotalDays) / 24);

    private static DateTimeOffset End(HourlySpend history) => history.First.AddHours(history.Hours.Count);

    // So many whole days, and as much of the next as is said.
    private static PeriodSoFar SoFar(HourlySpend history, decimal spent, double days, decimal? cap = null) =>
        new(new PeriodWindow(End(history).AddDays(-1), End(history).AddDays(days)), Usd(spent), cap is { } c ? Usd(c) : null, End(history), TimeZoneInfo.Utc);

    private static SpendForecast InPeriod(BudgetPeriod period, TimeZoneInfo zone, DateTimeOffset now, Func<DateTime, decimal> usd, decimal? cap = null)
    {
        var first = new DateTimeOffset(now.AddDays(-60).Date, TimeSpan.Zero);
        var history = Hours((int)Math.Ceiling((now - first).TotalHours), hour => usd(TimeZoneInfo.ConvertTime(hour.AddMinutes(30), zone).DateTime), first);
        var window = BudgetPeriods.Containing(period, zone, now, now);
        var spent = history.Hours.Where((_, i) => first.AddHours(i) >= window.Start && first.AddHours(i) < now).Aggregate(NanoUsd.Zero, (a, b) => a + b);
        return SpendForecast.Of(history, new PeriodSoFar(window, spent, cap is { } c ? Usd(c) : null, now, zone))!;
    }

    private static Arbitrary<(HourlySpend History, PeriodSoFar SoFar)> Any() =>
        Gen.Choose(110, 1500).SelectMany(count => Gen.Choose(0, 5_000).ArrayOf(count).SelectMany(cents => Gen.Choose(1, 30 * 24).SelectMany(after => Gen.Choose(0, 59).Select(minutes =>
        {
            var history = new HourlySpend(First, [.. cents.Select((c, i) => Usd(i == 0 ? 1 : c / 100m))]);
            var now = End(history).AddMinutes(minutes - 60);
            return (history, new PeriodSoFar(new PeriodWindow(now.AddHours(-10), now.AddHours(after)), Usd(cents[^1] / 50m), Usd(cents[0]), now, Berlin));
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
            return days.Zip(days.Skip(1)).All(p => p.First.Expected <= p.Second.Expected && p.First.Day < p.Second.Day && p.First.High.Value - p.First.Expected.Value <= p.Second.High.Value - p.Second.Expected.Value + 1);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Amounts_a_thousand_times_larger_give_a_forecast_a_thousand_times_larger_reached_at_the_same_time() =>
        Prop.ForAll(Any(), c =>
        {
            var small = SpendForecast.Of(c.History, c.SoFar)!;
            var large = SpendForecast.Of(
                c.History with { Hours = [.. c.History.Hours.Select(h => new NanoUsd(h.Value * 1000))] },
                c.SoFar with { Spent = new NanoUsd(c.SoFar.Spent.Value * 1000), Cap = new NanoUsd(c.SoFar.Cap!.Value.Value * 1000) })!;
            // Half a nano-dollar of rounding, times a thousand.
            return Math.Abs(large.Expected.Value - (small.Expected.Value * 1000)) <= 2000 && Math.Abs(large.High.Value - (small.High.Value * 1000)) <= 2000
                && (large.ReachedAt, small.ReachedAt) switch { (null, null) => true, ({ } a, { } b) => (a - b).Duration() < TimeSpan.FromSeconds(1), _ => false };
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_same_hours_give_the_same_forecast() =>
        Prop.ForAll(Any(), c =>
        {
            var (a, b) = (SpendForecast.Of(c.History, c.SoFar)!, SpendForecast.Of(c.History with { Hours = [.. c.History.Hours] }, c.SoFar)!);
            return (a.Expected, a.Low, a.High, a.ReachedAt) == (b.Expected, b.Low, b.High, b.ReachedAt);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_dollar_more_that_is_spent_already_is_a_dollar_more_at_the_end_and_never_a_later_cap() =>
        Prop.ForAll(Any(), c =>
        {
            var (less, more) = (SpendForecast.Of(c.History, c.SoFar)!, SpendForecast.Of(c.History, c.SoFar with { Spent = c.SoFar.Spent + Usd(1) })!);
            return Math.Abs((more.Expected - less.Expected - Usd(1)).Value) <= 2
                && (less.ReachedAt is null || c.SoFar.Spent + Usd(1) >= c.SoFar.Cap || more.ReachedAt <= less.ReachedAt);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_cap_is_reached_within_the_period_exactly_where_the_expected_end_is_no_less() =>
        Prop.ForAll(Any(), c =>
        {
            var forecast = SpendForecast.Of(c.History, c.SoFar)!;
            var (cap, over) = (c.SoFar.Cap!.Value, c.SoFar.Spent >= c.SoFar.Cap);
            return forecast.ReachedAt is { } at ? !over && at >= c.SoFar.Now && at <= c.SoFar.Window.End && forecast.Expected.Value >= cap.Value - 1 : over || forecast.Expected.Value <= cap.Value + 1;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_steady_tenant_is_forecast_to_the_cent_with_no_range()
    {
        var history = Days(56, _ => 24);
        // 40 spent and ten and a half days of 24 are still to come: 292. At 100 it has been 60 dollars, two and a half days.
        var forecast = SpendForecast.Of(history, SoFar(history, 40, 10.5, cap: 100))!;
        decimal.Round(forecast.Expected.Usd, 4).ShouldBe(292);
        decimal.Round(forecast.Low.Usd, 4).ShouldBe(292);
        decimal.Round(forecast.High.Usd, 4).ShouldBe(292);
        (forecast.ReachedAt!.Value - End(history).AddDays(2.5)).Duration().ShouldBeLessThan(TimeSpan.FromSeconds(1));
        (forecast.DaysKnown, forecast.Days.Count).ShouldBe((56, 11));
    }

    [Fact]
    public void A_weekend_without_spend_is_forecast_without_spend()
    {
        // Eight weeks of 10 on weekdays and nothing on the weekend; a Monday begins, and a weekend ends the seven days.
        var history = Days(56, i => i % 7 < 5 ? 10 : 0);
        var forecast = SpendForecast.Of(history, SoFar(history, 0, 7, cap: 50.01m))!;
        decimal.Round(forecast.Expected.Usd, 4).ShouldBe(50);
        forecast.ReachedAt.ShouldBeNull();
        forecast.Days[^1].Expected.ShouldBe(forecast.Days[4].Expected); // Saturday and Sunday add nothing
    }

    [Fact]
    public void Office_hours_are_where_the_cap_of_a_day_is_reached()
    {
        // Ten dollars between nine and seventeen, on every day; nine o'clock in Berlin by summer time is seven by UTC. At six in the morning nothing is spent.
        static decimal Office(DateTime local) => local.Hour is >= 9 and < 17 ? 1.25m : 0;
        var now = new DateTimeOffset(2026, 7, 15, 4, 0, 0, TimeSpan.Zero);
        var forecast = InPeriod(BudgetPeriod.Day, Berlin, now, Office, cap: 5);
        forecast.Expected.Usd.ShouldBeInRange(9.8m, 10.2m);
        TimeZoneInfo.ConvertTime(forecast.ReachedAt!.Value, Berlin).TimeOfDay.ShouldBeInRange(new TimeSpan(12, 45, 0), new TimeSpan(13, 15, 0));
    }

    [Fact]
    public void A_day_that_began_with_twice_the_usual_goes_on_so_where_days_have_done_that()
    {
        // Odd days cost three times what even ones do, all day long.
        static decimal Usd(DateTime local) => local.Day % 2 == 1 ? 3 : 1;
        var (low, high) = (InPeriod(BudgetPeriod.Day, TimeZoneInfo.Utc, new DateTimeOffset(2026, 9, 16, 12, 0, 0, TimeSpan.Zero), Usd), InPeriod(BudgetPeriod.Day, TimeZoneInfo.Utc, new DateTimeOffset(2026, 9, 17, 12, 0, 0, TimeSpan.Zero), Usd));
        low.Expected.Usd.ShouldBeInRange(22, 30);   // 24 in truth; the mean of all days is 48
        high.Expected.Usd.ShouldBeInRange(62, 76); // 72
    }

    [Theory]
    [InlineData("2026-03-29T06:00Z", 15)] // the day has 23 hours: eight by the clock, and sixteen are left; of them one fell before
    [InlineData("2026-10-25T07:00Z", 16)] // 25 hours: eight by the clock, and sixteen are left
    public void A_day_of_23_or_25_hours_has_the_hours_that_it_has(string at, int left)
    {
        var now = DateTimeOffset.Parse(at, System.Globalization.CultureInfo.InvariantCulture);
        var forecast = InPeriod(BudgetPeriod.Day, Berlin, now, _ => 1);
        var window = BudgetPeriods.Containing(BudgetPeriod.Day, Berlin, now, now);
        forecast.Expected.Usd.ShouldBeInRange((decimal)(window.End - window.Start).TotalHours - 0.7m, (decimal)(window.End - window.Start).TotalHours + 0.7m);
        ((window.End - now).TotalHours).ShouldBe(left + (at.StartsWith("2026-03", StringComparison.Ordinal) ? 1 : 0));
        forecast.Days.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData("2028-02-10T12:00Z", 29)] // a leap year
    [InlineData("2026-02-10T12:00Z", 28)]
    [InlineData("2026-04-30T12:00Z", 30)]
    [InlineData("2026-12-31T12:00Z", 31)]
    public void A_month_ends_with_its_last_day(string at, int days)
    {
        var now = DateTimeOffset.Parse(at, System.Globalization.CultureInfo.InvariantCulture);
        var forecast = InPeriod(BudgetPeriod.Month, Berlin, now, _ => 1);
        // A dollar an hour; an hour more or less where the clocks were changed.
        forecast.Expected.Usd.ShouldBeInRange((days * 24) - 2, (days * 24) + 2);
        forecast.Days[^1].Day.Day.ShouldBe(days);
    }

    [Theory]
    [InlineData("Asia/Kolkata")]
    [InlineData("Australia/Lord_Howe")]
    [InlineData("America/Havana")]
    [InlineData("Pacific/Apia")]
    public void Zones_of_half_hours_and_midnights_that_come_twice_have_their_days_too(string zone)
    {
        var clock = TimeZoneInfo.FindSystemTimeZoneById(zone);
        for (var at = new DateTimeOffset(2026, 10, 1, 5, 20, 0, TimeSpan.Zero); at.Month < 12; at = at.AddHours(29))
        {
            var window = BudgetPeriods.Containing(BudgetPeriod.Week, clock, at, at);
            InPeriod(BudgetPeriod.Week, clock, at, _ => 1).Expected.Usd.ShouldBeInRange((decimal)(window.End - window.Start).TotalHours - 3, (decimal)(window.End - window.Start).TotalHours + 3, $"{zone} {at:O}");
        }
    }

    [Fact]
    public void One_wild_day_bends_the_shape_of_no_weekday()
    {
        var history = Days(56, i => i == 20 ? 5000 : 10); // five weeks before: the level has forgotten it too
        SpendForecast.Of(history, SoFar(history, 0, 14))!.Expected.Usd.ShouldBeInRange(135, 145);
    }

    [Fact]
    public void Growth_is_followed()
    {
        // A tenth more each week: the next ten days are above the last ten.
        var history = Days(56, i => (decimal)Math.Pow(1.1, i / 7d));
        var truth = Enumerable.Range(56, 10).Sum(i => (decimal)Math.Pow(1.1, i / 7d));
        SpendForecast.Of(history, SoFar(history, 0, 10))!.Expected.Usd.ShouldBeInRange(truth * 0.95m, truth * 1.05m);
        // Twice as much for two weeks: most of it is believed.
        var risen = Days(56, i => i < 42 ? 10 : 20);
        SpendForecast.Of(risen, SoFar(risen, 0, 10))!.Expected.Usd.ShouldBeInRange(170, 240);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void With_fewer_than_three_days_nothing_is_said(int days)
    {
        var history = Days(days, _ => 10);
        SpendForecast.Of(history, SoFar(history, 1, 10)).ShouldBeNull();
        // Days before the first call are no history.
        var silent = Days(30 + days, i => i < 30 ? 0 : 10);
        SpendForecast.Of(silent, SoFar(silent, 1, 10)).ShouldBeNull();
    }

    [Fact]
    public void A_total_has_no_end_and_no_forecast()
    {
        var history = Days(30, _ => 10);
        var soFar = new PeriodSoFar(BudgetPeriods.Containing(BudgetPeriod.Total, TimeZoneInfo.Utc, End(history), First), Usd(10), Usd(20), End(history), TimeZoneInfo.Utc);
        SpendForecast.Of(history, soFar).ShouldBeNull();
        soFar.Passed.ShouldBe(0);
    }

    [Fact]
    public void A_new_tenant_gets_a_wide_range_and_an_old_one_of_the_same_ways_a_narrow_one()
    {
        static decimal Usd(int i) => 10 + (i % 3);
        var (few, many) = (Days(5, Usd), Days(56, Usd));
        var (young, old) = (SpendForecast.Of(few, SoFar(few, 0, 20))!, SpendForecast.Of(many, SoFar(many, 0, 20))!);
        (young.High.Value - young.Low.Value).ShouldBeGreaterThan(3 * (old.High.Value - old.Low.Value));
    }

    [Fact]
    public void Where_nothing_is_to_come_the_period_ends_where_it_is()
    {
        var history = Days(30, i => 10 + (i % 4));
        var forecast = SpendForecast.Of(history, SoFar(history, 123, 0))!;
        (forecast.Expected, forecast.Low, forecast.High, forecast.ReachedAt).ShouldBe((Usd(123), Usd(123), Usd(123), null));
    }

    [Fact]
    public void A_scope_that_has_stopped_is_forecast_to_stay_where_it_is_within_weeks()
    {
        var history = Days(56, i => i < 26 ? 10 : 0);
        SpendForecast.Of(history, SoFar(history, 0, 10))!.Expected.Usd.ShouldBeLessThan(1);
    }

    [Fact]
    public void The_largest_amounts_don_t_overflow()
    {
        var history = Days(56, i => 20_000_000 + i);
        SpendForecast.Of(history, SoFar(history, 1_000_000_000, 30))!.Expected.Value.ShouldBeGreaterThan(Usd(1_500_000_000).Value);
    }
}
