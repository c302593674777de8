using Quartz;
using Tokonomics.Workers.Ledger;

namespace Tokonomics.Workers;

/// <summary>The jobs that run beside the proxy and the portal.</summary>
public static class WorkersHost
{
    public static IServiceCollection AddWorkers(this IServiceCollection services)
    {
        services.AddQuartz(quartz =>
        {
            quartz.ScheduleJob<VerifyLedger>(
                trigger => trigger.WithIdentity("verify-ledger").StartAt(TimeProvider.System.GetUtcNow().AddMinutes(5)).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromHours(1)).RepeatForever()),
                job => job.WithIdentity("verify-ledger"));
            quartz.ScheduleJob<PreparePartitions>(
                trigger => trigger.WithIdentity("prepare-partitions").StartAt(TimeProvider.System.GetUtcNow().AddHours(1)).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromDays(1)).RepeatForever()),
                job => job.WithIdentity("prepare-partitions"));
        });
        services.AddQuartzHostedService(o => o.WaitForJobsToComplete = true);
        return services;
    }
}
