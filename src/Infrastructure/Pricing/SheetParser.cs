using System.Globalization;
using System.Text.Json;
using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Infrastructure.Pricing;

/// <summary>One sheet from JSON to the domain. Notes what is wrong and goes on with what is left.</summary>
internal sealed class SheetParser(string file, List<PriceSheetError> errors)
{
    /// <summary>Finer rates than this were never seen, and with it products stay exact in a <see cref="decimal"/>.</summary>
    private const int MostDecimals = 12;

    private static readonly string[] SheetProperties =
        ["provider", "maker", "source", "checked", "note", "prefixes", "suffixes", "fallback", "fees", "when", "models"];

    private static readonly string[] PeriodProperties = ["from", "utc", "days", "free", "above", "when"];

    private static readonly string[] ModelProperties = ["also", "kind", "max_input", "max_output", "note", "then", .. PeriodProperties];

    private static readonly string[] Kinds =
        ["chat", "embedding", "image", "transcription", "speech", "rerank", "moderation", "ocr", "realtime", "video"];

    private readonly int _before = errors.Count;

    /// <summary>The sheet; null where anything in it is wrong.</summary>
    public PriceSheet? Parse(JsonElement sheet, string path)
    {
        if (!IsObject(sheet, path))
            return null;
        Known(sheet, path, SheetProperties, unitsToo: false);
        var provider = Text(sheet, "provider", path);
        if (provider is null)
            Wrong($"{path}.provider", "missing; name the provider as our providers' data does");
        DateOnly @checked = default;
        if (!DateOnly.TryParseExact(Text(sheet, "checked", path), "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out @checked))
            Wrong($"{path}.checked", "missing or no date; write the day of the last comparison with the source as \"2026-11-21\"");
        var sources = Names(sheet, "source", path).Select(source => Source(source, $"{path}.source")).OfType<Uri>().ToList();
        if (sources.Count == 0)
            Wrong($"{path}.source", "missing; list at least one URL where the figures stand");
        var fees = sheet.TryGetProperty("fees", out var f) && IsObject(f, $"{path}.fees") ? Rates(f, $"{path}.fees", []) : RateSet.Empty;
        var variants = Variants(sheet, path);

        var models = new List<ModelPrices>();
        if (!sheet.TryGetProperty("models", out var all))
            Wrong($"{path}.models", "missing; an object with one entry for each model");
        else if (IsObject(all, $"{path}.models"))
            foreach (var entry in Entries(all, $"{path}.models"))
                if (IsObject(entry.Value, $"{path}.models.{entry.Name}"))
                    models.Add(Model(entry, $"{path}.models.{entry.Name}", provider ?? "", fees, variants));
        OnlyOnce(models, path);
        var maker = Flag(sheet, "maker", path);
        var (prefixes, suffixes, fallbacks) = (Names(sheet, "prefixes", path), Names(sheet, "suffixes", path), Names(sheet, "fallback", path));
        return errors.Count > _before ? null : new PriceSheet
        {
            Provider = provider!,
            Maker = maker,
            Sources = sources,
            Checked = @checked,
            Prefixes = prefixes,
            Suffixes = suffixes,
            Fallbacks = fallbacks,
            Fees = fees,
            Variants = variants,
            Models = models,
        };
    }

    private ModelPrices Model(JsonProperty entry, string path, string provider, RateSet fees, IReadOnlyList<RateVariant> variants)
    {
        Known(entry.Value, path, ModelProperties, unitsToo: true);
        var periods = new List<RatePeriod> { Period(entry.Value, path, ModelProperties) };
        if (entry.Value.TryGetProperty("then", out var then))
        {
            if (then.ValueKind != JsonValueKind.Array)
                Wrong($"{path}.then", "must be an array of later periods, each with all its rates");
            else
                foreach (var later in then.EnumerateArray())
                {
                    var at = string.Create(CultureInfo.InvariantCulture, $"{path}.then[{periods.Count - 1}]");
                    if (!IsObject(later, at))
                        continue;
                    Known(later, at, PeriodProperties, unitsToo: true);
                    var period = Period(later, at, PeriodProperties);
                    if (period.From is null && period.Hours is null)
                        Wrong(at, "neither \"from\" nor \"utc\": it would replace all before it; say from when on or at which hours it holds");
                    periods.Add(period);
                }
        }

        var kind = Text(entry.Value, "kind", path) ?? "chat";
        if (!Kinds.Contains(kind))
            Wrong($"{path}.kind", $"'{kind}' is none of {string.Join(", ", Kinds)}");
        return new ModelPrices
        {
            Name = entry.Name,
            Aliases = Names(entry.Value, "also", path),
            Kind = kind,
            MaxInput = Limit(entry.Value, "max_input", path),
            MaxOutput = Limit(entry.Value, "max_output", path),
            Periods = periods,
        };

        RatePeriod Period(JsonElement element, string at, string[] besides)
        {
            var before = errors.Count;
            var free = Flag(element, "free", at);
            var own = Variants(element, at);
            var rates = Rates(element, at, besides);
            if (free && !rates.IsEmpty)
                Wrong(at, "\"free\" and rates contradict each other; drop one");
            if (!free && errors.Count == before && rates.IsEmpty && own.All(variant => variant.Rates.IsEmpty))
                Wrong(at, "no rate; state at least one, or \"free\": true where it costs nothing on purpose");
            var card = new RateCard
            {
                Provider = provider,
                Model = entry.Name,
                Free = free,
                Rates = rates,
                Tiers = Tiers(element, at),
                Variants = [.. variants, .. own],
                Fees = fees,
            };
            return new RatePeriod(From(element, at), Hours(element, at), card);
        }
    }

    private RateSet Rates(JsonElement element, string path, string[] besides)
    {
        var rates = new List<KeyValuePair<UsageUnit, decimal>>();
        foreach (var property in Entries(element, path))
        {
            if (besides.Contains(property.Name))
                continue;
            if (UnitNames.Find(property.Name) is not { } unit)
            {
                if (besides.Length == 0)
                    Wrong($"{path}.{property.Name}", $"unknown; units are {string.Join(", ", UnitNames.All)}");
            }
            else if (Amount(property.Value, $"{path}.{property.Name}", RateSet.Highest) is { } rate)
            {
                rates.Add(new(unit, rate));
            }
        }

        return new RateSet(rates);
    }

    private List<ContextTier> Tiers(JsonElement element, string path)
    {
        var tiers = new List<ContextTier>();
        if (!element.TryGetProperty("above", out var above) || !IsObject(above, $"{path}.above"))
            return tiers;
        foreach (var entry in Entries(above, $"{path}.above"))
        {
            var at = $"{path}.above.{entry.Name}";
            if (!long.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var threshold))
                Wrong(at, "the name must be a whole number of input tokens, such as \"200000\": more than these take the rates");
            else if (IsObject(entry.Value, at))
                tiers.Add(new ContextTier(threshold, Rates(entry.Value, at, [])));
        }

        return [.. tiers.OrderBy(tier => tier.Above)];
    }

    private List<RateVariant> Variants(JsonElement element, string path)
    {
        var variants = new List<RateVariant>();
        if (!element.TryGetProperty("when", out var when) || !IsObject(when, $"{path}.when"))
            return variants;
        foreach (var entry in Entries(when, $"{path}.when"))
        {
            var at = $"{path}.when.{entry.Name}";
            var equals = entry.Name.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1 || equals == entry.Name.Length - 1)
            {
                Wrong(at, "the name must be a hint and its value, such as \"service_tier=flex\"");
                continue;
            }

            if (!IsObject(entry.Value, at))
                continue;
            Known(entry.Value, at, ["times", "above"], unitsToo: true);
            var times = entry.Value.TryGetProperty("times", out var factor) ? Amount(factor, $"{at}.times", RateVariant.HighestTimes) : null;
            var rates = Rates(entry.Value, at, ["times", "above"]);
            if (times is null && rates.IsEmpty)
                Wrong(at, "changes nothing; state rates or \"times\"");
            variants.Add(new RateVariant(entry.Name[..equals], entry.Name[(equals + 1)..], times, rates, Tiers(entry.Value, at)));
        }

        return variants;
    }

