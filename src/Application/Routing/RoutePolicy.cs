using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Tokonomics.Domain.Caching;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Routing;

/// <summary>What was read: a route, or the sentence that says what is wrong with it and in which rule.</summary>
public readonly record struct RouteReading(ModelRoute? Route, string? Problem);

/// <summary>Routes as JSON: one form for the management API and the store, which keeps the rules only, as <c>{"rules":[…]}</c>.</summary>
public static partial class RoutePolicy
{
    /// <summary>In one rule's conditions.</summary>
    public const int MostKeys = 50;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        AllowDuplicateProperties = false,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    private static readonly string[] RouteFields = Fields<RouteForm>();
    private static readonly string[] RuleFields = Fields<RuleForm>();
    private static readonly string[] TargetFields = Fields<TargetForm>();
    private static readonly string[] ConditionFields = Fields<ConditionsForm>();
    private static readonly string[] HoursFields = Fields<HoursForm>();
    private static readonly string[] QualityFields = Fields<QualityForm>();

    /// <summary>The words for days, Sunday first, as <see cref="DayOfWeek"/> counts them.</summary>
    private static readonly string[] Days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

    private static readonly (string Word, RouteFaults Fault)[] Faults =
    [
        ("rate_limited", RouteFaults.RateLimited), ("server_error", RouteFaults.ServerError), ("timeout", RouteFaults.Timeout), ("unreachable", RouteFaults.Unreachable), ("refused", RouteFaults.Refused),
    ];

    /// <summary>What a field takes, for whoever sent something else.</summary>
    private static readonly Dictionary<string, string> Takes = new(StringComparer.Ordinal)
    {
        ["name"] = "a text, such as \"smart\"",
        ["rules"] = "a list of 1 to 20 rules",
        ["targets"] = "a list of targets such as {\"model\":\"openai/gpt-5-mini\"}",
        ["model"] = "a text: provider/model, or a model's name",
        ["weight"] = "a whole number, 1 to 1000",
        ["choose"] = "\"ordered\", \"weighted\", \"cheapest\" or \"fastest\"",
        ["retries"] = "a whole number, 0 to 5",
        ["fall_back_on"] = "a list of \"rate_limited\", \"server_error\", \"timeout\", \"unreachable\", \"refused\"",
        ["first_byte_timeout_ms"] = "milliseconds, a whole number, 100 to 600000",
        ["sticky"] = "true or false",
        ["cache_seconds"] = "seconds, a whole number, 1 to 604800, or 0 for not at all",
        ["tags"] = "an object such as {\"customer\":\"acme\"}",
        ["keys"] = "a list of metering keys' ids",
        ["prompt_tokens_at_least"] = "a whole number from 0",
        ["prompt_tokens_at_most"] = "a whole number from 0",
        ["tools"] = "true or false",
        ["streaming"] = "true or false",
        ["hours"] = "an object such as {\"days\":[\"mon\"],\"from\":\"09:00\",\"to\":\"17:00\"}",
        ["days"] = "a list of \"mon\" to \"sun\"",
        ["from"] = "a time such as \"09:00\"",
        ["to"] = "a time such as \"17:00\"",
        ["budget_used_above_percent"] = "a whole number, 0 to 100",
        ["when"] = "an object with conditions",
        ["quality"] = "an object such as {\"candidates\":[\"openai/gpt-5-mini\"],\"sample_limit_usd\":\"10.00\"}",
        ["candidates"] = "a list of 1 to 5 models",
        ["keep_percent"] = "a number, 50 to 100",
        ["active"] = "true or false",
        ["sample_percent"] = "a whole number, 0 to 100",
        ["sample_limit_usd"] = "an amount as a text, such as \"10.00\"",
        ["judge"] = "a text: provider/model, or a model's name",
        ["check"] = "true or false",
    };

    /// <summary>From <c>{"name":…,"rules":[…]}</c>; otherwise the sentence that says what can't be read, and in which rule.</summary>
    public static (RouteForm? Form, string? Problem) Read(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
            return (null, "A route is an object: {\"name\":\"smart\",\"rules\":[{\"targets\":[{\"model\":\"openai/gpt-5-mini\"}]}]}.");
        if (UnknownField(json) is { } unknown)
            return (null, unknown);
        try
        {
            return (json.Deserialize<RouteForm>(Json), null);
        }
        catch (JsonException e)
        {
            return (null, Unreadable(e));
        }
    }

    /// <summary>From what the store keeps. A newer version's fields are a problem: a route that is half understood would send calls elsewhere.</summary>
    public static RouteReading Read(string id, string name, string policy)
    {
        try
        {
            return Of(id, new RouteForm(name, JsonSerializer.Deserialize<StoredForm>(policy, Json)!.Rules));
        }
        catch (JsonException e)
        {
            return new(null, e.Message);
        }
    }

    public static string Write(ModelRoute route) => JsonSerializer.Serialize(new StoredForm(Form(route).Rules), Json);

