using Quartz;
using Tokonomics.Application.Ledger;

namespace Tokonomics.Workers.Ledger;

/// <summary>Deletes, every day, the events that their tenants keep no longer.</summary>
[DisallowConcurrentExecution]
internal sealed partial class DeleteOldEvents(IRetention retention, ILogger<DeleteOldEvents> log) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        var report = await retention.RunAsync(cancellationToken);
        if (report.Deleted > 0 || report.Dropped.Count > 0)
            Deleted(log, report.Deleted, report.Dropped.Count, report.Tenants);
    }

    [LoggerMessage(1, LogLevel.Information, "Retention deleted {Events} events and {Months} whole months; {Tenants} tenants have a limit")]
    private static partial void Deleted(ILogger logger, long events, int months, int tenants);
}
