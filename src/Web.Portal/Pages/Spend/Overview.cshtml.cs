using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Spend;

/// <summary>How the month stands: one sentence, one number, and what explains them.</summary>
public sealed class OverviewModel(IPalettePlaces palette, TimeProvider time, IOptions<PortalOptions> options) : PortalPage
{
    public SpendOverview Overview { get; private set; } = null!;

    public SpendView View { get; private set; } = null!;

    /// <summary>Of the models.</summary>
    public IReadOnlyDictionary<string, string> Colours { get; private set; } = new Dictionary<string, string>();

    public IReadOnlyList<BudgetLine> Budgets { get; private set; } = [];

    /// <summary>What comparisons say could be saved; mostly none.</summary>
    public IReadOnlyList<SavingSuggestion> Suggestions { get; private set; } = [];

    public DateTimeOffset Now { get; } = time.GetUtcNow();

    public string BaseUrl { get; } = options.Value.PublicUrl.ToString().TrimEnd('/');

    /// <summary>The month's limit for the whole tenant; null where there is none.</summary>
    public NanoUsd? Cap => Budgets.Where(b => b.Budget is { Scope.Kind: BudgetScopeKind.Tenant, Period: BudgetPeriod.Month }).Select(b => (NanoUsd?)b.Budget.LimitAt(Now)).FirstOrDefault();

    public async Task<IActionResult> OnGetAsync()
    {
        if (await AskAsync(new GetOverview(Caller, TenantId, Environment)) is not { } overview)
            return Refused ?? BadRequest();
        Overview = overview;
        Colours = await palette.ColoursAsync(TenantId, SpendDimension.Of(SummaryDimension.Model), overview.Days, Cancel);
        View = SpendView.Read(new QueryCollection(), TenantId, Environment, Zone, Now);
        if (await AskAsync(new ListBudgets(Caller, TenantId)) is { } budgets)
            Budgets = [.. budgets.Budgets.Where(b => b.Budget.Environment == Environment && b.Budget.Scope.Name != SampleBudgets.Tag)]; // those stand beside what they buy, on the page of savings
        // One cheap query where no group only watches.
        if (overview.HasCalls && await AskAsync(new GetSuggestions(Caller, TenantId, Environment)) is { } found)
            Suggestions = found.Suggestions;
        return Page();
    }

    public string Name(string id) => Overview.Names.Of(id);

    public string MonthSentence => SpendSentences.Month(Overview.Totals.Cost, Cap, Overview.Forecast, Overview.DaysKnown, Overview.Month.End, Zone, Now);

    /// <summary>The sum of the month day by day, and how it goes on.</summary>
    public SpendChart MonthChart()
    {
        var days = Overview.Days.Buckets;
        var (reached, sum) = (new decimal?[days.Count], 0m);
        var today = -1;
        for (var i = 0; i < days.Count; i++)
        {
            if (days[i].Start > Now)
                break;
            sum += Overview.Days.Stacks.Sum(s => s.Costs[i].Usd);
            (reached[i], today) = (sum, i);
        }

        var series = new List<SpendSeries> { new("Spent", SeriesColours.Spent, reached) };
        if (Overview.Forecast is { } forecast && today >= 0)
        {
            var (low, high, expected) = (new decimal?[days.Count], new decimal?[days.Count], new decimal?[days.Count]);
            // From where the spent line ends at the day before, so that today's rest is seen too.
            if (today > 0)
                (low[today - 1], high[today - 1], expected[today - 1]) = (reached[today - 1], reached[today - 1], reached[today - 1]);
            for (var i = 0; i < forecast.Days.Count && today + i < days.Count; i++)
                (low[today + i], high[today + i], expected[today + i]) = (forecast.Days[i].Low.Usd, forecast.Days[i].High.Usd, forecast.Days[i].Expected.Usd);
            series.Add(new SpendSeries("low", SeriesColours.Spent, low, "low"));
            series.Add(new SpendSeries("4 in 5 months end in here", SeriesColours.Spent, high, "high"));
            series.Add(new SpendSeries("Forecast", SeriesColours.Spent, expected, "forecast"));
        }

        return new SpendChart(
            "Spent this month, USD", MonthSentence, [.. days.Select(d => TimeZoneInfo.ConvertTime(d.Start, Zone).ToString("d MMM", CultureInfo.InvariantCulture))], [.. days.Select(d => d.Start > Now ? null : View.Closer(d.Start, d.End))], series,
            Stacked: false) { Limit = Cap is { } cap ? new ChartLimit($"Cap {Figures.Money(cap).Text}", cap.Usd) : null };
    }

    public SpendChart DaysChart() => SpendChart.Of(
        "By day and model, USD", Overview.Days, Colours, Overview.Question, n => n.Length == 0 ? "no model" : n, (start, end) => start > Now ? null : View.Closer(start, end),
        Overview.Days.Stacks.Count == 0 ? "Nothing was spent yet." : $"Largest: {string.Join(", ", Overview.Days.Stacks.Take(3).Select(s => $"{s.Key ?? "other"} {Figures.Money(s.Cost).Text}"))}.");

    /// <summary>The views of a cause: its calls' spend.</summary>
    public string LinkOf(Contribution c) => c.Value.Length == 0 ? View.Link("/explore", ("by", c.Dimension))
        : c.Dimension is "feature" or "customer" ? View.Link("/explore", ("tag", $"{c.Dimension}={c.Value}"), ("by", "model")) : View.Link("/explore", (c.Dimension, c.Value), ("by", c.Dimension == "model" ? "feature" : "model"));

    public string ScopeOf(Budget budget) => budget.Scope.Kind switch
    {
        BudgetScopeKind.Tenant => "Everything",
        BudgetScopeKind.Tag => budget.Scope.IsEachValue ? $"each {budget.Scope.Name}" : $"{budget.Scope.Name} {budget.Scope.Value}",
        var kind => $"{kind} {Name(budget.Scope.Value!)}",
    };
}
