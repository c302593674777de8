using System.Text.Json;
using System.Text.Json.Nodes;
using Tokonomics.Application.Pricing;

namespace Tokonomics.Infrastructure.Pricing;

/// <summary>Makes a price sheet of a tenant's overrides for each provider, so that one parser and one set of rules reads both.</summary>
internal sealed class PriceOverrideReader : IPriceOverrideReader
{
    public PriceReading Read(IReadOnlyCollection<StoredPriceOverride> rows) => PriceSheetReader.Read(
        rows.GroupBy(o => o.Provider, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => ($"overrides of {g.Key}", Sheet(g.Key, g))));

    private static string Sheet(string provider, IEnumerable<StoredPriceOverride> rows)
    {
        var models = new JsonObject();
        foreach (var row in rows.OrderBy(r => r.Model, StringComparer.Ordinal))
            models[row.Model] = JsonNode.Parse(row.Rates);
        var sheet = new JsonObject
        {
            ["provider"] = provider,
            ["source"] = new JsonArray("urn:tokonomics:tenant"),
            ["checked"] = rows.Max(r => r.CreatedAt).UtcDateTime.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture),
            ["models"] = models,
        };
        return sheet.ToJsonString(JsonSerializerOptions.Default);
    }
}
