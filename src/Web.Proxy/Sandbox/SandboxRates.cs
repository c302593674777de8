namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>What one call used, as the bill counts it. Disjoint: cached tokens are not in <see cref="Input"/>, reasoning is not in <see cref="Output"/>.</summary>
public sealed record SandboxUnits
{
    public long Input { get; set; }

    public long Cached { get; set; }

    public long CacheWrite { get; set; }

    public long CacheWrite1h { get; set; }

    public long Output { get; set; }

    public long Reasoning { get; set; }

    public long Images { get; set; }

    public long Characters { get; set; }

    public long SearchUnits { get; set; }

    internal long InputTotal => Input + Cached + CacheWrite + CacheWrite1h;

    internal long OutputTotal => Output + Reasoning;
}

/// <summary>
/// The sandbox's own rates, USD per million tokens (images: USD each). Written down here a second time on purpose: the bill must be able to
/// disagree with the product's price sheet.
/// </summary>
internal sealed record SandboxRates(decimal? Input, decimal? Output, decimal? Cached, decimal? CacheWrite, decimal? CacheWrite1h, decimal? Image)
{
    private const decimal NanoPerUsd = 1_000_000_000m;

    private static readonly SandboxRates Small = new(1m, 2m, 0.1m, 1.25m, 2m, null);
    private static readonly SandboxRates Large = new(10m, 40m, 1m, 12.5m, 20m, null);
    private static readonly SandboxRates Embed = new(0.1m, null, null, null, null, null);
    private static readonly SandboxRates Picture = new(null, null, null, null, null, 0.02m);

    /// <summary>
    /// The cost in nano-dollars, rounded half-even once. Null where it can't be known: a model that isn't the sandbox's, or a unit without a
    /// rate. Nothing used costs 0 whatever the model.
    /// </summary>
    public static long? Cost(string? model, SandboxUnits units)
    {
        if (units == new SandboxUnits()) return 0;
        if (model is null || !model.StartsWith("sandbox", StringComparison.Ordinal)) return null;
        var rates = model switch
        {
            "sandbox-large" => Large,
            "sandbox-embed" => Embed,
            "sandbox-image" => Picture,
            _ => Small,
        };

        var millionths = 0m; // of a USD, exact
        var known = Add(units.Input, rates.Input) & Add(units.Cached, rates.Cached) & Add(units.CacheWrite, rates.CacheWrite)
            & Add(units.CacheWrite1h, rates.CacheWrite1h) & Add(units.Output, rates.Output) & Add(units.Reasoning, rates.Output)
            & Add(units.Images, rates.Image * 1_000_000m) & units.Characters == 0 & units.SearchUnits == 0;
        return known ? (long)Math.Round(millionths * (NanoPerUsd / 1_000_000m), MidpointRounding.ToEven) : null;

        bool Add(long count, decimal? rate)
        {
            if (count == 0) return true;
            millionths += count * (rate ?? 0);
            return rate is not null;
        }
    }
}
