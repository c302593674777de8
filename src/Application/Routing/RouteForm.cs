using System.Text.Json.Serialization;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Routing;

/// <summary>A route as the management API takes it.</summary>
/// <param name="Name">What clients send as the model: 1 to 200 letters, digits and any of . _ - : / @.</param>
/// <param name="Rules">1 to 20. The first that applies to a call holds; where none does, the call is refused, unless the name is a real model's: then it goes there.</param>
public sealed record RouteForm(string Name, IReadOnlyList<RuleForm> Rules);

/// <param name="Targets">1 to 10 models, each once.</param>
public sealed record RuleForm(IReadOnlyList<TargetForm> Targets)
{
    /// <summary>Left out: for every call.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ConditionsForm? When { get; init; }

    /// <summary>ordered, weighted, cheapest or fastest.</summary>
    public TargetChoice Choose { get; init; }

    /// <summary>How often one target is tried again, 0 to 5.</summary>
    public int Retries { get; init; } = 1;

    /// <summary>rate_limited, server_error, timeout, unreachable, refused; all of them where it is left out.</summary>
    public IReadOnlyList<string>? FallBackOn { get; init; }

    /// <summary>Milliseconds until an answer begins, 100 to 600000; left out, the provider's own.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? FirstByteTimeoutMs { get; init; }

    /// <summary>All calls of a conversation go to the target of its first.</summary>
    public bool Sticky { get; init; } = true;

    /// <summary>Seconds for which an answer may be given again to an exact repeat, 1 to 604800; 0 for not at all. Left out: as the key says.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? CacheSeconds { get; init; }

    /// <summary>Left out: no cheaper model takes the first target's calls.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public QualityForm? Quality { get; init; }
}

/// <summary>A quality group: the rule's first target is the strong model.</summary>
/// <param name="Candidates">1 to 5 cheaper models.</param>
/// <param name="SampleLimitUsd">What samples and their judge may cost in a month, USD; never exceeded.</param>
public sealed record QualityForm(IReadOnlyList<string> Candidates, string SampleLimitUsd)
{
    /// <summary>What is kept of the strong model's quality, 50 to 100.</summary>
    public decimal KeepPercent { get; init; } = 95;

    /// <summary>False: nothing is routed; what could be saved is measured.</summary>
    public bool Active { get; init; }

    /// <summary>Of the strong model's calls, 0 to 100.</summary>
    public int SamplePercent { get; init; } = 3;

    /// <summary>Compares two answers where nothing cheaper can; left out, those are not judged.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Judge { get; init; }

    /// <summary>Tool calls and JSON of a candidate are checked before they are handed on.</summary>
    public bool Check { get; init; } = true;
}

/// <param name="Model">provider/model, or a model's name alone.</param>
/// <param name="Weight">1 to 1000; its share where the choice is weighted.</param>
public sealed record TargetForm(string Model, int Weight = 1);

/// <summary>All that is said must hold.</summary>
public sealed record ConditionsForm
{
    /// <summary>By name; the value * stands for any.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, string>? Tags { get; init; }

    /// <summary>Ids of metering keys, one of which must be the call's.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Keys { get; init; }

    /// <summary>By our estimate, from 0.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? PromptTokensAtLeast { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? PromptTokensAtMost { get; init; }

    /// <summary>Whether the call brings tools.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Tools { get; init; }

    /// <summary>Whether the answer is asked for as a stream.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Streaming { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public HoursForm? Hours { get; init; }

    /// <summary>0 to 100: more than that is used of some budget that applies to the call.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? BudgetUsedAbovePercent { get; init; }
}

/// <summary>By the clocks of the tenant's time zone.</summary>
/// <param name="Days">mon to sun: the days on which they begin.</param>
/// <param name="From">HH:mm.</param>
/// <param name="To">HH:mm; where it isn't after from, of the next day.</param>
public sealed record HoursForm(IReadOnlyList<string> Days, string From, string To);
