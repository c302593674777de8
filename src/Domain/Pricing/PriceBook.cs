using System.Collections.Frozen;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Tokonomics.Domain.Pricing;

/// <summary>A model as <c>GET /v1/models</c> lists it.</summary>
public sealed record ListedModel(string Provider, string Name, string Kind, long? MaxInput, long? MaxOutput);

/// <summary>All prices of one version. Immutable, and safe to read from all threads: the hot path asks it once for every call.</summary>
public sealed class PriceBook
{
    private readonly FrozenDictionary<string, SheetIndex> _byProvider = FrozenDictionary<string, SheetIndex>.Empty;
    private readonly FrozenDictionary<string, IReadOnlyList<string>> _providersByModel = FrozenDictionary<string, IReadOnlyList<string>>.Empty;
    private readonly BoundedMemory<IReadOnlyList<string>> _providersRemembered = new();

    /// <exception cref="ArgumentException">Two sheets are of the same provider, or one falls back to a provider that has none.</exception>
    public PriceBook(IEnumerable<PriceSheet> sheets)
    {
        Sheets = [.. sheets.OrderBy(sheet => sheet.Provider, StringComparer.Ordinal)];
        for (var i = 1; i < Sheets.Count; i++)
            if (string.Equals(Sheets[i].Provider, Sheets[i - 1].Provider, StringComparison.OrdinalIgnoreCase))
                throw new ArgumentException($"two sheets are of provider '{Sheets[i].Provider}'; merge them or drop one", nameof(sheets));

        _byProvider = Sheets.ToFrozenDictionary(sheet => sheet.Provider, sheet => new SheetIndex(sheet), StringComparer.OrdinalIgnoreCase);
        foreach (var sheet in Sheets)
        {
            _byProvider[sheet.Provider].Fallbacks = [.. sheet.Fallbacks.Select(name => _byProvider.TryGetValue(name, out var other)
                ? other
                : throw new ArgumentException($"the sheet of '{sheet.Provider}' falls back to '{name}', which has no sheet", nameof(sheets)))];
        }

        _providersByModel = Sheets.OrderByDescending(sheet => sheet.Maker)
            .SelectMany(sheet => _byProvider[sheet.Provider].ExactNames.Select(name => (name, sheet.Provider)))
            .GroupBy(entry => entry.name, entry => entry.Provider, StringComparer.OrdinalIgnoreCase)
            .ToFrozenDictionary(group => group.Key, group => (IReadOnlyList<string>)[.. group.Distinct()], StringComparer.OrdinalIgnoreCase);
        Version = VersionOf(Sheets);
    }

    private PriceBook(PriceBook beneath, PriceBook overrides)
    {
        Beneath = beneath;
        Overrides = overrides;
        Sheets = beneath.Sheets;
        Version = $"{beneath.Version}+{overrides.Version}";
    }

    public static PriceBook Empty { get; } = new([]);

    /// <summary>The sheets, by provider. Of an overlay: the book's beneath, without the overrides.</summary>
    public IReadOnlyList<PriceSheet> Sheets { get; }

    /// <summary>Of an overlay: the book that is asked second. Null otherwise.</summary>
    public PriceBook? Beneath { get; }

    /// <summary>Of an overlay: the book that is asked first. Null otherwise.</summary>
    public PriceBook? Overrides { get; }

    /// <summary>
    /// The newest day of check and eight hex digits of what stands in the sheets, <c>2026-11-21-1a2b3c4d</c>: equal versions rate alike.
    /// An overlay names both, the overrides' behind a <c>+</c>.
    /// </summary>
    public string Version { get; }

    /// <summary>The rates of a model at an instant; null where they are not known, which is not zero.</summary>
    public RateCard? Find(string provider, string model, DateTimeOffset at) => FindModel(provider, model)?.At(at);

    /// <summary>The model with its limits and all its periods; null where no sheet lists it.</summary>
    public ModelPrices? FindModel(string provider, string model)
    {
        if (Beneath is not null)
            return Overrides!.FindModel(provider, model) ?? Beneath.FindModel(provider, model);
        return _byProvider.TryGetValue(provider, out var sheet) ? sheet.Find(model) : null;
    }

    /// <summary>A book that asks a tenant's own rates first, model by model, and this one where they are silent.</summary>
    public PriceBook Overlay(PriceBook overrides) => overrides.Sheets.Count == 0 ? this : new PriceBook(this, overrides);

    /// <summary>The models that a provider lists by exact name, in the order of its sheet; the overrides' first.</summary>
    public IReadOnlyList<ListedModel> Models(string provider)
    {
        if (Beneath is null)
            return _byProvider.TryGetValue(provider, out var sheet) ? sheet.Listed : [];
        var first = Overrides!.Models(provider);
        if (first.Count == 0)
            return Beneath.Models(provider);
        var names = first.Select(model => model.Name).ToHashSet(StringComparer.OrdinalIgnoreCase);
        return [.. first, .. Beneath.Models(provider).Where(model => !names.Contains(model.Name))];
    }

    /// <summary>
    /// The providers whose sheet lists the model by its own name, makers before resellers. A name that none lists exactly (a dated one) is
    /// looked for among the patterns, those without a beginning (<c>*</c>) left out: a self-hosted server would claim every model.
    /// </summary>
    public IReadOnlyList<string> ProvidersOf(string model)
    {
        if (_providersByModel.TryGetValue(model, out var found) || _providersRemembered.TryGet(model, out found))
            return found!;
        found = SearchProvidersOf(model);
        _providersRemembered.Keep(model, found);
        return found;
    }

    // On its own, because its closure would be allocated for every call that needs no search.
    private IReadOnlyList<string> SearchProvidersOf(string model) => Beneath is not null
        ? [.. Overrides!.ProvidersOf(model).Union(Beneath.ProvidersOf(model), StringComparer.OrdinalIgnoreCase)]
        : [.. Sheets.OrderByDescending(sheet => sheet.Maker).Select(sheet => sheet.Provider).Where(provider => _byProvider[provider].HasPatternFor(model))];

    private static string VersionOf(IReadOnlyList<PriceSheet> sheets)
    {
        var newest = sheets.Count == 0 ? DateOnly.MinValue : sheets.Max(sheet => sheet.Checked);
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(PriceBookText.Write(sheets)));
        return newest.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) + "-" + Convert.ToHexStringLower(hash.AsSpan(0, 4));
    }
}
