using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Domain.Budgets;

/// <summary>
/// The dearest rate that a unit can have in a call: over every long-context tier that its input can reach, every variant that the request
/// does not rule out, and the plain rate. Never below what <see cref="Rating"/> takes for any outcome of the same call.
/// </summary>
internal readonly ref struct UpperBoundRates(RateCard card, in MostUse use, long mostInput)
{
    private readonly string _hints = use.Hints;
    private readonly PriceHints _settled = use.Settled;

    /// <summary>USD for <see cref="RateSet.Per"/> of the unit; null where nothing prices it.</summary>
    public decimal? Of(UsageUnit unit)
    {
        decimal? dearest = null;
        for (UsageUnit? tried = unit; tried is { } u; tried = Rating.KindOf(u))
        {
            var own = card.Rates[u] ?? card.Fees[u];
            dearest = Dearer(dearest, Dearer(own, Reached(card.Tiers, u)));
            for (var i = 0; i < card.Variants.Count; i++)
                if (MayApply(card.Variants[i]))
                    dearest = Dearer(dearest, Dearer(card.Variants[i].Rates[u], Reached(card.Variants[i].Tiers, u)));
            // With a plain rate of its own the unit never takes that of its kind. Without one it does whenever no variant and no tier names it.
            if (own is not null)
                break;
        }

        return RateSet.IsToken(unit) ? dearest * Times() : dearest;
    }

    /// <summary>The dearest of several units, those without a rate left out.</summary>
    public decimal? OfAny(params ReadOnlySpan<UsageUnit> units)
    {
        decimal? dearest = null;
        foreach (var unit in units)
            dearest = Dearer(dearest, Of(unit));
        return dearest;
    }

    // Multipliers of different hints multiply; of one hint only one value can be said, so that its dearest counts, or none.
    private decimal Times()
    {
        var product = 1m;
        for (var i = 0; i < card.Variants.Count; i++)
        {
            var hint = card.Variants[i].Hint;
            var most = 1m;
            var first = true;
            for (var j = 0; j < card.Variants.Count; j++)
            {
                if (!string.Equals(card.Variants[j].Hint, hint, StringComparison.OrdinalIgnoreCase))
                    continue;
                first &= j >= i;
                if (card.Variants[j].Times is { } times && MayApply(card.Variants[j]))
                    most = card.Variants[j].Value.Contains('*', StringComparison.Ordinal) ? most * Math.Max(1m, times) : Math.Max(most, times); // two patterns may both fit
            }

            if (first)
                product *= most;
        }

        return product;
    }

    private bool MayApply(RateVariant variant) =>
        Rating.Says(_hints, variant) || (_settled & HintOf(variant.Hint)) == 0;

    private static PriceHints HintOf(string hint) => hint switch
    {
        "service_tier" => PriceHints.ServiceTier,
        "inference_geo" => PriceHints.InferenceGeo,
        "speed" => PriceHints.Speed,
        "search_context" => PriceHints.SearchContext,
        "image" => PriceHints.Image,
        _ => PriceHints.None,
    };

    private decimal? Reached(IReadOnlyList<ContextTier> tiers, UsageUnit unit)
    {
        decimal? dearest = null;
        for (var i = 0; i < tiers.Count; i++)
            if (mostInput > tiers[i].Above)
                dearest = Dearer(dearest, tiers[i].Rates[unit]);
        return dearest;
    }

    private static decimal? Dearer(decimal? a, decimal? b) => a is null || b > a ? b : a;
}
