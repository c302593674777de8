using System.Text.RegularExpressions;
using Tokonomics.Domain.Caching;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Domain.Routing;

/// <summary>How the first target of a call is chosen; the others follow in the order in which they stand.</summary>
public enum TargetChoice : byte
{
    /// <summary>The first that can be had.</summary>
    Ordered,

    /// <summary>By the weights, the same one for all calls of a conversation.</summary>
    Weighted,

    /// <summary>The one whose call is expected to cost least, at this prompt's length and this model's recent output.</summary>
    Cheapest,

    /// <summary>The one that has begun its recent answers soonest.</summary>
    Fastest,
}

/// <summary>What makes a call go to the next target, as long as no byte of an answer has reached the client.</summary>
[Flags]
public enum RouteFaults : byte
{
    None = 0,

    /// <summary>Status 429.</summary>
    RateLimited = 1,

    /// <summary>Status 500 to 599.</summary>
    ServerError = 2,

    /// <summary>No answer had begun within the rule's or the provider's time.</summary>
    Timeout = 4,

    /// <summary>No connection could be made, or it broke before an answer.</summary>
    Unreachable = 8,

    /// <summary>Status 401, 402, 403, 404 or 413: this provider doesn't take this call from us (its key, its balance, its model, its limits); another may.</summary>
    Refused = 16,

    All = RateLimited | ServerError | Timeout | Unreachable | Refused,
}

/// <summary>A model at a provider that a rule sends calls to.</summary>
/// <param name="Model"><c>provider/model</c>, or a model's name alone where a provider that the key can reach lists it.</param>
/// <param name="Weight">1 to 1000; its share where the choice is by weight.</param>
public sealed record RouteTarget(string Model, int Weight = 1)
{
    /// <summary>Whether what a route writes is the model that was called.</summary>
    /// <param name="written"><c>provider/model</c>, or a model's name alone.</param>
    /// <param name="called"><c>provider/model</c>.</param>
    public static bool IsCalled(string written, string called) => written == called || written.AsSpan().SequenceEqual(called.AsSpan(called.IndexOf('/', StringComparison.Ordinal) + 1));
}

/// <summary>Hours of the week by the clocks of the tenant's time zone.</summary>
/// <param name="Days">The days on which they begin.</param>
/// <param name="To">Where that isn't after <paramref name="From"/>, on the next day.</param>
public sealed record RouteHours(IReadOnlyList<DayOfWeek> Days, TimeOnly From, TimeOnly To)
{
    public bool Contain(DateTime local)
    {
        var (day, at) = (local.DayOfWeek, TimeOnly.FromDateTime(local));
        if (To > From)
            return Days.Contains(day) && at >= From && at < To;
        return (Days.Contains(day) && at >= From) || (Days.Contains(local.AddDays(-1).DayOfWeek) && at < To);
    }
}

/// <summary>What a call is asked, to find its rule. Whatever costs something to find out is asked for only by rules that need it.</summary>
/// <param name="PromptTokens">Our estimate.</param>
/// <param name="BudgetUsed">Percent used of the fullest budget that applies to the call; null where none does.</param>
public readonly record struct RouteQuestion(string KeyId, IReadOnlyList<Tag> Tags, long PromptTokens, bool HasTools, bool Streams, DateTime Local, Func<int?> BudgetUsed);

/// <summary>When a rule applies: all that is said must hold; what is not said holds always.</summary>
public sealed record RouteConditions
{
    public const string AnyValue = "*";

    /// <summary>Each must be on the call; the value <see cref="AnyValue"/> stands for any.</summary>
    public IReadOnlyList<Tag> Tags { get; init; } = [];

    /// <summary>Ids of metering keys, one of which must be the call's.</summary>
    public IReadOnlyList<string> Keys { get; init; } = [];

    public long? PromptTokensAtLeast { get; init; }

    public long? PromptTokensAtMost { get; init; }

    public bool? Tools { get; init; }

    public bool? Streaming { get; init; }

    public RouteHours? Hours { get; init; }

    /// <summary>Percent, 0 to 100: of some budget that applies to the call more than that is used.</summary>
    public int? BudgetUsedAbove { get; init; }

    public bool AreEmpty => this is { Tags.Count: 0, Keys.Count: 0, PromptTokensAtLeast: null, PromptTokensAtMost: null, Tools: null, Streaming: null, Hours: null, BudgetUsedAbove: null };

    public bool Hold(in RouteQuestion call)
    {
        if (Keys.Count > 0 && !Keys.Contains(call.KeyId, StringComparer.Ordinal))
            return false;
        if (call.PromptTokens < PromptTokensAtLeast || call.PromptTokens > PromptTokensAtMost)
            return false;
        if ((Tools is { } tools && tools != call.HasTools) || (Streaming is { } streaming && streaming != call.Streams))
            return false;
        foreach (var wanted in Tags)
            if (!Carries(call.Tags, wanted))
                return false;
        if (Hours is { } hours && !hours.Contain(call.Local))
            return false;
        return BudgetUsedAbove is not { } percent || call.BudgetUsed() > percent;
    }

    private static bool Carries(IReadOnlyList<Tag> tags, Tag wanted)
    {
        foreach (var tag in tags)
            if (tag.Name == wanted.Name && (wanted.Value == AnyValue || tag.Value == wanted.Value))
                return true;
        return false;
    }
}

