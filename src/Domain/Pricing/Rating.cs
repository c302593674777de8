using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Pricing;

/// <summary>One product of a cost: so many of a unit at a rate.</summary>
/// <param name="RatedAs">The unit whose rate was taken; another than <paramref name="Unit"/> where that has none of its own.</param>
/// <param name="Rate">USD for <paramref name="Per"/> of the unit, multipliers included; null where there is none: then the call is unpriced.</param>
/// <param name="Usd">The exact product; null without a rate.</param>
public readonly record struct RatedLine(UsageUnit Unit, long Count, UsageUnit RatedAs, decimal? Rate, int Per, decimal? Usd);

/// <summary>From counts to cost. Pure: the same card, counts and hints give the same cost to the last digit, for ever.</summary>
/// <remarks>
/// A unit without a rate of its own takes the rate of the unit it is a kind of (audio heard is input, reasoning is output). Calls, pieces,
/// characters and durations are kinds of nothing. Where a unit was used and no rate is found the whole call is
/// <see cref="PriceStatus.Unpriced"/>, a tool's fee like a token: a cost that leaves out a fee would look exact and be wrong, and only the
/// flag makes somebody add the rate. <see cref="Explain"/> shows what is known nevertheless.
/// The one exception is <see cref="UsageUnit.Request"/>: a call as such costs nothing unless the sheet says so, and where it does, a
/// dialect that did not count the call has still made it.
/// </remarks>
public static class Rating
{
    private const int Units = (int)UsageUnit.Request + 1;

    /// <summary>The cost, rounded once, half to even. Unpriced without a card, and where the sum is beyond what money is kept in: that is
    /// a broken counter, and billions charged for it would close every budget.</summary>
    public static RatedCost Rate(RateCard? card, in TokenUsage usage, string hints)
    {
        if (Exact(card, usage, hints) is not { } usd || usd > long.MaxValue / NanoUsd.PerUsd)
            return new RatedCost(null, PriceStatus.Unpriced);
        return new RatedCost(NanoUsd.Round(usd), PriceStatus.Priced);
    }

    /// <summary>The cost before rounding, in USD: what a hold rounds up. Null where <see cref="Rate"/> says unpriced, or out of range.</summary>
    public static decimal? Exact(RateCard? card, in TokenUsage usage, string hints)
    {
        if (card is null)
            return null;
        try
        {
            var total = 0m;
            for (var i = 0; i < Units; i++)
            {
                var unit = (UsageUnit)i;
                var count = CountOf(card, usage, unit);
                if (count == 0)
                    continue;
                if (RateOf(card, unit, usage.InputTokens, hints) is not { } rate)
                    return null;
                total += count * rate.Rate / RateSet.Per(unit);
            }

            return total;
        }
        catch (OverflowException)
        {
            // Only counts near 2^63 at the dearest rates get here; see Rate on what they are worth.
            return null;
        }
    }

    /// <summary>The lines of a receipt, one for each unit that was used. Their sum is <see cref="Exact"/>.</summary>
    public static IReadOnlyList<RatedLine> Explain(RateCard? card, in TokenUsage usage, string hints)
    {
        var lines = new List<RatedLine>();
        for (var i = 0; i < Units; i++)
        {
            var unit = (UsageUnit)i;
            var count = CountOf(card, usage, unit);
            if (count == 0)
                continue;
            (decimal Rate, UsageUnit As)? found = null;
            decimal? usd = null;
            try
            {
                found = card is null ? null : RateOf(card, unit, usage.InputTokens, hints);
                usd = count * found?.Rate / RateSet.Per(unit);
            }
            catch (OverflowException)
            {
                // The line stays, without an amount.
            }

            lines.Add(new RatedLine(unit, count, found?.As ?? unit, found?.Rate, RateSet.Per(unit), usd));
        }

        return lines;
    }

