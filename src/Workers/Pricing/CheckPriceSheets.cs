using Tokonomics.Infrastructure.Jobs;
using Tokonomics.Infrastructure.Pricing;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers.Pricing;

/// <summary>Warns of price sheets that nobody has compared with their sources for long: in the log, on the jobs page and the system page, and by a mail to each operator, once a week for each sheet.</summary>
[Job("check-price-sheets")]
internal sealed partial class CheckPriceSheets(PriceSheetAge age, OperatorMails mails, ILogger<CheckPriceSheets> log) : IJobWork
{
    public async Task<JobReport> RunAsync(CancellationToken cancellationToken)
    {
        var sheets = await age.PlanAsync(cancellationToken);
        foreach (var sheet in sheets)
            if (sheet.IsNew)
                Old(sheet.Provider, sheet.AgeDays);
        var sent = await mails.SendAsync(cancellationToken);
        return sheets.Count == 0
            ? new JobReport("no price sheet is old")
            : new JobReport($"{Say.Count(sheets.Count, "price sheet")} not compared with {(sheets.Count == 1 ? "its source" : "their sources")} for long: {string.Join(", ", sheets.Select(s => $"{s.Provider} ({s.AgeDays} days)"))}; {Say.Count(sent, "mail")} sent", WantsAttention: true);
    }

    [LoggerMessage(1, LogLevel.Warning, "The price sheet of {Provider} was compared with its sources {AgeDays} days ago: where its prices have changed since, calls are costed wrongly")]
    private partial void Old(string provider, int ageDays);
}