    private DateTimeOffset? From(JsonElement element, string path)
    {
        if (Text(element, "from", path) is not { } text)
            return null;
        if (DateTimeOffset.TryParseExact(text, ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ss'Z'"], CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var from))
            return from;
        Wrong($"{path}.from", $"'{text}' is no date; write \"2026-08-17\" for the start of that day in UTC, or \"2026-08-17T16:00:00Z\"");
        return null;
    }

    private DailyHours? Hours(JsonElement element, string path)
    {
        var days = Text(element, "days", path);
        if (days is not (null or "weekdays"))
            Wrong($"{path}.days", $"'{days}' is not \"weekdays\"; leave it out for all days");
        if (Text(element, "utc", path) is not { } text)
        {
            if (days is not null)
                Wrong($"{path}.days", "needs \"utc\" beside it; write \"00:00-00:00\" for whole days");
            return null;
        }

        if (text.Split('-') is [var start, var end]
            && TimeOnly.TryParseExact(start, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var from)
            && TimeOnly.TryParseExact(end, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var to))
            return new DailyHours(from, to, days is not null);
        Wrong($"{path}.utc", $"'{text}' is no span of hours; write \"01:00-04:00\" in UTC");
        return null;
    }

    /// <summary>A name may lead to one model only: the second would never be found.</summary>
    private void OnlyOnce(List<ModelPrices> models, string path)
    {
        var seen = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var model in models)
            foreach (var name in model.Aliases.Prepend(model.Name))
                if (!seen.TryAdd(name, model.Name))
                    Wrong($"{path}.models.{model.Name}", $"'{name}' is already a name of '{seen[name]}'; keep one");
    }

    private decimal? Amount(JsonElement value, string path, decimal highest)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            Wrong(path, $"must be a string, so that no reader rounds it: \"{value.GetRawText()}\"");
            return null;
        }

