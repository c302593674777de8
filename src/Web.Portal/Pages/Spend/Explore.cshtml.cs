using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Spend;

/// <summary>Spend of any range, filtered and split by anything; with <c>format=csv</c> its table as a file, with <c>format=csv-time</c> its chart.</summary>
public sealed class ExploreModel(IUsageQueries usage, IPalettePlaces palette, TimeProvider time) : PortalPage
{
    public static readonly IReadOnlyList<(string Name, string Title)> Dimensions = [("model", "Model"), ("provider", "Provider"), ("key", "Key"), ("project", "Project"), ("team", "Team"), ("feature", "Feature"), ("customer", "Customer")];

    private static readonly Dictionary<string, Func<SpendLine, decimal>> Sorts = new(StringComparer.Ordinal)
    {
        ["cost"] = l => l.Totals.Cost.Value,
        ["change"] = l => (decimal)l.Totals.Cost.Value - l.Before.Value,
        ["calls"] = l => l.Totals.Calls,
        ["errors"] = l => l.Totals.Errors,
        ["input"] = l => l.Totals.InputTokens,
        ["output"] = l => l.Totals.OutputTokens,
        ["latency"] = l => l.Totals.Latency.Quantile(0.95)?.Ticks ?? -1,
    };

    private IReadOnlyDictionary<string, string> _colours = new Dictionary<string, string>();

    public SpendView View { get; private set; } = null!;

    public SpendExploration Exploration { get; private set; } = null!;

    /// <summary>What of it explains the change from the time before; null where there was none to compare with.</summary>
    public SpendComparison? Comparison { get; private set; }

    public IReadOnlyList<SpendLine> Lines { get; private set; } = [];

    public IReadOnlyList<string> Tags { get; private set; } = [];

    public string Sort { get; private set; } = "cost";

    public DateTimeOffset Now { get; } = time.GetUtcNow();

    public const int Shown = 50;

    public async Task<IActionResult> OnGetAsync(string? sort, string? format)
    {
        View = SpendView.Read(Request.Query, TenantId, Environment, Zone, Now);
        if (await AskAsync(new ExploreSpend(Caller, View.Question, View.By)) is not { } exploration)
            return Refused ?? BadRequest();
        Exploration = exploration;
        Sort = sort is not null && Sorts.ContainsKey(sort) ? sort : "cost";
        Lines = Sort == "cost" ? exploration.Lines : [.. exploration.Lines.OrderByDescending(Sorts[Sort])];
        if (format is "csv" or "csv-time")
            return (format == "csv" ? Table() : OverTime()).File($"tokonomics-{View.By.ToString().Replace(':', '-')}-{View.FirstDay:yyyy-MM-dd}-{View.LastDay:yyyy-MM-dd}.csv");
        _colours = await palette.ColoursAsync(TenantId, View.By, exploration.Stacks, Cancel);
        Comparison = await AskAsync(new CompareSpend(Caller, View.Question));
        Tags = [.. (await usage.TagNamesAsync(TenantId, Environment, View.Question.From, View.Question.To, Cancel)).Where(t => t is not ("feature" or "customer"))];
        return Page();
    }

    public string Name(string value) => value.Length == 0 ? $"without {(View.By.Tag is null ? View.By.ToString() : "a " + View.By.Tag)}" : Exploration.Names.Of(value);

    /// <summary>A filter as people read it.</summary>
    public string FilterName(KeyValuePair<string, string> filter) => filter.Key == "tag" ? filter.Value.Replace("=", ": ", StringComparison.Ordinal) : $"{filter.Key}: {Exploration.Names.Of(filter.Value)}";

    public string Sentence()
    {
        var (cost, calls) = (Exploration.Totals.Cost, Exploration.Totals.Calls);
        if (calls == 0)
            return "No call in this range.";
        var first = Exploration.Lines[0];
        var share = Figures.Percent(first.Totals.Cost, cost).Text;
        return $"{Figures.Money(cost).Text} for {Figures.Count(calls).Text} {(calls == 1 ? "call" : "calls")} {(View.FirstDay == View.LastDay ? "on" : "in")} {SpendSentences.Span(View.Question.From, View.Question.To, Zone, Now)}"
            + (Exploration.Lines.Count > 1 && cost.Value > 0 ? $", {share} of it {(View.By.Tag is null || first.Value.Length == 0 ? "" : View.By.Tag + " ")}{Name(first.Value)}." : ".");
    }

    public SpendChart Chart() => SpendChart.Of(
        $"Spend by {View.By.ToString().Replace("tag:", "", StringComparison.Ordinal)} and {View.Question.Grain.ToString().ToLowerInvariant()}, USD", Exploration.Stacks, _colours, View.Question, Name, (start, end) => View.Closer(start, end), Sentence());

    /// <summary>Each value's colour, as in the chart; those that are not in it have the others'.</summary>
    public string Colour(string value) => _colours.GetValueOrDefault(value, SeriesColours.Other);

    /// <summary>Whether the last bucket is still filling.</summary>
    public bool IsPartial => View.Question.To > Now;

    private Csv Table()
    {
        var csv = new Csv().Row(View.By.ToString(), "name", "cost_usd", "cost_before_usd", "calls", "errors", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "unpriced_calls", "estimated_calls", "latency_ms_p50", "latency_ms_p95", "first_byte_ms_p50");
        foreach (var l in Lines)
            csv.Row(
                l.Value, Exploration.Names.Of(l.Value), l.Totals.Cost, l.Before, l.Totals.Calls, l.Totals.Errors, l.Totals.InputTokens, l.Totals.CacheReadTokens, l.Totals.CacheWriteTokens, l.Totals.OutputTokens, l.Totals.ReasoningTokens,
                l.Totals.Unpriced, l.Totals.Estimated, Ms(l.Totals.Latency.Quantile(0.5)), Ms(l.Totals.Latency.Quantile(0.95)), Ms(l.Totals.FirstByte.Quantile(0.5)));
        return csv;
    }

    private Csv OverTime()
    {
        var csv = new Csv().Cell("from").Cell("to");
        foreach (var stack in Exploration.Stacks.Stacks)
            csv.Cell((stack.Key is null ? "other" : Name(stack.Key)) + " (USD)");
        csv.End();
        for (var i = 0; i < Exploration.Stacks.Buckets.Count; i++)
        {
            csv.Cell(Exploration.Stacks.Buckets[i].Start).Cell(Exploration.Stacks.Buckets[i].End);
            foreach (var stack in Exploration.Stacks.Stacks)
                csv.Cell(stack.Costs[i]);
            csv.End();
        }

        return csv;
    }

    private static decimal? Ms(TimeSpan? time) => time is { } t ? Math.Round((decimal)t.TotalMilliseconds, 1) : null;

    public NanoUsd Before => Exploration.Before;
}