    public static RouteReading Of(string id, RouteForm form)
    {
        var rules = new List<RouteRule>(form.Rules.Count);
        foreach (var rule in form.Rules)
        {
            var (read, problem) = rule is null ? (null, "null is no rule.") : Of(rule);
            if (read is null)
                return new(null, $"Rule {rules.Count + 1}: {problem}");
            rules.Add(read);
        }

        var route = new ModelRoute { Id = id, Name = form.Name, Rules = rules };
        return route.Problem() is { } wrong ? new(null, wrong) : new(route, null);
    }

    /// <summary>Whether what is wrong with a route is its name.</summary>
    public static bool IsOfName(RouteForm form) => !ModelRoute.IsName(form.Name) && form.Rules.Count > 0 && Of("", form with { Name = "x" }).Problem is null;

    public static RouteForm Form(ModelRoute route) => new(route.Name, [.. route.Rules.Select(r => new RuleForm([.. r.Targets.Select(t => new TargetForm(t.Model, t.Weight))])
    {
        When = r.When.AreEmpty ? null : Form(r.When),
        Choose = r.Choose,
        Retries = r.Retries,
        FallBackOn = [.. Faults.Where(f => r.FallBackOn.HasFlag(f.Fault)).Select(f => f.Word)],
        FirstByteTimeoutMs = (int?)r.FirstByteTimeout?.TotalMilliseconds,
        Sticky = r.Sticky,
        CacheSeconds = (int?)r.CacheFor?.TotalSeconds,
        Quality = r.Quality is { } q ? new QualityForm(q.Candidates, q.SampleLimit.ToString())
        {
            KeepPercent = (decimal)q.Keep.Target * 100, Active = q.Active, SamplePercent = q.SamplePercent, Judge = q.Judge, Check = q.Check,
        } : null,
    })]);

    private static ConditionsForm Form(RouteConditions when) => new()
    {
        Tags = when.Tags.Count == 0 ? null : when.Tags.ToDictionary(t => t.Name, t => t.Value, StringComparer.Ordinal),
        Keys = when.Keys.Count == 0 ? null : when.Keys,
        PromptTokensAtLeast = when.PromptTokensAtLeast,
        PromptTokensAtMost = when.PromptTokensAtMost,
        Tools = when.Tools,
        Streaming = when.Streaming,
        Hours = when.Hours is { } h ? new HoursForm([.. h.Days.Select(d => Days[(int)d])], Time(h.From), Time(h.To)) : null,
        BudgetUsedAbovePercent = when.BudgetUsedAbove,
    };

    private static (RouteRule?, string? Problem) Of(RuleForm form)
    {
        if (form.Targets.Any(t => t is null))
            return (null, $"targets is {Takes["targets"]}.");
        RouteHours? hours = null;
        if (form.When?.Hours is { } h)
        {
            var days = h.Days.Select(d => (DayOfWeek)Array.IndexOf(Days, d)).ToList();
            if (days.Any(d => d < 0))
                return (null, $"'{h.Days.First(d => !Days.Contains(d))}' is no day: days are {Takes["days"]}.");
            if (Time(h.From) is not { } from || Time(h.To) is not { } to)
                return (null, "Hours are from and to, each a time such as \"09:00\".");
            hours = new RouteHours(days, from, to);
        }

        var fallBackOn = form.FallBackOn is null ? RouteFaults.All : RouteFaults.None;
        foreach (var word in form.FallBackOn ?? [])
        {
            var fault = Faults.FirstOrDefault(f => f.Word == word).Fault;
            if (fault == RouteFaults.None)
                return (null, $"'{word}' is nothing to fall back on: fall_back_on is {Takes["fall_back_on"]}.");
            fallBackOn |= fault;
        }

        var tags = (form.When?.Tags ?? new Dictionary<string, string>()).Select(t => new Tag(t.Key, t.Value)).ToList();
        if (KeyTags.Problem(tags) is { } wrong)
            return (null, wrong);
        if (form.Quality is { } group && group.Candidates.Any(c => c is null))
            return (null, $"candidates is {Takes["candidates"]}.");
        var sampleLimit = NanoUsd.Parse(form.Quality?.SampleLimitUsd);
        if (form.Quality is not null && sampleLimit is null)
            return (null, $"sample_limit_usd is {Takes["sample_limit_usd"]}.");
        var keys = form.When?.Keys ?? [];
        if (keys.Count > MostKeys || keys.Any(string.IsNullOrWhiteSpace) || keys.Distinct(StringComparer.Ordinal).Count() < keys.Count)
            return (null, $"Conditions name at most {MostKeys} keys by their ids, each once.");
        return (new RouteRule
        {
            When = new RouteConditions
            {
                Tags = tags.ConvertAll(t => new Tag(KeyTags.NormalName(t.Name)!, t.Value)),
                Keys = keys,
                PromptTokensAtLeast = form.When?.PromptTokensAtLeast,
                PromptTokensAtMost = form.When?.PromptTokensAtMost,
                Tools = form.When?.Tools,
                Streaming = form.When?.Streaming,
                Hours = hours,
                BudgetUsedAbove = form.When?.BudgetUsedAbovePercent,
            },
            Targets = [.. form.Targets.Select(t => new RouteTarget(t.Model, t.Weight))],
            Choose = form.Choose,
            Retries = form.Retries,
            FallBackOn = fallBackOn,
            FirstByteTimeout = form.FirstByteTimeoutMs is { } ms ? TimeSpan.FromMilliseconds(ms) : null,
            Sticky = form.Sticky,
            CacheFor = CacheTime.Of(form.CacheSeconds),
            Quality = form.Quality is { } q ? new RouteQuality
            {
                Candidates = q.Candidates,
                Keep = new QualityTarget((double)(q.KeepPercent / 100)),
                Active = q.Active,
                SamplePercent = q.SamplePercent,
                SampleLimit = sampleLimit!.Value,
                Judge = string.IsNullOrWhiteSpace(q.Judge) ? null : q.Judge,
                Check = q.Check,
            } : null,
        }, null);
    }

