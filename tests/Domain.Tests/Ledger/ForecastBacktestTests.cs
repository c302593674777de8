using System.Globalization;
using Tokonomics.Domain.Budgets;

namespace Tokonomics.Tests.Ledger;

/// <summary>
/// Forecasts of made-up spending, told within periods that are over. The method was chosen on seeds 1 to 8; these are others. <c>TOKONOMICS_FORECAST_SEEDS</c>: how many tenants of each habit; then
/// the table of docs/alerts.md is printed.
/// </summary>
public sealed class ForecastBacktestTests(ITestOutputHelper output)
{
    private const int FirstSeed = 201;

    private static int Seeds => int.TryParse(Environment.GetEnvironmentVariable("TOKONOMICS_FORECAST_SEEDS"), CultureInfo.InvariantCulture, out var seeds) ? seeds : 2;

    /// <summary>With how far off, at most, the median forecast of a day, a week and a month may be at their half: shares of the truth.</summary>
    public static TheoryData<SpendHabit, double, double, double> Habits => new()
    {
        { new("steady, 200 calls an hour", 200, 0.01, 1.0, 0, 0, 1, 0.05, 0), 0.04, 0.03, 0.03 },
        { new("office hours", 200, 0.01, 1.0, 1, 0, 1, 0.10, 0.01), 0.06, 0.05, 0.06 },
        { new("office hours, days that differ", 100, 0.01, 1.0, 1, 0, 1, 0.30, 0.02), 0.08, 0.09, 0.12 },
        { new("office hours, a level that wanders", 100, 0.01, 1.0, 1, 0, 1, 0.10, 0.05), 0.08, 0.08, 0.15 },
        { new("office hours, 3 % more each week", 100, 0.01, 1.0, 1, 0.03, 1, 0.10, 0.01), 0.06, 0.06, 0.08 },
        { new("office hours, a tenth more each week", 50, 0.01, 1.0, 1, 0.1, 1, 0.10, 0.01), 0.06, 0.06, 0.10 },
        { new("office hours, prices of a long tail", 60, 0.02, 1.8, 1, 0.01, 1, 0.10, 0.01), 0.13, 0.08, 0.08 },
        { new("in bursts of fifty", 60, 0.01, 1.0, 0.7, 0.01, 50, 0.10, 0.01), 0.20, 0.12, 0.12 },
        { new("sparse: 4 calls an hour", 4, 0.3, 1.0, 0.7, 0, 1, 0.10, 0.01), 0.20, 0.10, 0.10 },
        { new("rare: one call in three hours", 0.33, 1, 1.0, 0.5, 0, 1, 0.10, 0.01), 0.55, 0.25, 0.20 },
    };

    [Theory]
    [MemberData(nameof(Habits))]
    public void A_period_is_forecast_within_what_its_ways_allow_and_the_range_holds_the_truth_as_often_as_it_says(SpendHabit habit, double day, double week, double month)
    {
        var all = new Backtest();
        for (var seed = FirstSeed; seed < FirstSeed + Seeds; seed++)
            all.Add(ForecastTrials.Hours(habit, seed, out var first), first, ForecastTrials.Zone);
        output.WriteLine(all.Rows(habit.Name));
        output.WriteLine(all.TellingRows(habit.Name));
        all.At(BudgetPeriod.Day, 0.5).Median.ShouldBeLessThan(day);
        all.At(BudgetPeriod.Week, 0.5).Median.ShouldBeLessThan(week);
        all.At(BudgetPeriod.Month, 0.5).Median.ShouldBeLessThan(month);
        // Over all times of all periods: a single one of few tenants says little.
        all.Held(BudgetPeriod.Day).ShouldBeInRange(0.66, 0.95);
        all.Held(BudgetPeriod.Week).ShouldBeInRange(0.60, 0.98);
        all.Held(BudgetPeriod.Month).ShouldBeGreaterThan(0.5);
    }
}
