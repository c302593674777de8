using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Tokonomics.Domain.Pricing;

/// <summary>
/// The canonical text of a book: JSON in the format of the sheets, in a fixed order and with nothing that does not decide a price or a
/// look-up. Equal books have equal texts, so its hash is the version, and the store keeps it so that any month can be rated again.
/// </summary>
public static class PriceBookText
{
    // The text is kept and hashed, never put into a page: '+' and '<' may stand as they are.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Write(PriceBook book) => book.Beneath is null
        ? Write(book.Sheets)
        : $"{{\"book\":{Write(book.Beneath)},\"overrides\":{Write(book.Overrides!)}}}";

    internal static string Write(IEnumerable<PriceSheet> sheets)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartArray();
            foreach (var sheet in sheets)
                WriteSheet(json, sheet);
            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    /// <summary>A rate without trailing zeros.</summary>
    public static string Number(decimal value) => value.ToString("0.############################", CultureInfo.InvariantCulture);

    private static void WriteSheet(Utf8JsonWriter json, PriceSheet sheet)
    {
        json.WriteStartObject();
        json.WriteString("provider", sheet.Provider);
        if (sheet.Maker)
            json.WriteBoolean("maker", true);
        WriteNames(json, "source", sheet.Sources.Select(source => source.OriginalString));
        json.WriteString("checked", sheet.Checked.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        WriteNames(json, "prefixes", sheet.Prefixes);
        WriteNames(json, "suffixes", sheet.Suffixes);
        WriteNames(json, "fallback", sheet.Fallbacks);
        if (!sheet.Fees.IsEmpty)
        {
            json.WriteStartObject("fees");
            WriteRates(json, sheet.Fees);
            json.WriteEndObject();
        }

        WriteVariants(json, sheet.Variants);
        json.WriteStartObject("models");
        foreach (var model in sheet.Models)
            WriteModel(json, model, sheet);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter json, ModelPrices model, PriceSheet sheet)
    {
        json.WriteStartObject(model.Name);
        WriteNames(json, "also", model.Aliases);
        if (model.Kind != "chat")
            json.WriteString("kind", model.Kind);
        if (model.MaxInput is { } input)
            json.WriteNumber("max_input", input);
        if (model.MaxOutput is { } output)
            json.WriteNumber("max_output", output);
        WritePeriod(json, model.Periods[0], sheet);
        if (model.Periods.Count > 1)
        {
            json.WriteStartArray("then");
            foreach (var period in model.Periods.Skip(1))
            {
                json.WriteStartObject();
                WritePeriod(json, period, sheet);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WritePeriod(Utf8JsonWriter json, RatePeriod period, PriceSheet sheet)
    {
        if (period.From is { } from)
            json.WriteString("from", from.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
        if (period.Hours is { } hours)
        {
            json.WriteString("utc", $"{hours.Start:HH\\:mm}-{hours.End:HH\\:mm}");
            if (hours.WeekdaysOnly)
                json.WriteString("days", "weekdays");
        }

        if (period.Card.Free)
            json.WriteBoolean("free", true);
        WriteRates(json, period.Card.Rates);
        WriteTiers(json, period.Card.Tiers);

        // A card's variants begin with its provider's, which the sheet states once.
        WriteVariants(json, period.Card.Variants.Skip(sheet.Variants.Count).ToList());
    }

    private static void WriteVariants(Utf8JsonWriter json, IReadOnlyList<RateVariant> variants)
    {
        if (variants.Count == 0)
            return;
        json.WriteStartObject("when");
        foreach (var variant in variants)
        {
            json.WriteStartObject($"{variant.Hint}={variant.Value}");
            if (variant.Times is { } times)
                json.WriteString("times", Number(times));
            WriteRates(json, variant.Rates);
            WriteTiers(json, variant.Tiers);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteTiers(Utf8JsonWriter json, IReadOnlyList<ContextTier> tiers)
    {
        if (tiers.Count == 0)
            return;
        json.WriteStartObject("above");
        foreach (var tier in tiers)
        {
            json.WriteStartObject(tier.Above.ToString(CultureInfo.InvariantCulture));
            WriteRates(json, tier.Rates);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteRates(Utf8JsonWriter json, RateSet rates)
    {
        foreach (var unit in rates.Listed)
            json.WriteString(UnitNames.Of(unit), Number(rates[unit]!.Value));
    }

    private static void WriteNames(Utf8JsonWriter json, string property, IEnumerable<string> names)
    {
        var list = names.ToList();
        if (list.Count == 0)
            return;
        json.WriteStartArray(property);
        foreach (var name in list)
            json.WriteStringValue(name);
        json.WriteEndArray();
    }
}
