namespace Tokonomics.Domain.Pricing;

/// <summary>One provider's prices, as they stand in its reviewed sheet.</summary>
public sealed record PriceSheet
{
    /// <summary>The provider's name in our data.</summary>
    public required string Provider { get; init; }

    /// <summary>The provider makes the models it sells; where several list a model, makers come before resellers.</summary>
    public bool Maker { get; init; }

    /// <summary>Where the figures can be checked.</summary>
    public required IReadOnlyList<Uri> Sources { get; init; }

    /// <summary>The day on which they were last compared with the sources.</summary>
    public required DateOnly Checked { get; init; }

    /// <summary>Taken off the front of a name that is not listed as it is: <c>models/</c>.</summary>
    public IReadOnlyList<string> Prefixes { get; init; } = [];

    /// <summary>Taken off its end: <c>:nitro</c>.</summary>
    public IReadOnlyList<string> Suffixes { get; init; } = [];

    /// <summary>Providers whose rates hold for models that this sheet does not list, in order (Azure sells OpenAI's models at OpenAI's rates).</summary>
    public IReadOnlyList<string> Fallbacks { get; init; } = [];

    /// <summary>Tool fees of all its models.</summary>
    public RateSet Fees { get; init; } = RateSet.Empty;

    /// <summary>What a hint changes for all its models.</summary>
    public IReadOnlyList<RateVariant> Variants { get; init; } = [];

    /// <summary>In order: exact names are looked for first, then the patterns one after the other; the first that fits wins.</summary>
    public required IReadOnlyList<ModelPrices> Models { get; init; }
}
