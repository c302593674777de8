using Tokonomics.Application.Alerts;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers.Alerts;

/// <summary>Tells, on Mondays at eight by each tenant's clocks, what last week was. Looks every quarter of an hour.</summary>
[Job("weekly-digest")]
internal sealed class WeeklyDigestJob(WeeklyDigest digest) : IJobWork
{
    public async Task<JobReport> RunAsync(CancellationToken cancellationToken) => JobReport.Of(await digest.RunAsync(cancellationToken));
}