    private static long CountOf(RateCard? card, in TokenUsage usage, UsageUnit unit)
    {
        // A grounded prompt and its searches are one thing counted in two ways (Gemini bills the prompt up to version 2.5, the searches from 3
        // on): dialects report both, and only the one that the sheet lists is charged; the searches where it lists both.
        if (unit is UsageUnit.WebSearch or UsageUnit.GroundedPrompt && usage.Count(UsageUnit.WebSearch) > 0 && usage.Count(UsageUnit.GroundedPrompt) > 0
            && card is not null && Lists(card, UsageUnit.WebSearch) != (unit == UsageUnit.WebSearch) && (unit == UsageUnit.GroundedPrompt || Lists(card, UsageUnit.GroundedPrompt)))
            return 0;
        if (unit != UsageUnit.Request)
            return usage.Count(unit);
        if (card is null || card.Free || usage.IsEmpty || !Lists(card, UsageUnit.Request))
            return 0;
        return usage[UsageUnit.Request] ?? 1;
    }

    internal static bool Lists(RateCard card, UsageUnit unit)
    {
        if (card.Rates[unit] is not null || card.Fees[unit] is not null)
            return true;
        for (var i = 0; i < card.Variants.Count; i++)
            if (card.Variants[i].Rates[unit] is not null)
                return true;
        return false;
    }

    private static (decimal Rate, UsageUnit As)? RateOf(RateCard card, UsageUnit unit, long inputTokens, string hints)
    {
        if (card.Free)
            return (0m, unit);
        for (UsageUnit? tried = unit; tried is { } u; tried = KindOf(u))
        {
            if (OwnRate(card, u, inputTokens, hints) is not { } rate)
                continue;
            if (RateSet.IsToken(unit))
                for (var i = 0; i < card.Variants.Count; i++)
                    if (card.Variants[i] is { Times: { } times } variant && Says(hints, variant))
                        rate *= times;
            return (rate, u);
        }

        return null;
    }

    /// <summary>The rate of exactly this unit: the last variant that lists it, else the long context's, else the plain one, else the fee.</summary>
    private static decimal? OwnRate(RateCard card, UsageUnit unit, long inputTokens, string hints)
    {
        for (var i = card.Variants.Count - 1; i >= 0; i--)
        {
            var variant = card.Variants[i];
            if (!variant.Rates.IsEmpty && (TierRate(variant.Tiers, unit, inputTokens) ?? variant.Rates[unit]) is { } varied && Says(hints, variant))
                return varied;
        }

        return TierRate(card.Tiers, unit, inputTokens) ?? card.Rates[unit] ?? card.Fees[unit];
    }

    private static decimal? TierRate(IReadOnlyList<ContextTier> tiers, UsageUnit unit, long inputTokens)
    {
        for (var i = tiers.Count - 1; i >= 0; i--)
            if (inputTokens > tiers[i].Above && tiers[i].Rates[unit] is { } rate)
                return rate;
        return null;
    }

    /// <summary>The unit that a unit is a kind of; null at the end of the chain.</summary>
    internal static UsageUnit? KindOf(UsageUnit unit) => unit switch
    {
        UsageUnit.CacheReadAudio or UsageUnit.CacheReadImage => UsageUnit.CacheRead,
        UsageUnit.CacheWrite1h => UsageUnit.CacheWrite,
        UsageUnit.InputAudio or UsageUnit.InputImage or UsageUnit.InputVideo or UsageUnit.CacheRead or UsageUnit.CacheWrite => UsageUnit.Input,
        UsageUnit.Reasoning or UsageUnit.OutputAudio or UsageUnit.OutputImage or UsageUnit.OutputVideo or UsageUnit.Citation => UsageUnit.Output,
        _ => null,
    };

    /// <summary>Whether <c>a=1;b=2</c> says the variant's hint. No allocation: this runs for every call.</summary>
    internal static bool Says(string hints, RateVariant variant)
    {
        var rest = hints.AsSpan();
        while (!rest.IsEmpty)
        {
            var end = rest.IndexOf(';');
            var pair = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];
            var at = pair.IndexOf('=');
            if (at > 0 && pair[..at].Equals(variant.Hint, StringComparison.OrdinalIgnoreCase) && NamePattern.Matches(variant.Value, pair[(at + 1)..]))
                return true;
        }

        return false;
    }
}
