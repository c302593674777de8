namespace Tokonomics.Domain.Pricing;

/// <summary>The rates of one model at one time: everything that <see cref="Rating"/> needs besides counts and hints.</summary>
/// <remarks>
/// Dimensions compose instead of multiplying into fields: a long context replaces rates, a variant replaces rates or multiplies what
/// stands, a fee of the whole provider fills a gap. Only the hour of the call is decided before, by <see cref="ModelPrices.At"/>.
/// </remarks>
public sealed record RateCard
{
    public required string Provider { get; init; }

    /// <summary>The name under which the sheet lists the model.</summary>
    public required string Model { get; init; }

    public RateSet Rates { get; init; } = RateSet.Empty;

    /// <summary>Long-context rates, lowest threshold first.</summary>
    public IReadOnlyList<ContextTier> Tiers { get; init; } = [];

    /// <summary>What depends on the call's hints; later ones are applied over earlier ones, the provider's before the model's.</summary>
    public IReadOnlyList<RateVariant> Variants { get; init; } = [];

    /// <summary>The provider's tool fees, for units that neither the model nor a variant lists.</summary>
    public RateSet Fees { get; init; } = RateSet.Empty;

    /// <summary>Priced at zero on purpose, every unit of it: it runs on the tenant's own machines, or the provider gives it away.</summary>
    public bool Free { get; init; }
}

/// <summary>
/// Rates of a long context. A cliff, not a bracket: one input token more than <see cref="Above"/> and all tokens of the listed units take
/// these rates.
/// </summary>
/// <param name="Above">All input tokens of the call, cached ones and cache writes among them.</param>
public sealed record ContextTier(long Above, RateSet Rates);

/// <summary>What changes when a hint has a value.</summary>
/// <param name="Hint">The hint's name: <c>service_tier</c>.</param>
/// <param name="Value">Its value, in which <c>*</c> stands for any run of characters: <c>flex</c>, <c>*/hd</c>.</param>
/// <param name="Times">Multiplies the rates of token units, whatever else applies; null leaves them.</param>
/// <param name="Rates">Replace the rates of the units they list, long context or not.</param>
/// <param name="Tiers">Replace them again in a long context.</param>
public sealed record RateVariant(string Hint, string Value, decimal? Times, RateSet Rates, IReadOnlyList<ContextTier> Tiers)
{
    /// <summary>The highest multiplier that is believed.</summary>
    public const decimal HighestTimes = 100m;
}
