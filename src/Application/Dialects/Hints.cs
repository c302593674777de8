using System.Text;

namespace Tokonomics.Application.Dialects;

/// <summary>
/// What a price depends on besides counts, in the ledger's canonical form: sorted by name, joined by <c>;</c>, defaults left out.
/// </summary>
internal struct Hints
{
    public string? Geo;
    public string? Image;
    public string? Search;
    public string? Tier;
    public string? Speed;

    /// <summary>A tier as a provider spells it; the default ones, which price nothing, become the empty string.</summary>
    public static string PlainTier(ReadOnlySpan<byte> tier)
    {
        var text = Lower(tier);
        return text switch
        {
            "" or "default" or "standard" or "auto" or "on_demand" or "standard_only" or "unspecified" or "service_tier_unspecified"
                or "traffic_type_unspecified" => "",
            "on_demand_flex" => "flex",
            "on_demand_priority" => "priority",
            "provisioned_throughput" => "provisioned",
            _ => text,
        };
    }

    public static string PlainGeo(ReadOnlySpan<byte> geo) => Lower(geo) == "us" ? "us" : "";

    public static string PlainSpeed(ReadOnlySpan<byte> speed) => Lower(speed) == "fast" ? "fast" : "";

    public static string PlainSearch(ReadOnlySpan<byte> size) => Lower(size) is "low" or "medium" or "high" ? Lower(size) : "";

    // Anything but a short plain word would break the canonical form, and is no value that a price could depend on.
    public static string Lower(ReadOnlySpan<byte> word)
    {
        if (word.Length > 32)
            return "";
        foreach (var b in word)
            if (!(char.IsAsciiLetterOrDigit((char)b) || b is (byte)'_' or (byte)'-'))
                return "";
        return Encoding.ASCII.GetString(word).ToLowerInvariant();
    }

    /// <summary>These where they say something, else those of the request. The empty string says "the default" and wins.</summary>
    public readonly string Over(string request)
    {
        if (Geo is null && Image is null && Search is null && Tier is null && Speed is null)
            return request;
        var merged = this;
        foreach (var part in request.Split(';', StringSplitOptions.RemoveEmptyEntries))
        {
            var value = part[(part.IndexOf('=', StringComparison.Ordinal) + 1)..];
            if (part.StartsWith("image=", StringComparison.Ordinal))
                merged.Image ??= value;
            else if (part.StartsWith("inference_geo=", StringComparison.Ordinal))
                merged.Geo ??= value;
            else if (part.StartsWith("search_context=", StringComparison.Ordinal))
                merged.Search ??= value;
            else if (part.StartsWith("service_tier=", StringComparison.Ordinal))
                merged.Tier ??= value;
            else if (part.StartsWith("speed=", StringComparison.Ordinal))
                merged.Speed ??= value;
        }

        return merged.ToString();
    }

    public override readonly string ToString()
    {
        var text = new StringBuilder();
        Add(text, "image", Image);
        Add(text, "inference_geo", Geo);
        Add(text, "search_context", Search);
        Add(text, "service_tier", Tier);
        Add(text, "speed", Speed);
        return text.ToString();
    }

    private static void Add(StringBuilder text, string name, string? value)
    {
        if (string.IsNullOrEmpty(value))
            return;
        if (text.Length > 0)
            text.Append(';');
        text.Append(name).Append('=').Append(value);
    }
}
