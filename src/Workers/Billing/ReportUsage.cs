using Quartz;
using Tokonomics.Application.Billing;

namespace Tokonomics.Workers.Billing;

/// <summary>Reports, every ten minutes, what tenants' customers used to the tenants' own meters at Stripe. New hours come once an hour; what didn't get through is tried again meanwhile.</summary>
[DisallowConcurrentExecution]
internal sealed partial class ReportUsage(MeterReporting reporting, ILogger<ReportUsage> log) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        if (await reporting.RunAsync(cancellationToken) is > 0 and var reports)
            Reported(log, reports);
    }

    [LoggerMessage(1, LogLevel.Information, "{Reports} amounts were reported to tenants' meters at Stripe")]
    private static partial void Reported(ILogger logger, int reports);
}
