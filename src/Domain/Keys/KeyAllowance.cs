using System.Collections.Frozen;
using System.Text.Json;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Domain.Keys;

/// <summary>
/// What a key may use: providers by name, models by name or by the beginning of it (<c>gpt-5*</c>). An empty list allows everything. A model is
/// allowed under each of its names: one that the price book lists for the same model, and the listed name with a date behind it.
/// </summary>
/// <remarks>Immutable; asked once for each call of a key that has lists, and allocates nothing.</remarks>
public sealed class KeyAllowance
{
    public const int MostNames = 50;
    public const int LongestName = 200;

    private readonly FrozenSet<string> _providers;
    private readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> _exact;
    private readonly string[] _names;
    private readonly string[] _beginnings;

    private KeyAllowance(IReadOnlyList<string> providers, IReadOnlyList<string> models)
    {
        (Providers, Models) = (providers, models);
        _providers = providers.ToFrozenSet(StringComparer.Ordinal);
        _names = [.. models.Where(m => !m.EndsWith('*'))];
        _exact = _names.ToFrozenSet(StringComparer.OrdinalIgnoreCase).GetAlternateLookup<ReadOnlySpan<char>>();
        _beginnings = [.. models.Where(m => m.EndsWith('*')).Select(m => m[..^1])];
    }

    public IReadOnlyList<string> Providers { get; }

    public IReadOnlyList<string> Models { get; }

    /// <summary>Null where both lists are empty: the key may use everything.</summary>
    public static KeyAllowance? Of(IReadOnlyList<string> providers, IReadOnlyList<string> models) =>
        providers.Count + models.Count == 0 ? null : new KeyAllowance(providers, models);

    /// <summary>From the lists as they are stored.</summary>
    public static KeyAllowance? Read(string providers, string models) => providers == "[]" && models == "[]" ? null : Of(Read(providers), Read(models));

    public static IReadOnlyList<string> Read(string list) => list is "" or "[]" ? [] : JsonSerializer.Deserialize<string[]>(list)!;

    public static string Write(IReadOnlyList<string> names) => names.Count == 0 ? "[]" : JsonSerializer.Serialize(names);

    /// <summary>Null where the list is allowed; otherwise the sentence that says what isn't.</summary>
    public static string? Problem(IReadOnlyList<string> models)
    {
        if (models.Count > MostNames)
            return $"{models.Count} names are more than the {MostNames} that a list may have: shorten it with beginnings, such as gpt-5*.";
        foreach (var name in models)
        {
            if (string.IsNullOrWhiteSpace(name) || name.Length > LongestName || name.Any(c => char.IsControl(c) || c == ' '))
                return $"A model's name is 1 to {LongestName} characters without spaces.";
            if (name.AsSpan(0, name.Length - 1).Contains('*') || name == "*")
                return $"'{name}': a * stands at the end, behind the beginning of a name. An empty list allows every model.";
        }

        return models.Distinct(StringComparer.OrdinalIgnoreCase).Count() == models.Count ? null : "A model is named twice.";
    }

    public bool AllowsProvider(string provider) => _providers.Count == 0 || _providers.Contains(provider);

    public bool LimitsModels => Models.Count > 0;

    public bool AllowsModel(PriceBook book, string provider, string model)
    {
        if (Models.Count == 0 || Names(model))
            return true;
        if (book.FindModel(provider, model) is not { } priced || !IsNamed(priced, model))
            return false;
        foreach (var name in _names)
            if (IsNamed(priced, name))
                return true;
        // A beginning covers a model under its own name or any other.
        if (Names(priced.Name))
            return true;
        for (var i = 0; i < priced.Aliases.Count; i++) // no foreach: of an interface it would allocate
            if (!NamePattern.IsPattern(priced.Aliases[i]) && Names(priced.Aliases[i]))
                return true;
        return false;
    }

    private bool Names(ReadOnlySpan<char> model)
    {
        if (_exact.Contains(model) || (WithoutDate(model) is { Length: > 0 } undated && _exact.Contains(undated)))
            return true;
        foreach (var beginning in _beginnings)
            if (model.StartsWith(beginning, StringComparison.OrdinalIgnoreCase))
                return true;
        return false;
    }

    // A pattern with a * prices whatever comes, models that nobody has heard of too: it names none.
    private static bool IsNamed(ModelPrices model, string name)
    {
        if (IsNamed(model.Name, name))
            return true;
        for (var i = 0; i < model.Aliases.Count; i++)
            if (IsNamed(model.Aliases[i], name))
                return true;
        return false;
    }

    private static bool IsNamed(string entry, string name) => !entry.Contains('*', StringComparison.Ordinal) && NamePattern.Matches(entry, name);

    /// <summary><c>gpt-4o-2024-08-06</c>, <c>claude-opus-4-20250514</c>, <c>claude-sonnet-4@20250514</c> without their dates; empty for a name without one.</summary>
    internal static ReadOnlySpan<char> WithoutDate(ReadOnlySpan<char> name)
    {
        if (name.Length > 11 && NamePattern.Matches("-####-##-##", name[^11..]))
            return name[..^11];
        return name.Length > 9 && name[^9] is '-' or '@' && NamePattern.Matches("########", name[^8..]) ? name[..^9] : [];
    }
}
