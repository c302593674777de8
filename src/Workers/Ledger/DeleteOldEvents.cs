using Tokonomics.Application.Ledger;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers.Ledger;

/// <summary>Deletes, every day, the events that their tenants keep no longer.</summary>
[Job("delete-old-events")]
internal sealed partial class DeleteOldEvents(IRetention retention, ILogger<DeleteOldEvents> log) : IJobWork
{
    public async Task<JobReport> RunAsync(CancellationToken cancellationToken)
    {
        var report = await retention.RunAsync(cancellationToken);
        if (report.Deleted > 0 || report.Dropped.Count > 0)
            Deleted(log, report.Deleted, report.Dropped.Count, report.Tenants);
        return new JobReport($"deleted {Say.Count(report.Deleted, "event")} and {Say.Count(report.Dropped.Count, "whole month")}; {Say.Count(report.Tenants, "tenant")} with a limit");
    }

    [LoggerMessage(1, LogLevel.Information, "Retention deleted {Events} events and {Months} whole months; {Tenants} tenants have a limit")]
    private static partial void Deleted(ILogger logger, long events, int months, int tenants);
}
