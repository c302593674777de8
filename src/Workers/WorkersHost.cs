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
            quartz.ScheduleJob<ForgetIdempotencyKeys>(
                trigger => trigger.WithIdentity("forget-idempotency-keys").StartAt(TimeProvider.System.GetUtcNow().AddMinutes(7)).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromHours(1)).RepeatForever()),
                job => job.WithIdentity("forget-idempotency-keys"));
        });
        services.AddQuartzHostedService(o => o.WaitForJobsToComplete = true);
        return services;
    }
}
