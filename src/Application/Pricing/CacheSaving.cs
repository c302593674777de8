using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Application.Pricing;

/// <summary>What a prompt cache changed in the cost of one call, by the prices that rated it, tiers and variants included.</summary>
/// <param name="Saved">What its cache reads would have cost more at the rate of plain input.</param>
/// <param name="Extra">What its cache writes cost more than plain input. Below zero where writing is cheaper.</param>
public readonly record struct CacheSaving(NanoUsd Saved, NanoUsd Extra)
{
    /// <summary>Zero where nothing was cached, or the call has no price. Further models inside an answer are left out.</summary>
    public static CacheSaving Of(PriceBook book, UsageEvent usage)
    {
        if (usage.PriceStatus != PriceStatus.Priced || (usage.Usage.CacheReadTokens == 0 && usage.Usage.CacheWriteTokens == 0))
            return default;
        var card = CallRating.Card(book, usage);
        if (Rating.Rate(card, usage.Usage, usage.PricingHints).Cost is not { } cost)
            return default;
        var saved = Cost(AsInput(usage.Usage, (UsageUnit.CacheRead, UsageUnit.Input), (UsageUnit.CacheReadAudio, UsageUnit.InputAudio), (UsageUnit.CacheReadImage, UsageUnit.InputImage))) - cost;
        var extra = cost - Cost(AsInput(usage.Usage, (UsageUnit.CacheWrite, UsageUnit.Input), (UsageUnit.CacheWrite1h, UsageUnit.Input)));
        return new CacheSaving(saved, extra);

        // Without a rate for plain input nobody can say.
        NanoUsd Cost(TokenUsage other) => Rating.Rate(card, other, usage.PricingHints).Cost ?? cost;
    }

    private static TokenUsage AsInput(TokenUsage usage, params ReadOnlySpan<(UsageUnit From, UsageUnit To)> moves)
    {
        foreach (var (from, to) in moves)
        {
            var count = usage.Count(from);
            if (count == 0)
                continue;
            usage.Add(to, count);
            usage[from] = null;
        }

        return usage;
    }
}
