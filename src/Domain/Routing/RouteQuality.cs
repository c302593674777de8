using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Routing;

/// <summary>
/// A routing group: the rule's first target is its strong model, and calls go to a candidate instead where the tenant's own labels prove that the quality is kept. Off until it is made
/// <see cref="Active"/>: before, it only watches.
/// </summary>
public sealed record RouteQuality
{
    public const int MostCandidates = 5;

    /// <summary>Percent of the calls of which two answers are compared at most.</summary>
    public const int MostSamplePercent = 100;

    /// <summary>Cheaper models, 1 to <see cref="MostCandidates"/>, none of them a target of the rule.</summary>
    public required IReadOnlyList<string> Candidates { get; init; }

    public required QualityTarget Keep { get; init; }

    /// <summary>False: nothing is routed, samples alone are taken.</summary>
    public bool Active { get; init; }

    /// <summary>Percent of the strong model's calls that a candidate is asked as well, 0 to <see cref="MostSamplePercent"/>.</summary>
    public int SamplePercent { get; init; } = 3;

    /// <summary>What samples and their judge may cost in a month of the tenant's time zone; never exceeded.</summary>
    public required NanoUsd SampleLimit { get; init; }

    /// <summary>The model that says which of two answers is better, where nothing cheaper can; null: those are not judged.</summary>
    public string? Judge { get; init; }

    /// <summary>Tool calls and JSON answers of a candidate are held back until they are checked; the strong model is asked where they fail.</summary>
    public bool Check { get; init; } = true;

    internal string? Problem(RouteRule rule)
    {
        if (rule.Choose != TargetChoice.Ordered)
            return "A quality group's strong model is the rule's first target: choose must be ordered.";
        if (Candidates.Count is 0 or > MostCandidates)
            return $"A quality group has 1 to {MostCandidates} candidates; this has {Candidates.Count}.";
        foreach (var candidate in Candidates)
            if (!ModelRoute.IsName(candidate))
                return $"'{candidate}' is no model: write provider/model, or a model's name.";
        if (Candidates.Distinct(StringComparer.Ordinal).Count() < Candidates.Count || Candidates.Any(c => rule.Targets.Any(t => t.Model == c)))
            return "A candidate stands in a group once, and is no target of its rule.";
        if (Judge is not null && !ModelRoute.IsName(Judge))
            return $"'{Judge}' is no model: write provider/model, or a model's name.";
        if (SamplePercent is < 0 or > MostSamplePercent)
            return $"Samples are 0 to {MostSamplePercent} percent of the calls; this says {SamplePercent}.";
        return SampleLimit < NanoUsd.Zero || SampleLimit > Budget.MaxLimit ? $"What samples may cost is 0 to {Budget.MaxLimit} USD." : Keep.Problem();
    }
}
