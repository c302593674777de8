using System.Globalization;
using System.Text.Json;
using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Infrastructure.Pricing;

/// <summary>
/// Reads price sheets: those inside the program, an operator's folder, and the canonical texts of the store. The format is in
/// docs/prices.md. Reading goes on after an error, so that one run names all of them.
/// </summary>
public static class PriceSheetReader
{
    private const string ResourcePrefix = "prices/";

    private static readonly JsonDocumentOptions Json = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };

    /// <summary>The sheets of this program, and those of a folder: a sheet there takes the place of ours for its provider.</summary>
    /// <param name="folder">A folder with <c>*.json</c> sheets; null for none.</param>
    public static PriceReading ReadAll(string? folder = null)
    {
        var errors = new List<PriceSheetError>();
        var ours = ReadSheets(Embedded(), errors);
        if (folder is null)
            return Whole(ours, errors);
        if (!Directory.Exists(folder))
        {
            errors.Add(new PriceSheetError(folder, "$", "this folder of price sheets does not exist; create it or drop the setting"));
            return Whole(ours, errors);
        }

        var files = Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal);
        var theirs = ReadSheets(files.Select(file => (file, File.ReadAllText(file))), errors);
        var replaced = theirs.Select(sheet => sheet.Provider).ToHashSet(StringComparer.OrdinalIgnoreCase);
        return Whole([.. ours.Where(sheet => !replaced.Contains(sheet.Provider)), .. theirs], errors);
    }

    /// <summary>Reads sheets from texts, each named by the file it comes from.</summary>
    public static PriceReading Read(IEnumerable<(string File, string Text)> files)
    {
        var errors = new List<PriceSheetError>();
        return Whole(ReadSheets(files, errors), errors);
    }

    private static List<PriceSheet> ReadSheets(IEnumerable<(string File, string Text)> files, List<PriceSheetError> errors)
    {
        var sheets = new List<PriceSheet>();
        foreach (var (file, text) in files)
        {
            try
            {
                using var document = JsonDocument.Parse(text, Json);
                if (new SheetParser(file, errors).Parse(document.RootElement, "$") is { } sheet)
                    Add(sheets, sheet, file, errors);
            }
            catch (JsonException broken)
            {
                errors.Add(new PriceSheetError(file, "$", $"not JSON: {broken.Message}"));
            }
        }

        return sheets;
    }

    /// <summary>Reads what <see cref="PriceBookText.Write(PriceBook)"/> wrote.</summary>
    /// <exception cref="PriceSheetException">The text is none.</exception>
    public static PriceBook ReadBook(string text)
    {
        using var document = JsonDocument.Parse(text, Json);
        return ReadBook(document.RootElement);
    }

    private static PriceBook ReadBook(JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.Object)
            return ReadBook(element.GetProperty("book")).Overlay(ReadBook(element.GetProperty("overrides")));
        var sheets = new List<PriceSheet>();
        var errors = new List<PriceSheetError>();
        var index = 0;
        foreach (var item in element.EnumerateArray())
            if (new SheetParser("price book", errors).Parse(item, string.Create(CultureInfo.InvariantCulture, $"$[{index++}]")) is { } sheet)
                sheets.Add(sheet);
        return new PriceReading(sheets, errors).ToBook();
    }

    private static IEnumerable<(string File, string Text)> Embedded()
    {
        var assembly = typeof(PriceSheetReader).Assembly;
        foreach (var name in assembly.GetManifestResourceNames().Where(name => name.StartsWith(ResourcePrefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            yield return (name, reader.ReadToEnd());
        }
    }

    private static void Add(List<PriceSheet> sheets, PriceSheet sheet, string file, List<PriceSheetError> errors)
    {
        if (sheets.Exists(other => string.Equals(other.Provider, sheet.Provider, StringComparison.OrdinalIgnoreCase)))
            errors.Add(new PriceSheetError(file, "$.provider", $"'{sheet.Provider}' has a sheet already; put all its models into one"));
        else
            sheets.Add(sheet);
    }

    private static PriceReading Whole(List<PriceSheet> sheets, List<PriceSheetError> errors)
    {
        foreach (var sheet in sheets)
            foreach (var name in sheet.Fallbacks.Where(name => !sheets.Exists(other => string.Equals(other.Provider, name, StringComparison.OrdinalIgnoreCase))))
                errors.Add(new PriceSheetError(sheet.Provider, "$.fallback", $"'{name}' has no sheet; name a provider that has one"));
        return new PriceReading(sheets, errors);
    }
}