    /// <summary>The sentence that names the first field that there isn't. The serializer refuses it as well, in words that tell of its types.</summary>
    private static string? UnknownField(JsonElement route)
    {
        if (Unknown(route, RouteFields, "A route") is { } unknown)
            return unknown;
        var number = 0;
        foreach (var rule in Items(route, "rules"))
        {
            var where = $"Rule {++number}:";
            unknown = Unknown(rule, RuleFields, $"{where} a rule");
            if (rule.ValueKind == JsonValueKind.Object)
            {
                foreach (var target in Items(rule, "targets"))
                    unknown ??= Unknown(target, TargetFields, $"{where} a target");
                if (rule.TryGetProperty("quality", out var quality))
                    unknown ??= Unknown(quality, QualityFields, $"{where} quality");
                if (rule.TryGetProperty("when", out var when))
                {
                    unknown ??= Unknown(when, ConditionFields, $"{where} when");
                    if (when.ValueKind == JsonValueKind.Object && when.TryGetProperty("hours", out var hours))
                        unknown ??= Unknown(hours, HoursFields, $"{where} hours");
                }
            }

            if (unknown is not null)
                return unknown;
        }

        return null;
    }

    private static string? Unknown(JsonElement json, string[] known, string what)
    {
        if (json.ValueKind == JsonValueKind.Object)
            foreach (var field in json.EnumerateObject())
                if (!known.Contains(field.Name))
                    return $"{what} has no field '{Shown(field.Name)}', but {string.Join(", ", known)}.";
        return null;
    }

    private static JsonElement.ArrayEnumerator Items(JsonElement json, string list) =>
        json.TryGetProperty(list, out var items) && items.ValueKind == JsonValueKind.Array ? items.EnumerateArray() : default;

    // The path is $.rules[1].targets[0].weight; of a field that is missing, that of what should have it.
    private static string Unreadable(JsonException e)
    {
        var path = e.Path ?? "$";
        var rule = RuleIn().Match(path) is { Success: true } found ? $"Rule {int.Parse(found.Groups[1].ValueSpan, CultureInfo.InvariantCulture) + 1}: " : "";
        var field = path.Split('.').Select(p => p.Split('[')[0]).Last();
        if (Missing().Match(e.Message) is { Success: true } missing)
            return $"{rule}{missing.Groups[1].Value} is missing: {Takes.GetValueOrDefault(missing.Groups[1].Value, "it is required")}.";
        if (Twice().Match(e.Message) is { Success: true } twice)
            return $"{rule}{twice.Groups[1].Value} is said twice.";
        return Takes.TryGetValue(field, out var takes) ? $"{rule}{field} is {takes}." : $"{rule}A route is {{\"name\":…,\"rules\":[…]}}.";
    }

    private static TimeOnly? Time(string text) => TimeOnly.TryParseExact(text, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time) ? time : null;

    private static string Time(TimeOnly time) => time.ToString("HH:mm", CultureInfo.InvariantCulture);

    private static string Shown(string text) => text.Length <= 80 ? text : text[..80] + "…";

    private static string[] Fields<T>() => [.. typeof(T).GetProperties().Where(p => p.Name != "EqualityContract").Select(p => JsonNamingPolicy.SnakeCaseLower.ConvertName(p.Name))];

    private sealed record StoredForm(IReadOnlyList<RuleForm> Rules);

    [GeneratedRegex(@"^\$\.rules\[(\d+)\]")]
    private static partial Regex RuleIn();

    [GeneratedRegex("missing required properties including: '([a-z_]+)'")]
    private static partial Regex Missing();

    [GeneratedRegex("[Dd]uplicate property '([a-z_]+)'")]
    private static partial Regex Twice();
}
