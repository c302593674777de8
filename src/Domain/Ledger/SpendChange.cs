using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Ledger;

/// <summary>What one value of a dimension, or of a dimension and a model together, cost in two periods.</summary>
/// <param name="Dimension"><c>model</c>, <c>provider</c>, <c>key</c>, <c>project</c>, <c>team</c>, or a tag's name.</param>
/// <param name="Value">An id, a name, a tag's value; empty for calls that have none.</param>
/// <param name="Model">Where it is one model of the value's.</param>
public sealed record Contribution(string Dimension, string Value, string? Model, NanoUsd Before, NanoUsd Now, long CallsBefore, long CallsNow)
{
    public NanoUsd Change => Now - Before;
}

/// <summary>How spend changed from one period to a comparable one, and what explains it.</summary>
/// <param name="Cause">The value that explains the change best; null where none explains more than its size would.</param>
/// <param name="CauseOnModel">The one model on which most of that lies; null where it lies on several, or the cause is a model.</param>
/// <param name="Share">How much of the change the cause makes up: 1 is all of it, more where others went the other way.</param>
/// <param name="Largest">Of all dimensions what moved most, the largest movement first; what is the same money under several names stands there once, under the most telling.</param>
public sealed record SpendChange(NanoUsd Before, NanoUsd Now, Contribution? Cause, Contribution? CauseOnModel, decimal Share, IReadOnlyList<Contribution> Largest)
{
    private const int Listed = 12;

    // Of what a value explains, so much must lie above what it would if all had changed alike.
    private const decimal LeastSurprise = 0.15m;

    private const decimal Most = 0.5m;

    public NanoUsd Change => Now - Before;

    /// <summary>
    /// Looks for the value whose own change makes up the most of the whole beyond its size: a model that is 70 % of the bill and 72 % of its rise explains
    /// nothing, one that is 10 % of the bill and 60 % of its rise does. Values that changed against the whole are no cause. Of equal ones the first dimension
    /// in the order given is taken. Deterministic.
    /// </summary>
    /// <param name="values">One for each value of each dimension, most telling dimension first; of each dimension they add up to the whole.</param>
    /// <param name="onModels">The same, by model.</param>
    public static SpendChange Of(IReadOnlyList<Contribution> values, IReadOnlyList<Contribution> onModels, NanoUsd before, NanoUsd now)
    {
        var change = (decimal)now.Value - before.Value;
        var largest = values.Where(v => v.Change != NanoUsd.Zero).OrderByDescending(v => Math.Abs((decimal)v.Change.Value)).DistinctBy(v => (v.Before, v.Now)).Take(Listed).ToList();
        if (change == 0)
            return new SpendChange(before, now, null, null, 0, largest);

        // Of a dimension with one value, that value is the whole.
        var several = values.GroupBy(v => v.Dimension).Where(g => g.Count() > 1).Select(g => g.Key).ToHashSet(StringComparer.Ordinal);
        var (cause, best) = ((Contribution?)null, LeastSurprise);
        foreach (var value in values)
        {
            if (!several.Contains(value.Dimension))
                continue;
            var surprise = Math.Min(1, ShareOf(value)) - (before.Value == 0 ? 0 : (decimal)value.Before.Value / before.Value);
            // By a hair is not better: an earlier dimension tells more.
            if (surprise > best + (cause is null ? 0 : 0.02m))
                (cause, best) = (value, surprise);
        }

        if (cause is null)
            return new SpendChange(before, now, null, null, 0, largest);
        var onModel = cause.Dimension == "model" ? null : onModels
            .Where(m => m.Dimension == cause.Dimension && m.Value == cause.Value && cause.Change.Value != 0 && (decimal)m.Change.Value / cause.Change.Value >= Most)
            .MaxBy(m => Math.Abs((decimal)m.Change.Value));
        return new SpendChange(before, now, cause, onModel, ShareOf(cause), largest);

        decimal ShareOf(Contribution value) => value.Change.Value / change;
    }
}
