using Tokonomics.Domain.Metering;

namespace Tokonomics.Domain.Pricing;

/// <summary>The names of units in price sheets: the enum's in snake case, and shorter where the sheet's unit says the rest.</summary>
public static class UnitNames
{
    private static readonly string[] Names =
    [
        "input", "input_audio", "input_image", "input_video", "cache_read", "cache_read_audio", "cache_read_image", "cache_write", "cache_write_1h",
        "output", "reasoning", "output_audio", "output_image", "output_video", "citation",
        "web_search", "file_search", "code_execution", "grounded_prompt", "search_unit", "image", "audio", "character", "page", "request",
    ];

    public static IReadOnlyList<string> All => Names;

    public static string Of(UsageUnit unit) => Names[(int)unit];

    public static UsageUnit? Find(string name) => Array.IndexOf(Names, name) is >= 0 and var at ? (UsageUnit)at : null;
}
