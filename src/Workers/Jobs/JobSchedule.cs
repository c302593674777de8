using Quartz;
using Tokonomics.Application.Jobs;

namespace Tokonomics.Workers.Jobs;

/// <summary>
/// Puts the plan into Quartz's store as this worker starts. What is there already keeps its times: a worker that is started again, or a further one, puts nothing off. Of what
/// has another interval, the next run is that interval after the last. What the plan doesn't have stays: it is a newer version's.
/// </summary>
internal sealed class JobSchedule(ISchedulerFactory schedulers, IJobRuns runs, JobMetrics metrics) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        metrics.Began(await runs.LastEndedWellAsync(cancellationToken));
        var scheduler = await schedulers.GetScheduler(cancellationToken);
        var due = new List<(string, DateTimeOffset?)>();
        foreach (var plan in JobPlan.All)
            due.Add((plan.Name, await PutAsync(scheduler, plan, cancellationToken)));
        await runs.PlanAsync(due, cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static async Task<DateTimeOffset?> PutAsync(IScheduler scheduler, JobPlan plan, CancellationToken cancellationToken)
    {
        var key = new TriggerKey(plan.Name);
        var there = await scheduler.GetTrigger(key, cancellationToken) as ISimpleTrigger;
        if (there is not null && there.RepeatInterval == plan.Every)
        {
            // Quartz parks what it could not start; the next worker is the next try.
            await scheduler.ResetTriggerFromErrorState(key, cancellationToken);
            return there.NextFireTimeUtc;
        }

        var now = TimeProvider.System.GetUtcNow();
        var first = there?.PreviousFireTimeUtc is { } last ? last + plan.Every : now + plan.FirstAfter;
        var trigger = TriggerBuilder.Create().WithIdentity(key).ForJob(plan.Name).StartAt(first > now ? first : now)
            // Runs that nobody was there for are made up for by one, at once.
            .WithSchedule(SimpleScheduleBuilder.Create().WithInterval(plan.Every).RepeatForever().WithMisfireInstruction(SimpleTriggerMisfireInstruction.NowWithExistingCount)).Build();
        var job = JobBuilder.Create<ScheduledJob>().WithIdentity(plan.Name).WithDescription(plan.What).RequestRecovery(true).Build();
        await scheduler.ScheduleJob(job, [trigger], ScheduleJobOptions.Replacing, cancellationToken);
        return first;
    }
}
