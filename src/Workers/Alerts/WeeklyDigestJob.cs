using Quartz;
using Tokonomics.Application.Alerts;

namespace Tokonomics.Workers.Alerts;

/// <summary>Tells, on Mondays at eight by each tenant's clocks, what last week was. Looks every quarter of an hour.</summary>
[DisallowConcurrentExecution]
internal sealed partial class WeeklyDigestJob(WeeklyDigest digest, ILogger<WeeklyDigestJob> log) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => Did(log, await digest.RunAsync(cancellationToken));

    [LoggerMessage(1, LogLevel.Debug, "Weekly digests: {Report}")]
    private static partial void Did(ILogger logger, string report);
}
