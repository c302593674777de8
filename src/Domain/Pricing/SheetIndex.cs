using System.Collections.Frozen;

namespace Tokonomics.Domain.Pricing;

/// <summary>Finds a model in one sheet: exact names first, then patterns in order, then without prefix and suffix, then elsewhere.</summary>
internal sealed class SheetIndex
{
    private readonly PriceSheet _sheet;
    private readonly FrozenDictionary<string, ModelPrices> _exact;
    private readonly (string Pattern, ModelPrices Model)[] _patterns;
    private readonly BoundedMemory<ModelPrices?> _remembered = new();

    public SheetIndex(PriceSheet sheet)
    {
        _sheet = sheet;
        var exact = new Dictionary<string, ModelPrices>(StringComparer.OrdinalIgnoreCase);
        var patterns = new List<(string, ModelPrices)>();
        var listed = new List<ListedModel>();
        foreach (var model in sheet.Models)
        {
            if (!NamePattern.IsPattern(model.Name))
                listed.Add(new ListedModel(sheet.Provider, model.Name, model.Kind, model.MaxInput, model.MaxOutput));
            foreach (var name in model.Aliases.Prepend(model.Name))
            {
                if (NamePattern.IsPattern(name))
                    patterns.Add((name, model));
                else
                    exact.TryAdd(name, model);
            }
        }

        _exact = exact.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
        _patterns = [.. patterns];
        Listed = listed;
    }

    public IReadOnlyList<ListedModel> Listed { get; }

    public IEnumerable<string> ExactNames => _exact.Keys;

    /// <summary>Set once, when all sheets of the book are indexed.</summary>
    public SheetIndex[] Fallbacks { get; set; } = [];

    public ModelPrices? Find(string model)
    {
        if (_exact.TryGetValue(model, out var found) || _remembered.TryGet(model, out found))
            return found;
        found = FindOwn(model);
        for (var i = 0; found is null && i < Fallbacks.Length; i++)
            found = Fallbacks[i].FindOwn(model);
        _remembered.Keep(model, found);
        return found;
    }

    public bool HasPatternFor(string model)
    {
        foreach (var (pattern, _) in _patterns)
            if (pattern[0] != '*' && NamePattern.Matches(pattern, model))
                return true;
        return false;
    }

    private ModelPrices? FindOwn(string model)
    {
        if (AsIs(model) is { } found)
            return found;
        foreach (var prefix in _sheet.Prefixes)
            if (model.StartsWith(prefix, StringComparison.OrdinalIgnoreCase) && AsIs(model[prefix.Length..]) is { } bare)
                return bare;
        foreach (var suffix in _sheet.Suffixes)
            if (model.EndsWith(suffix, StringComparison.OrdinalIgnoreCase) && AsIs(model[..^suffix.Length]) is { } bare)
                return bare;
        return null;
    }

    private ModelPrices? AsIs(string model)
    {
        if (_exact.TryGetValue(model, out var found))
            return found;
        foreach (var (pattern, candidate) in _patterns)
            if (NamePattern.Matches(pattern, model))
                return candidate;
        return null;
    }
}