        var text = value.GetString()!;
        var ok = decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var amount);
        if (ok && amount <= highest && decimal.Round(amount, MostDecimals) == amount)
            return amount;
        Wrong(path, $"'{text}' is no plain decimal number from 0 to {PriceBookText.Number(highest)} with at most {MostDecimals} places");
        return null;
    }

    private long? Limit(JsonElement element, string property, string path)
    {
        if (!element.TryGetProperty(property, out var value))
            return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var limit) && limit > 0)
            return limit;
        Wrong($"{path}.{property}", "must be a whole number of tokens above 0");
        return null;
    }

    private Uri? Source(string text, string path)
    {
        if (Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is ("https" or "http" or "urn")) // urn: a tenant's own word
            return uri;
        Wrong(path, $"'{text}' is no URL; write it with https://");
        return null;
    }

    private bool Flag(JsonElement element, string property, string path)
    {
        if (!element.TryGetProperty(property, out var value))
            return false;
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            Wrong($"{path}.{property}", "must be true or false");
        return value.ValueKind == JsonValueKind.True;
    }

    private string? Text(JsonElement element, string property, string path)
    {
        if (!element.TryGetProperty(property, out var value))
            return null;
        if (value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text)
            return text;
        Wrong($"{path}.{property}", "must be a string that is not empty");
        return null;
    }

    private List<string> Names(JsonElement element, string property, string path)
    {
        var names = new List<string>();
        if (!element.TryGetProperty(property, out var value))
            return names;
        if (value.ValueKind == JsonValueKind.Array)
            foreach (var item in value.EnumerateArray())
                if (item.ValueKind == JsonValueKind.String && item.GetString() is { Length: > 0 } name)
                    names.Add(name);
        if (value.ValueKind != JsonValueKind.Array || names.Count != value.GetArrayLength())
            Wrong($"{path}.{property}", "must be an array of strings");
        return names;
    }

    private void Known(JsonElement element, string path, string[] properties, bool unitsToo)
    {
        foreach (var property in element.EnumerateObject())
            if (!properties.Contains(property.Name) && !(unitsToo && UnitNames.Find(property.Name) is not null))
                Wrong($"{path}.{property.Name}", $"unknown; allowed are {string.Join(", ", properties)}{(unitsToo ? " and the units " + string.Join(", ", UnitNames.All) : "")}");
    }

    /// <summary>JSON lets a name stand twice, and readers take the last in silence.</summary>
    private List<JsonProperty> Entries(JsonElement element, string path)
    {
        var entries = new List<JsonProperty>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in element.EnumerateObject())
        {
            if (seen.Add(property.Name))
                entries.Add(property);
            else
                Wrong($"{path}.{property.Name}", "stands here twice; keep one");
        }

        return entries;
    }

    private bool IsObject(JsonElement element, string path)
    {
        if (element.ValueKind == JsonValueKind.Object)
            return true;
        Wrong(path, "must be an object in braces");
        return false;
    }

    private void Wrong(string path, string message) => errors.Add(new PriceSheetError(file, path, message));
}
