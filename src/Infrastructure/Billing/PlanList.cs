using System.Text.Json;
using System.Text.Json.Serialization;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Billing;

/// <summary>The price list as a file.</summary>
public static class PlanList
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.General)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        Converters = { new JsonStringEnumConverter<PlanFeatures>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    private sealed record Sheet(List<Row>? Plans);

    private sealed record Row(string? Name, string? Title, string? MonthlyUsd, string? LookupKey, long? CallsPerMonth, int? Members, int? HistoryDays, List<PlanFeatures>? Features);

    /// <param name="file">Empty for the built-in list.</param>
    /// <exception cref="InvalidOperationException">It can't be read, or can't be a price list: the message names the file and all that is wrong in it.</exception>
    public static PlanBook Read(string file)
    {
        var place = file.Length == 0 ? "the built-in price list" : $"the price list {file} (Billing:PlansFile)";
        try
        {
            using var stream = file.Length == 0 ? typeof(PlanList).Assembly.GetManifestResourceStream("billing/plans.json")! : File.OpenRead(file);
            var rows = JsonSerializer.Deserialize<Sheet>(stream, Options)?.Plans ?? throw new InvalidOperationException($"{place} has no list \"plans\".");
            foreach (var row in rows)
                if (NanoUsd.Parse(row.MonthlyUsd ?? "0") is null)
                    throw new InvalidOperationException($"{place}: monthly_usd of {row.Name} is '{row.MonthlyUsd}'; write a decimal number as a text: \"49\".");
            return new PlanBook([.. rows.Select(Plan)]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new InvalidOperationException($"{place} can't be read: {e.Message}", e);
        }
        catch (ArgumentException e)
        {
            throw new InvalidOperationException($"{place} can't be one: {e.Message}", e);
        }
    }

    private static Plan Plan(Row row) => new()
    {
        Name = row.Name ?? "",
        Title = row.Title ?? "",
        MonthlyPrice = NanoUsd.Parse(row.MonthlyUsd ?? "0")!.Value,
        LookupKey = row.LookupKey,
        CallsPerMonth = row.CallsPerMonth,
        Members = row.Members,
        HistoryDays = row.HistoryDays,
        Features = (row.Features ?? []).Aggregate(PlanFeatures.None, (all, f) => all | f),
    };
}
