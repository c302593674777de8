using System.Globalization;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Web.Portal.Pages.Spend;

/// <summary>
/// What a page about spend shows, as its address says it: range, grain, split and filters. Every view is such an address, and every link of a view is another
/// view's. Days are the tenant's; what can't be read is told and left out.
/// </summary>
public sealed class SpendView
{
    /// <summary>What may be filtered by, in the order in which addresses name it.</summary>
    public static readonly IReadOnlyList<string> FilterNames = ["model", "provider", "key", "project", "team", "tag"];

    private static readonly (string Name, string Title)[] RangeNames = [("today", "Today"), ("7d", "7 days"), ("30d", "30 days"), ("month", "This month"), ("last-month", "Last month"), ("90d", "90 days"), ("365d", "12 months")];

    private readonly List<string> _problems = [];
    private readonly List<KeyValuePair<string, string>> _kept = [];

    private SpendView(SummaryQuestion question, SpendDimension by, KeyEnvironment environment) => (Question, By, Environment) = (question, by, environment);

    public SummaryQuestion Question { get; private init; }

    public SpendDimension By { get; }

    public KeyEnvironment Environment { get; }

    /// <summary>The range by name; null where it is given by its ends.</summary>
    public string? Range { get; private init; }

    public DateOnly FirstDay => DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(Question.From, Question.TimeZone).DateTime);

    public DateOnly LastDay => DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(Question.To.AddTicks(-1), Question.TimeZone).DateTime);

    public IReadOnlyList<string> Problems => _problems;

    public static IReadOnlyList<(string Name, string Title)> Ranges => RangeNames;

    /// <summary>The filters that are set: name and value as in the address.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Filters => [.. _kept.Where(k => FilterNames.Contains(k.Key))];

    /// <summary>All that the address says, for a form that changes one thing of it.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Kept => _kept;

    public static SpendView Read(IQueryCollection query, string tenantId, KeyEnvironment environment, TimeZoneInfo zone, DateTimeOffset now)
    {
        var problems = new List<string>();
        var hourEnd = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % TimeSpan.TicksPerHour) + TimeSpan.TicksPerHour, TimeSpan.Zero);
        var by = SpendDimension.Parse(Text("by") ?? "model");
        if (by is null)
            problems.Add("That is nothing to group by: take model, provider, key, project, team, or tag:NAME.");

        var range = Text("range") ?? (Text("from") is null && Text("to") is null ? "month" : null);
        var (from, to) = range is null ? Ends() : Named(range);
        if (to > hourEnd)
            to = hourEnd;
        if (from >= to)
        {
            problems.Add("That range has nothing in it: it begins where it ends, or is still to come. This month is shown.");
            range = "month";
            (from, to) = Named(range);
            to = to > hourEnd ? hourEnd : to;
        }

        var grain = Text("grain") switch
        {
            "hour" when to - from <= TimeSpan.FromDays(31) => TimeGrain.Hour,
            "day" when to - from <= TimeSpan.FromDays(800) => TimeGrain.Day,
            "month" => TimeGrain.Month,
            _ => to - from <= TimeSpan.FromDays(3) ? TimeGrain.Hour : to - from <= TimeSpan.FromDays(120) ? TimeGrain.Day : TimeGrain.Month,
        };
        Tag? tag = null;
        if (Text("tag") is { } text)
        {
            var at = text.IndexOf('=', StringComparison.Ordinal);
            if (at > 0 && at < text.Length - 1 && KeyTags.NormalName(text[..at]) is { } name)
                tag = new Tag(name, text[(at + 1)..]);
            else
                problems.Add("A tag to filter by is written as name=value, such as customer=acme.");
        }

        var view = new SpendView(
            new SummaryQuestion(tenantId, from, to)
            {
                Grain = grain,
                TimeZone = zone,
                Environment = environment,
                Provider = Text("provider"),
                Model = Text("model"),
                KeyId = Text("key"),
                ProjectId = Text("project"),
                TeamId = Text("team"),
                Tag = tag,
            },
            by ?? SpendDimension.Of(SummaryDimension.Model), environment) { Range = range };
        view._problems.AddRange(problems);
        foreach (var name in (string[])["range", "from", "to", "grain", "by", .. FilterNames, "status", "outcome", "sort", "columns"])
            if (Text(name) is { } value && !(name is "from" or "to" && range is not null) && !(name == "tag" && tag is null))
                view._kept.Add(new(name, value));
        return view;

        string? Text(string name) => query[name].ToString().Trim() is { Length: > 0 and <= 300 } value ? value : null;

        (DateTimeOffset, DateTimeOffset) Ends()
        {
            var first = Instant(Text("from"), 0) ?? Named("month").From;
            return (first, Instant(Text("to"), 1) ?? hourEnd);
        }

        // A day is meant whole; an instant exactly.
        DateTimeOffset? Instant(string? text, int days)
        {
            if (text is null)
                return null;
            if (DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) && day.Year is > 1970 and < 9000)
                return StartOf(day.AddDays(days));
            if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) && at.Year is > 1970 and < 9000)
                return at.ToUniversalTime();
            problems.Add($"'{text}' is no day, such as {now.UtcDateTime:yyyy-MM-dd}.");
            return null;
        }

        (DateTimeOffset From, DateTimeOffset To) Named(string name)
        {
            var today = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(now, zone).DateTime);
            var month = new DateOnly(today.Year, today.Month, 1);
            switch (name)
            {
                case "today":
                    return (StartOf(today), hourEnd);
                case "last-month":
                    return (StartOf(month.AddMonths(-1)), StartOf(month));
                case "7d" or "30d" or "90d" or "365d":
                    return (StartOf(today.AddDays(1 - int.Parse(name[..^1], CultureInfo.InvariantCulture))), hourEnd);
                default:
                    if (name != "month")
                        problems.Add($"'{name}' is no range: take {string.Join(", ", RangeNames.Select(r => r.Name))}, or from= and to=.");
                    return (StartOf(month), StartOf(month.AddMonths(1)));
            }
        }

        // Noon lies in its day, whatever the clocks do.
        DateTimeOffset StartOf(DateOnly day)
        {
            var noon = day.ToDateTime(new TimeOnly(12, 0), DateTimeKind.Unspecified);
            var at = new DateTimeOffset(noon, zone.GetUtcOffset(noon));
            return BudgetPeriods.Containing(BudgetPeriod.Day, zone, at, at).Start;
        }
    }

    /// <summary>The address of another view: this one with what is named changed, or taken out where it is null.</summary>
    public string Link(string path, params ReadOnlySpan<(string Name, string? Value)> changes)
    {
        var parts = new List<KeyValuePair<string, string>>(_kept);
        foreach (var (name, value) in changes)
        {
            parts.RemoveAll(p => p.Key == name);
            // Ends take the place of a named range, and the other way round.
            if (name is "from" or "to")
                parts.RemoveAll(p => p.Key is "range");
            if (name == "range")
                parts.RemoveAll(p => p.Key is "from" or "to" or "grain");
            if (value is not null)
                parts.Add(new(name, value));
        }

        if (Environment == KeyEnvironment.Test)
            parts.Add(new("env", "test"));
        return path + (parts.Count == 0 ? "" : QueryString.Create(parts.Select(p => KeyValuePair.Create(p.Key, (string?)p.Value))));
    }

    /// <summary>The view of one value of the dimension that this one is split by, on a page; null for calls that have none.</summary>
    public string? Narrowed(string path, string value) => value.Length == 0 ? null
        : By.Tag is { } tag ? Link(path, ("tag", $"{tag}={value}"), ("by", path == "/explore" ? "model" : null))
        : Link(path, (By.ToString(), value), ("by", path == "/explore" && By.Column != SummaryDimension.Model ? "model" : By.Column == SummaryDimension.Model && path == "/explore" ? "feature" : null));

    /// <summary>One bucket more closely: a month by days, a day by hours, an hour's calls.</summary>
    public string Closer(DateTimeOffset start, DateTimeOffset end)
    {
        if (Question.Grain == TimeGrain.Hour)
            return Link("/calls", ("from", Written(start)), ("to", Written(end)), ("grain", null), ("by", null));
        var (first, last) = (TimeZoneInfo.ConvertTime(start, Question.TimeZone), TimeZoneInfo.ConvertTime(end.AddTicks(-1), Question.TimeZone));
        return Link("/explore", ("from", first.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)), ("to", last.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)), ("grain", Question.Grain == TimeGrain.Month ? "day" : "hour"));
    }

    private static string Written(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
}
