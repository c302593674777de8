using System.Globalization;
using System.Text.Json;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Web.Portal.Api;

/// <summary>Usage: events one by one, and their sums.</summary>
internal static class UsageApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var usage = api.MapGroup("/usage").WithTags("Usage");
        usage.MapGet("/events", ListAsync).Produces<EventList>().WithSummary("Events, newest first, a page at a time");
        usage.MapGet("/events/{id}", FindAsync).Produces<EventShape>().WithSummary("One request by the id in x-tokonomics-request-id, with all its attempts");
        usage.MapGet("/summary", SummarizeAsync).Produces<SummaryShape>().WithSummary("Sums by time, model, provider, key, project, team or tag");
        api.MapGet("/tags", TagsAsync).WithTags("Usage").Produces<TagList>().WithSummary("The tags that this month's calls carry, with what each value cost");
    }

    /// <summary>What the proxy serves under this API's path. It takes such a request out of the pipeline before it comes here, where the two are one process; a portal by itself says where to go.</summary>
    public static void MapImport(WebApplication app) => app.MapPost(DirectCallReport.Path, () =>
            ApiHost.Problem(421, "ask_the_proxy", $"The portal takes no reports of calls: send them to the proxy, POST {DirectCallReport.Path} there, with the metering key of the calls."))
        .WithTags("Usage").Accepts<DirectCallReport>("application/json", "*/*").Produces<DirectCallsTaken>().WithSummary("Reports calls that an application made past the proxy while that was away. Served by the proxy, with a metering key (mk_…) instead of a token");

    internal sealed record EventList(IReadOnlyList<EventShape> Data, string? NextCursor);

    private static async Task<IResult> ListAsync(
        HttpContext http, IUsageQueries queries, DateTimeOffset? from, DateTimeOffset? to, string? environment, string? provider, string? model, string? key_id, string? project_id, string? team_id,
        string? tag, int? status, string? outcome, string? price_status, int? limit, string? cursor)
    {
        var problems = new Problems();
        var filter = new EventFilter(http.Tenant())
        {
            From = from,
            To = to,
            Environment = problems.Enum<KeyEnvironment>("environment", environment),
            Provider = provider,
            Model = model,
            KeyId = key_id,
            ProjectId = project_id,
            TeamId = team_id,
            Tag = problems.Tag("tag", tag),
            Status = status,
            Outcome = problems.Enum<CallOutcome>("outcome", outcome),
            PriceStatus = problems.Enum<PriceStatus>("price_status", price_status),
            Limit = problems.Range("limit", limit, 50, 1, EventFilter.MaxLimit),
            After = problems.Cursor("cursor", cursor),
        };
        if (problems.Any)
            return problems.Answer();
        var page = await queries.ListAsync(filter, http.RequestAborted);
        return Results.Json(new EventList([.. page.Events.Select(EventShape.Of)], page.Next?.ToString()));
    }

    private static async Task<IResult> FindAsync(HttpContext http, IUsageQueries queries, IPriceVersions versions, string id)
    {
        var attempts = await queries.FindAsync(http.Tenant(), id, http.RequestAborted);
        if (attempts.Count == 0)
            return ApiHost.Problem(404, "event_not_found", "There is no such event. Events are written in batches, up to a second after the call.");
        // The last attempt is the request's outcome: it stands at the top level, and beside it all of them.
        var body = JsonSerializer.SerializeToNode(EventShape.Of(attempts[^1]), Json(http))!.AsObject();
        body["cost_lines"] = JsonSerializer.SerializeToNode(CostLines(attempts[^1], versions), Json(http));
        body["attempts"] = JsonSerializer.SerializeToNode(attempts.Select(EventShape.Of), Json(http));
        return Results.Json(body);
    }

    /// <summary>The arithmetic of a cost; none where nothing was charged, or the price version is not known here.</summary>
    private static List<CostLine> CostLines(UsageEvent usage, IPriceVersions versions)
    {
        var lines = new List<CostLine>();
        if (usage.PriceStatus is PriceStatus.Priced or PriceStatus.Unpriced && versions.Book(usage.PriceVersion) is { } book)
            foreach (var (model, line) in CallRating.Explain(book, usage))
                lines.Add(new CostLine(
                    model, UsageShape.NameOf(line.Unit), line.Count, line.RatedAs == line.Unit ? null : UsageShape.NameOf(line.RatedAs), line.Rate is { } rate ? PriceBookText.Number(rate) : null, line.Per,
                    line.Usd is { } usd ? PriceBookText.Number(usd) : null));
        return lines;
    }

    /// <summary>So many of a unit at a rate for so many; without a rate the call is unpriced.</summary>
    internal sealed record CostLine(string? Model, string Unit, long Count, string? RatedAs, string? RateUsd, int Per, string? Usd);

    private static async Task<IResult> SummarizeAsync(
        HttpContext http, IUsageQueries queries, TimeProvider time, DateTimeOffset? from, DateTimeOffset? to, string? grain, string? time_zone, string? group_by, string? environment, string? provider,
        string? model, string? key_id, string? project_id, string? team_id, string? tag)
    {
        var problems = new Problems();
        var now = time.GetUtcNow();
        var (groups, byTag) = problems.Groups("group_by", group_by);
        var question = new SummaryQuestion(http.Tenant(), from ?? new DateTimeOffset(now.Year, now.Month, 1, 0, 0, 0, TimeSpan.Zero), to ?? now.AddSeconds(1))
        {
            Grain = problems.Enum<TimeGrain>("grain", grain) ?? TimeGrain.None,
            TimeZone = problems.Zone("time_zone", time_zone),
            GroupBy = groups,
            GroupByTag = byTag,
            Environment = problems.Enum<KeyEnvironment>("environment", environment) ?? KeyEnvironment.Live,
            Provider = provider,
            Model = model,
            KeyId = key_id,
            ProjectId = project_id,
            TeamId = team_id,
            Tag = problems.Tag("tag", tag),
        };
        if (question.Problem() is { } problem)
            problems.Add("from", problem);
        if (problems.Any)
            return problems.Answer();
        var lines = await queries.SummarizeAsync(question, http.RequestAborted);
        return Results.Json(new SummaryShape(question.From, question.To, [.. lines.Select(l => SummaryRow.Of(l, question))]));
    }

    private static async Task<IResult> TagsAsync(HttpContext http, IUsageQueries queries, TimeProvider time, string? environment)
    {
        var problems = new Problems();
        var now = time.GetUtcNow();
        var chosen = problems.Enum<KeyEnvironment>("environment", environment) ?? KeyEnvironment.Live;
        if (problems.Any)
            return problems.Answer();
        var from = new DateTimeOffset(now.Year, now.Month, 1, 0, 0, 0, TimeSpan.Zero);
        var names = await queries.TagNamesAsync(http.Tenant(), chosen, from, now.AddSeconds(1), http.RequestAborted);
        var tags = new List<TagShape>();
        foreach (var name in names)
        {
            var lines = await queries.SummarizeAsync(new SummaryQuestion(http.Tenant(), from, now.AddSeconds(1)) { GroupByTag = name, Environment = chosen }, http.RequestAborted);
            tags.Add(new TagShape(name, [.. lines.Where(l => l.TagValue is not null).Select(l => new TagValueShape(l.TagValue!, l.Totals.Calls, l.Totals.Cost.ToString()))]));
        }

        return Results.Json(new TagList(tags));
    }

    internal sealed record TagList(IReadOnlyList<TagShape> Data);

    internal sealed record TagShape(string Name, IReadOnlyList<TagValueShape> Values);

    internal sealed record TagValueShape(string Value, long Calls, string CostUsd);

    internal sealed record SummaryShape(DateTimeOffset From, DateTimeOffset To, IReadOnlyList<SummaryRow> Data);

    /// <summary>One group's sums.</summary>
    internal sealed record SummaryRow(
        DateTimeOffset BucketStart, DateTimeOffset BucketEnd, IReadOnlyDictionary<string, string?> Group, long Calls, long Errors, long InputTokens, long CacheReadTokens, long CacheWriteTokens,
        [property: System.Text.Json.Serialization.JsonPropertyName("cache_write_1h_tokens")] long CacheWrite1hTokens, long OutputTokens, long ReasoningTokens, string CostUsd, long UnpricedCalls, long EstimatedCalls, double? LatencyMsMean, double? LatencyMsP50, double? LatencyMsP95,
        double? FirstByteMsP50, double? FirstByteMsP95)
    {
        public static SummaryRow Of(SummaryLine line, SummaryQuestion question)
        {
            var group = new Dictionary<string, string?>();
            for (var i = 0; i < question.GroupBy.Count; i++)
                group[JsonNamingPolicy.SnakeCaseLower.ConvertName(question.GroupBy[i].ToString())] = line.Group[i];
            if (question.GroupByTag is { } tag)
                group["tag:" + tag] = line.TagValue;
            var t = line.Totals;
            return new SummaryRow(
                line.BucketStart, line.BucketEnd, group, t.Calls, t.Errors, t.InputTokens, t.CacheReadTokens, t.CacheWriteTokens - t.CacheWrite1hTokens, t.CacheWrite1hTokens, t.OutputTokens, t.ReasoningTokens, t.Cost.ToString(),
                t.Unpriced, t.Estimated, Ms(t.Latency.Mean), Ms(t.Latency.Quantile(0.5)), Ms(t.Latency.Quantile(0.95)), Ms(t.FirstByte.Quantile(0.5)), Ms(t.FirstByte.Quantile(0.95)));
        }

        private static double? Ms(TimeSpan? time) => time is { } t ? Math.Round(t.TotalMilliseconds, 3) : null;
    }

    private static JsonSerializerOptions Json(HttpContext http) =>
        http.RequestServices.GetRequiredService<Microsoft.Extensions.Options.IOptions<Microsoft.AspNetCore.Http.Json.JsonOptions>>().Value.SerializerOptions;

    /// <summary>Collects what is wrong with a query, so that all of it is said at once.</summary>
    internal sealed class Problems
    {
        private readonly Dictionary<string, string[]> _found = [];

        public bool Any => _found.Count > 0;

        public void Add(string field, string message) => _found.TryAdd(field, [message]);

        public IResult Answer() => ApiHost.Problem(400, "bad_query", string.Join(" ", _found.Select(f => $"{f.Key}: {f.Value[0]}")), _found);

        public T? Enum<T>(string field, string? text)
            where T : struct, Enum
        {
            if (text is null)
                return null;
            foreach (var value in System.Enum.GetValues<T>())
                if (JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString()) == text)
                    return value;
            Add(field, $"'{text}' is none of {string.Join(", ", System.Enum.GetNames<T>().Select(JsonNamingPolicy.SnakeCaseLower.ConvertName))}.");
            return null;
        }

        public int Range(string field, int? value, int otherwise, int least, int most)
        {
            if (value is null || (value >= least && value <= most))
                return value ?? otherwise;
            Add(field, string.Create(CultureInfo.InvariantCulture, $"{value} is not from {least} to {most}."));
            return otherwise;
        }

        public Tag? Tag(string field, string? text)
        {
            if (text is null)
                return null;
            var at = text.IndexOf('=', StringComparison.Ordinal);
            if (at > 0 && at < text.Length - 1)
                return new Tag(text[..at].ToLowerInvariant(), text[(at + 1)..]);
            Add(field, $"'{text}' is not name=value.");
            return null;
        }

        public EventCursor? Cursor(string field, string? text)
        {
            if (text is null)
                return null;
            var cursor = EventCursor.Parse(text);
            if (cursor is null)
                Add(field, "This is no cursor: send next_cursor of the page before, as it was.");
            return cursor;
        }

        public TimeZoneInfo Zone(string field, string? name)
        {
            if (name is null)
                return TimeZoneInfo.Utc;
            if (TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone))
                return zone;
            Add(field, $"'{name}' is no IANA time zone, such as Europe/Berlin.");
            return TimeZoneInfo.Utc;
        }

        public (IReadOnlyList<SummaryDimension> Groups, string? Tag) Groups(string field, string? text)
        {
            var groups = new List<SummaryDimension>();
            string? tag = null;
            foreach (var name in (text ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
                if (name.StartsWith("tag:", StringComparison.Ordinal) && name.Length > 4 && tag is null)
                    tag = name[4..].ToLowerInvariant();
                else if (System.Enum.TryParse<SummaryDimension>(name, ignoreCase: true, out var dimension) && !int.TryParse(name, out _) && !groups.Contains(dimension))
                    groups.Add(dimension);
                else
                    Add(field, $"'{name}' is none of provider, model, key, project, team, environment, tag:NAME, or stands there twice.");
            return (groups, tag);
        }
    }
}
