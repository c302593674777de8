using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Domain.Tests.Pricing;

internal static class Cards
{
    public static RateSet Rates(params (UsageUnit Unit, decimal Usd)[] rates) => new(rates.Select(rate => KeyValuePair.Create(rate.Unit, rate.Usd)));

    /// <summary>3 in, 0.3 read, 3.75 written, 15 out, 10 a thousand searches; above 200,000: 6, 0.6, 22.5; flex half, us times 1.1, request by context.</summary>
    public static RateCard Full { get; } = new()
    {
        Provider = "maker",
        Model = "full",
        Rates = Rates((UsageUnit.Input, 3), (UsageUnit.CacheRead, 0.3m), (UsageUnit.CacheWrite, 3.75m), (UsageUnit.Output, 15), (UsageUnit.WebSearch, 10)),
        Tiers = [new ContextTier(200_000, Rates((UsageUnit.Input, 6), (UsageUnit.CacheRead, 0.6m), (UsageUnit.Output, 22.5m)))],
        Variants =
        [
            new RateVariant("inference_geo", "us", 1.1m, RateSet.Empty, []),
            new RateVariant("service_tier", "flex", 0.5m, RateSet.Empty, []),
            new RateVariant("service_tier", "priority", null, Rates((UsageUnit.Input, 5), (UsageUnit.Output, 25)), [new ContextTier(200_000, Rates((UsageUnit.Input, 11)))]),
        ],
    };

    public static ModelPrices Model(string name, decimal input, params string[] aliases) => new()
    {
        Name = name,
        Aliases = aliases,
        Periods = [new RatePeriod(null, null, new RateCard { Provider = "p", Model = name, Rates = Rates((UsageUnit.Input, input), (UsageUnit.Output, input * 4)) })],
    };

    public static PriceSheet Sheet(string provider, params ModelPrices[] models) => new()
    {
        Provider = provider,
        Sources = [new Uri("https://example.com/prices")],
        Checked = new DateOnly(2026, 11, 21),
        Models = models,
    };
}
