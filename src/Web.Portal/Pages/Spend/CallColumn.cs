using Microsoft.AspNetCore.Html;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Web.Portal.Pages.Spend;

/// <summary>What a list of calls can show of each. When a call was made is always its first column.</summary>
/// <param name="Name">As in <c>columns=</c>.</param>
/// <param name="IsNumber">Stands at the right.</param>
/// <param name="IsText">Of any length: it may break.</param>
public sealed record CallColumn(string Name, string Title, bool IsNumber = false, bool IsText = false)
{
    public static readonly IReadOnlyList<CallColumn> All =
    [
        new("model", "Model", IsText: true), new("tags", "Feature and customer", IsText: true), new("key", "Key"), new("project", "Project"), new("team", "Team"), new("route", "Route"),
        new("input", "Input", true), new("cached", "Cache read", true), new("output", "Output", true), new("reasoning", "Reasoning", true), new("first-byte", "First byte", true), new("latency", "Latency", true),
        new("cost", "Cost", true), new("prices", "Price version"), new("status", "Status", true), new("ending", "Ending"), new("id", "Id"),
    ];

    public static readonly IReadOnlyList<CallColumn> Usual = Of("model,tags,key,input,output,latency,cost,ending", []);

    /// <summary>The columns that an address names, in the order of <see cref="All"/>; the usual ones where it names none. What is no column is told.</summary>
    public static IReadOnlyList<CallColumn> Read(string? text, List<string> problems)
    {
        var read = Of(text ?? "", problems);
        return read.Count == 0 ? Usual : read;
    }

    private static List<CallColumn> Of(string text, List<string> problems)
    {
        var names = text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        foreach (var name in names.Where(n => All.All(c => c.Name != n)).Distinct(StringComparer.Ordinal))
            problems.Add($"'{name}' is no column: take {string.Join(", ", All.Select(c => c.Name))}.");
        return [.. All.Where(c => names.Contains(c.Name))];
    }

    /// <summary>A call's cell.</summary>
    /// <param name="names">Names of keys, projects and teams by their ids.</param>
    /// <param name="money">Writes the column's amounts.</param>
    public IHtmlContent Cell(UsageEvent call, Application.Ledger.SpendNames names, Func<NanoUsd?, Figure> money) => Name switch
    {
        "model" => Marked(TwoPart(call.ResponseModel ?? call.RequestModel ?? "–", call.Provider), SavingsSentences.Mark(call)),
        "tags" => TwoPart(CallsModel.TagOf(call, "feature"), CallsModel.TagOf(call, "customer")),
        "key" => Text(names.Of(call.KeyId)),
        "project" => Text(call.ProjectId is { } project ? names.Of(project) : "–"),
        "team" => Text(call.TeamId is { } team ? names.Of(team) : "–"),
        "route" => Text(call.Operation),
        "input" => Figures.Tokens(call.Usage.InputTokens),
        "cached" => Figures.Tokens(call.Usage.CacheReadTokens),
        "output" => Figures.Tokens(call.Usage.OutputTokens),
        "reasoning" => Figures.Tokens(call.Usage.Count(UsageUnit.Reasoning)),
        "first-byte" => Figures.Time(call.FirstByte, "no byte came"),
        "latency" => Figures.Time(call.Latency),
        "cost" => money(call.Cost),
        "prices" => Text(call.PriceVersion is { Length: > 0 } version ? version : "–"),
        "status" => call.Status == 0 ? Figures.Unknown("there was no answer") : Text(call.Status.ToString(System.Globalization.CultureInfo.InvariantCulture)),
        "ending" => Badge(CallsModel.EndingOf(call)),
        _ => Text(call.RequestId),
    };

    private static HtmlContentBuilder Text(string text)
    {
        var content = new HtmlContentBuilder();
        content.Append(text);
        return content;
    }

    private static HtmlContentBuilder TwoPart(string? first, string? second)
    {
        var content = Text(first ?? "");
        if (!string.IsNullOrEmpty(second))
            content.AppendHtml(" <span class=\"faint\">").Append(second).AppendHtml("</span>");
        return content;
    }

    private static HtmlContentBuilder Marked(HtmlContentBuilder content, string? mark)
    {
        if (mark is not null)
            content.AppendHtml(" <span class=\"badge-soft\">").Append(mark).AppendHtml("</span>");
        return content;
    }

    private static HtmlContentBuilder Badge((string Text, string Class) ending)
    {
        var content = new HtmlContentBuilder();
        content.AppendHtml("<span class=\"badge-soft ").Append(ending.Class).AppendHtml("\">").Append(ending.Text).AppendHtml("</span>");
        return content;
    }
}
