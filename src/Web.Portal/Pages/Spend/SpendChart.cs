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

    public static SpendChart Of(
        string title, SpendStacks stacks, IReadOnlyDictionary<string, string> colours, SummaryQuestion question, Func<string, string> name, Func<DateTimeOffset, DateTimeOffset, string?> link, string summary) => new(
        title, summary, [.. stacks.Buckets.Select(b => Label(b.Start, question))], [.. stacks.Buckets.Select(b => link(b.Start, b.End))],
        [.. stacks.Stacks.Select(s => new SpendSeries(s.Key is null ? "other" : name(s.Key), s.Key is null ? SeriesColours.Other : colours[s.Key], [.. s.Costs.Select(c => (decimal?)c.Usd)]))], Stacked: true);

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

/// <param name="Colour">One of <c>css/spend.css</c>, which has it for light and for dark.</param>
/// <param name="Role">What kind of line it is; null for a layer or a plain line.</param>
public sealed record SpendSeries(string Name, string Colour, IReadOnlyList<decimal?> Values, string? Role = null);

public sealed record ChartLimit(string Name, decimal Usd);

/// <summary>
/// The colours of values, by the places that they keep. As many values as there are colours never share one; beyond that two that are shown together could:
/// then the one with the lower place has its own, and the other the next that is free.
/// </summary>
public static class SeriesColours
{
    public const int Count = 10;

    public const string Other = "series-other";

    /// <summary>Of what is spent, whatever on.</summary>
    public const string Spent = "spent";

    /// <param name="places">Of the values that are shown together.</param>
    public static IReadOnlyDictionary<string, string> Of(IReadOnlyDictionary<string, int> places)
    {
        var (taken, colours) = (new HashSet<int>(), new Dictionary<string, string>(StringComparer.Ordinal));
        foreach (var (value, place) in places.OrderBy(p => p.Value))
        {
            var at = place;
            while (taken.Count < Count && !taken.Add(at % Count))
                at++;
            colours[value] = "series-" + (at % Count).ToString(CultureInfo.InvariantCulture);
        }

        return colours;
    }

    /// <summary>Of the layers of a chart.</summary>
    public static async Task<IReadOnlyDictionary<string, string>> ColoursAsync(this IPalettePlaces palette, string tenantId, SpendDimension by, SpendStacks stacks, CancellationToken cancellationToken) =>
        Of(await palette.OfAsync(tenantId, by, [.. stacks.Stacks.Select(s => s.Key).OfType<string>()], cancellationToken));
}
