using Quartz;

namespace Tokonomics.Workers.Jobs;

/// <summary>
/// What Quartz runs, whichever the job. Its store has this type's name in a row for each job, and a version that finds a type there which it doesn't have can't even leave
/// it alone: so there is one type, it is never renamed, and the job's name says which work is meant.
/// </summary>
[DisallowConcurrentExecution]
internal sealed class ScheduledJob(JobRunner runner) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
        await runner.RunScheduledAsync(context.JobDetail.Key.Name, context.Recovering, context.Recovering ? null : context.NextFireTimeUtc, cancellationToken);
}
