using System.Globalization;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Application.Pricing;

/// <summary>The verdict on the price sheets, ready to print.</summary>
/// <param name="Ok">False where there is an error. Warnings alone leave it true: a strange price can be a true one.</param>
public sealed record PriceCheckResult(bool Ok, IReadOnlyList<string> Lines);

/// <summary>What <c>tokonomics prices check</c> says: errors, what each sheet holds and how old it is, and figures that look mistyped.</summary>
public static class PriceSheetCheck
{
    /// <summary>Prices of language models move every few weeks; a sheet nobody looked at for this long is named.</summary>
    public const int OldAfterDays = 90;

    public static bool IsOld(int ageDays) => ageDays > OldAfterDays;

    public static PriceCheckResult Run(PriceReading reading, DateOnly today)
    {
        var lines = new List<string>();
        foreach (var error in reading.Errors)
            lines.Add($"error: {error}");
        foreach (var sheet in reading.Sheets)
        {
            var age = today.DayNumber - sheet.Checked.DayNumber;
            lines.Add(Say($"{sheet.Provider,-16} {sheet.Models.Count,4} models   checked {sheet.Checked:yyyy-MM-dd}, {age} days ago"));
        }

        foreach (var sheet in reading.Sheets)
        {
            if (IsOld(today.DayNumber - sheet.Checked.DayNumber))
                lines.Add(Say($"warning: {sheet.Provider}: not checked for {today.DayNumber - sheet.Checked.DayNumber} days; compare it with its sources and set \"checked\""));
            if (sheet.Checked > today)
                lines.Add($"warning: {sheet.Provider}: \"checked\" is in the future");
            foreach (var model in sheet.Models)
                foreach (var period in model.Periods)
                    foreach (var doubt in Doubts(period.Card))
                        lines.Add($"warning: {sheet.Provider}: {model.Name}: {doubt}");
        }

        if (reading.Sheets.Count > 0)
            lines.Add(Say($"{reading.Sheets.Count} sheets, {reading.Sheets.Sum(sheet => sheet.Models.Count)} models, oldest check {reading.Sheets.Min(sheet => sheet.Checked):yyyy-MM-dd}"));
        var warnings = lines.Count(line => line.StartsWith("warning: ", StringComparison.Ordinal));
        lines.Add(Say($"{reading.Errors.Count} errors, {warnings} warnings"));
        return new PriceCheckResult(reading.Errors.Count == 0, lines);
    }

    private static IEnumerable<string> Doubts(RateCard card)
    {
        if (card.Free)
            yield break;
        var (input, output, read) = (card.Rates[UsageUnit.Input], card.Rates[UsageUnit.Output], card.Rates[UsageUnit.CacheRead]);
        if (read > input)
            yield return $"cache_read {PriceBookText.Number(read.Value)} is dearer than input {PriceBookText.Number(input.Value)}";
        if (output > 0 && input >= output * 100)
            yield return $"output {PriceBookText.Number(output.Value)} is a hundredth of input {PriceBookText.Number(input.Value)} or less";
        if (input == 0 && output is (null or 0) && !card.Rates.Listed.Any(unit => card.Rates[unit] > 0))
            yield return "tokens cost nothing, but it is not marked \"free\"";
        if (output > 0 && input is null)
            yield return "output has a rate and input has none: every call will be unpriced";
        foreach (var tier in card.Tiers)
            if (tier.Rates[UsageUnit.Input] < input)
                yield return Say($"input above {tier.Above} tokens is cheaper than below");
        foreach (var variant in card.Variants)
            if (card.Tiers.Count > 0 && variant.Rates[UsageUnit.Input] is not null && variant.Tiers.Count == 0)
                yield return $"{variant.Hint}={variant.Value} states rates but none for a long context";
    }

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
