using Tokonomics.Application.Mails;
using Tokonomics.Application.Pricing;
using Tokonomics.Domain;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure.Jobs;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Pricing;

/// <param name="AgeDays">Since somebody compared it with its sources.</param>
/// <param name="IsNew">Operators have not been told of it this week.</param>
public sealed record OldSheet(string Provider, int AgeDays, bool IsNew);

/// <summary>
/// Tells operators of price sheets in force that nobody has looked at for long, each once a week: the row that says so is written with the mails, in one transaction.
/// </summary>
public sealed class PriceSheetAge(ISqlStore store, PriceBook prices, OperatorMails mails, IPortalLinks links, TimeProvider time)
{
    private static readonly TimeSpan Kept = TimeSpan.FromDays(90);

    /// <summary>Writes down what is to be told.</summary>
    /// <returns>All that are old, the oldest first.</returns>
    public async Task<IReadOnlyList<OldSheet>> PlanAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var today = DateOnly.FromDateTime(now.UtcDateTime);
        var old = prices.Sheets.Select(s => (s.Provider, Age: today.DayNumber - s.Checked.DayNumber)).Where(s => PriceSheetCheck.IsOld(s.Age)).OrderByDescending(s => s.Age).ThenBy(s => s.Provider, StringComparer.Ordinal).ToList();
        if (old.Count == 0)
            return [];
        var week = Clocks.Week(now.UtcDateTime);
        return await store.WriteAsync(
            transaction =>
            {
                var sheets = old.ConvertAll(s => new OldSheet(s.Provider, s.Age, transaction.Execute(
                    "INSERT INTO price_sheet_warnings (provider, week, age_days, at) VALUES (@provider, @week, @age, @now) ON CONFLICT DO NOTHING",
                    ("@provider", s.Provider), ("@week", week), ("@age", s.Age), ("@now", UsageRow.Micros(now))) == 1));
                transaction.Execute("DELETE FROM price_sheet_warnings WHERE at < @old", ("@old", UsageRow.Micros(now - Kept)));
                if (sheets.FindAll(s => s.IsNew) is { Count: > 0 } news)
                    mails.Plan(transaction, news.Count == 1 ? $"The price sheet of {news[0].Provider} is old" : $"{news.Count} price sheets are old", Text(news), now);
                return sheets;
            },
            cancellationToken);
    }

    private string Text(List<OldSheet> sheets) => $"""
        Nobody has compared {(sheets.Count == 1 ? "this price sheet" : "these price sheets")} with {(sheets.Count == 1 ? "its" : "their")} sources for more than {PriceSheetCheck.OldAfterDays} days. Where a provider has changed its prices since, calls are costed wrongly.

        {string.Join('\n', sheets.Select(s => $"{s.Provider}: {s.AgeDays} days"))}

        Install a newer version, or compare a sheet of your own with its sources and set "checked" in it: docs/prices.md.

        {links.Link("/operator/system")}

        This comes once a week for each sheet, for as long as it is so.
        """;
}
