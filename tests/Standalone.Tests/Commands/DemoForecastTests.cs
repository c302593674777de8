using System.Globalization;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.Pricing;
using Tokonomics.Standalone.Demo;
using Tokonomics.Tests.Ledger;

namespace Tokonomics.Standalone.Tests.Commands;

/// <summary>
/// Forecasts of what `tokonomics demo` makes, 26 weeks of it, told within periods that are over: of the whole tenant, each project, each key and the six largest customers. With
/// <c>TOKONOMICS_FORECAST_SEEDS</c> of more than one, of that many demonstrations, and the table of docs/alerts.md is printed.
/// </summary>
public sealed class DemoForecastTests(ITestOutputHelper output)
{
    private const int Days = 182;

    private static readonly DateTimeOffset End = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    private static int Seeds => int.TryParse(Environment.GetEnvironmentVariable("TOKONOMICS_FORECAST_SEEDS"), CultureInfo.InvariantCulture, out var seeds) ? seeds : 1;

    [Fact]
    public void The_demonstrations_periods_are_forecast_and_the_range_holds_them_as_often_as_it_says()
    {
        var book = PriceSheetReader.ReadAll().ToBook();
        Backtest tenant = new(), projects = new(), customers = new();
        for (var seed = 1; seed <= Seeds; seed++)
        {
            var series = new Dictionary<(string Kind, string Value), double[]>();
            var projectIds = DemoFlow.Projects.ToDictionary(p => p.Name, p => p.Name);
            var places = new DemoPlaces("ten_1", ForecastTrials.Zone, projectIds, DemoFlow.Projects.ToDictionary(p => p.Name, p => p.Team), DemoFlow.All.Select(f => f.Key).Distinct().ToDictionary(k => k), "test");
            foreach (var call in new DemoTraffic(places, book, (ulong)seed, End, Days).Calls(Days * 500L))
            {
                if (call.Environment != KeyEnvironment.Live || call.Cost is not { Value: > 0 } cost)
                    continue;
                Add("tenant", "");
                Add("project", call.ProjectId!);
                foreach (var tag in call.Tags.Where(t => t.Name == "customer" && DemoFlow.Customers.Take(6).Contains(t.Value)))
                    Add("customer", tag.Value);

                void Add(string kind, string value)
                {
                    if (!series.TryGetValue((kind, value), out var hours))
                        series[(kind, value)] = hours = new double[Days * 24];
                    hours[(int)(call.At - End.AddDays(-Days)).TotalHours] += (double)cost.Usd;
                }
            }

            foreach (var ((kind, _), hours) in series)
                (kind switch { "tenant" => tenant, "project" => projects, _ => customers }).Add(hours, End.AddDays(-Days), ForecastTrials.Zone);
        }

        output.WriteLine(tenant.Rows("demo: the whole tenant"));
        output.WriteLine(projects.Rows("demo: each project"));
        output.WriteLine(customers.Rows("demo: six customers"));
        output.WriteLine(projects.TellingRows("demo: each project"));
        tenant.At(BudgetPeriod.Day, 0.5).Median.ShouldBeLessThan(0.10);
        tenant.At(BudgetPeriod.Week, 0.5).Median.ShouldBeLessThan(0.08);
        tenant.At(BudgetPeriod.Month, 0.5).Median.ShouldBeLessThan(0.10);
        projects.Held(BudgetPeriod.Day).ShouldBeInRange(0.7, 0.95);
        projects.Held(BudgetPeriod.Week).ShouldBeInRange(0.65, 0.97);
        customers.Held(BudgetPeriod.Day).ShouldBeInRange(0.7, 0.95);
        customers.Held(BudgetPeriod.Week).ShouldBeInRange(0.65, 0.97);
    }
}
