using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Tokonomics.Application.Ledger;

namespace Tokonomics.Web.Portal.Pages.Spend;

/// <summary>What <c>js/spend.js</c> draws, as it stands in the page. Everything in it stands in a table beside it too.</summary>
/// <param name="Title">With its unit.</param>
/// <param name="Summary">For who can't see it.</param>
/// <param name="Labels">One for each bucket.</param>
/// <param name="Links">Where a click on a bucket leads; null for nowhere.</param>
/// <param name="Stacked">Bars; otherwise lines.</param>
public sealed record SpendChart(string Title, string Summary, IReadOnlyList<string> Labels, IReadOnlyList<string?> Links, IReadOnlyList<SpendSeries> Series, bool Stacked)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <summary>A limit, as a line with its name.</summary>
    public ChartLimit? Limit { get; init; }

    /// <summary>For a script element of type application/json: <c>&lt;</c> and its like are escaped.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    public static SpendChart Of(string title, SpendStacks stacks, SummaryQuestion question, Func<string, string> name, Func<DateTimeOffset, DateTimeOffset, string?> link, string summary)
    {
        var colours = SeriesColours.For(stacks.Stacks.Select(s => s.Key).OfType<string>());
        return new SpendChart(
            title, summary, [.. stacks.Buckets.Select(b => Label(b.Start, question))], [.. stacks.Buckets.Select(b => link(b.Start, b.End))],
            [.. stacks.Stacks.Select(s => new SpendSeries(s.Key is null ? "other" : name(s.Key), s.Key is null ? SeriesColours.Other : colours[s.Key], [.. s.Costs.Select(c => (decimal?)c.Usd)]))], Stacked: true);
    }

    /// <summary>A bucket's name in the tenant's zone.</summary>
    public static string Label(DateTimeOffset start, SummaryQuestion question) => TimeZoneInfo.ConvertTime(start, question.TimeZone).ToString(
        question.Grain switch
        {
            TimeGrain.Hour => question.To - question.From > TimeSpan.FromHours(25) ? "d MMM HH:mm" : "HH:mm",
            TimeGrain.Month => "MMM yyyy",
            _ => "d MMM",
        },
        CultureInfo.InvariantCulture);
}

/// <param name="Role">What kind of line it is; null for a layer or a plain line.</param>
public sealed record SpendSeries(string Name, string Colour, IReadOnlyList<decimal?> Values, string? Role = null);

public sealed record ChartLimit(string Name, decimal Usd);

/// <summary>
/// Colours that people with the usual colour blindnesses tell apart, on light and dark alike (after Okabe and Ito). A name's place comes from the name alone, so
/// that a model has one colour on every page; where two that are shown together would share it, the later by place takes the next free one.
/// </summary>
public static class SeriesColours
{
    public const string Other = "#8a96a3";

    private static readonly string[] Palette = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6bb1", "#b3a100", "#2aa198", "#a65628"];

    public static IReadOnlyDictionary<string, string> For(IEnumerable<string> names)
    {
        var (taken, colours) = (new HashSet<int>(), new Dictionary<string, string>(StringComparer.Ordinal));
        foreach (var (name, place) in names.Distinct().Select(n => (n, Place(n))).OrderBy(n => n.Item2).ThenBy(n => n.n, StringComparer.Ordinal))
        {
            var at = place;
            while (taken.Count < Palette.Length && !taken.Add(at % Palette.Length))
                at++;
            colours[name] = Palette[at % Palette.Length];
        }

        return colours;
    }

    // FNV-1a: string.GetHashCode differs from one start to the next.
    private static int Place(string name)
    {
        var hash = 2166136261u;
        foreach (var c in name)
            hash = (hash ^ c) * 16777619u;
        return (int)(hash % (uint)Palette.Length);
    }
}
