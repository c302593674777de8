using Tokonomics.Application.Billing;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers.Billing;

/// <summary>Reports, every ten minutes, what tenants' customers used to the tenants' own meters at Stripe. New hours come once an hour; what didn't get through is tried again meanwhile.</summary>
[Job("report-usage")]
internal sealed partial class ReportUsage(MeterReporting reporting, ILogger<ReportUsage> log) : IJobWork
{
    public async Task<JobReport> RunAsync(CancellationToken cancellationToken)
    {
        var reports = await reporting.RunAsync(cancellationToken);
        if (reports > 0)
            Reported(log, reports);
        return new JobReport($"reported {Say.Count(reports, "amount")}");
    }

    [LoggerMessage(1, LogLevel.Information, "{Reports} amounts were reported to tenants' meters at Stripe")]
    private static partial void Reported(ILogger logger, int reports);
}
