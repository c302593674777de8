using Tokonomics.Application.Alerts.Watching;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers.Alerts;

/// <summary>Looks, every minute, for spending that somebody should know of now.</summary>
[Job("watch-spend")]
internal sealed class WatchSpend(SpendWatch watch) : IJobWork
{
    public async Task<JobReport> RunAsync(CancellationToken cancellationToken)
    {
        var report = await watch.RunAsync(cancellationToken);
        return new JobReport(
            $"looked at {Say.Count(report.Tenants, "tenant")}, told {Say.Count(report.Told, "alert")}{(report.Failed == 0 ? "" : $"; {report.Failed} could not be looked at, the log says why")}", report.Failed > 0);
    }
}