/// <summary>One rule of a route: when it applies, where its calls go, and what is done when that fails.</summary>
public sealed record RouteRule
{
    public const int MostTargets = 10;
    public const int MostRetries = 5;

    public static readonly TimeSpan ShortestTimeout = TimeSpan.FromMilliseconds(100);
    public static readonly TimeSpan LongestTimeout = TimeSpan.FromMinutes(10);

    public RouteConditions When { get; init; } = new();

    /// <summary>1 to <see cref="MostTargets"/>.</summary>
    public required IReadOnlyList<RouteTarget> Targets { get; init; }

    public TargetChoice Choose { get; init; }

    /// <summary>How often one target is tried again where it may help (429, 5xx, broken connections), 0 to <see cref="MostRetries"/>.</summary>
    public int Retries { get; init; } = 1;

    public RouteFaults FallBackOn { get; init; } = RouteFaults.All;

    /// <summary>Until an answer begins; <see cref="ShortestTimeout"/> to <see cref="LongestTimeout"/>. Null: as long as the provider is given otherwise.</summary>
    public TimeSpan? FirstByteTimeout { get; init; }

    /// <summary>All calls of a conversation go to the target of its first, while that can be had: a switch would pay for the prompt that the provider has cached.</summary>
    public bool Sticky { get; init; } = true;

    /// <summary>For how long an answer may be given again to an exact repeat of its request; zero for not at all, whatever the key says. Null: as the key says.</summary>
    public TimeSpan? CacheFor { get; init; }

    /// <summary>Null where calls go to no cheaper model than the targets.</summary>
    public RouteQuality? Quality { get; init; }

    /// <summary>All models that its calls may go to.</summary>
    public IEnumerable<string> Models => Targets.Select(t => t.Model).Concat(Quality?.Candidates ?? []);

    /// <summary>Null where it is well; otherwise the sentence that says what is wrong.</summary>
    public string? Problem()
    {
        if (Targets.Count is 0 or > MostTargets)
            return $"A rule has 1 to {MostTargets} targets; this has {Targets.Count}.";
        foreach (var target in Targets)
        {
            if (!ModelRoute.IsName(target.Model))
                return $"'{target.Model}' is no model: write provider/model, or a model's name.";
            if (target.Weight is < 1 or > 1000)
                return $"The weight of '{target.Model}' is {target.Weight}; it must be 1 to 1000.";
        }

        if (Targets.DistinctBy(t => t.Model, StringComparer.Ordinal).Count() < Targets.Count)
            return "A target stands in a rule once: retries are a setting of their own.";
        if (Retries is < 0 or > MostRetries)
            return $"Retries are 0 to {MostRetries}; this says {Retries}.";
        if (FirstByteTimeout is { } timeout && (timeout < ShortestTimeout || timeout > LongestTimeout))
            return "The time until an answer begins is 100 ms to 10 minutes.";
        if (CacheFor is { } kept && (kept < TimeSpan.Zero || kept > CacheTime.Longest))
            return CacheTime.Problem;
        if (When.PromptTokensAtLeast < 0 || When.PromptTokensAtMost < 0 || When.PromptTokensAtLeast > When.PromptTokensAtMost)
            return "The prompt's tokens are counted from 0, and at least is not above at most.";
        if (When.BudgetUsedAbove is < 0 or > 100)
            return "A budget's use is 0 to 100 percent.";
        return When.Hours is { } hours && (hours.Days.Count == 0 || hours.Days.Distinct().Count() < hours.Days.Count || !hours.Days.All(Enum.IsDefined))
            ? "Hours name the days on which they begin, each once."
            : Quality?.Problem(this);
    }
}

/// <summary>A model's name of a tenant's own (<c>smart</c>), or a real one's taken over, and where calls that ask for it go: the first rule that applies.</summary>
public sealed partial record ModelRoute
{
    public const int MostRules = 20;

    public required string Id { get; init; }

    /// <summary>What clients send as the model.</summary>
    public required string Name { get; init; }

    public required IReadOnlyList<RouteRule> Rules { get; init; }

    public static bool IsName(string? name) => name is not null && Name_().IsMatch(name);

    /// <returns>The rule and its number from 1; null where none applies.</returns>
    public (RouteRule Rule, int Number)? Find(in RouteQuestion call)
    {
        for (var i = 0; i < Rules.Count; i++)
            if (Rules[i].When.Hold(call))
                return (Rules[i], i + 1);
        return null;
    }

    /// <summary>Null where it is well; otherwise the sentence that says what is wrong.</summary>
    public string? Problem()
    {
        if (!IsName(Name))
            return "A route's name is what clients send as the model: 1 to 200 letters, digits and any of . _ - : / @, beginning with a letter or digit.";
        if (Rules.Count is 0 or > MostRules)
            return $"A route has 1 to {MostRules} rules; this has {Rules.Count}.";
        for (var i = 0; i < Rules.Count; i++)
        {
            if (Rules[i].Problem() is { } problem)
                return $"Rule {i + 1}: {problem}";
            if (i < Rules.Count - 1 && Rules[i].When.AreEmpty)
                return $"Rule {i + 1} applies to every call, so that those after it never do: put it last.";
        }

        return null;
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}\z")]
    private static partial Regex Name_();
}
