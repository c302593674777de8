using Quartz;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Alerts;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Redis;
using Tokonomics.Workers.Alerts;
using Tokonomics.Workers.Billing;
using Tokonomics.Workers.Ledger;
using Tokonomics.Workers.Tenants;

namespace Tokonomics.Workers;

/// <summary>The jobs that run beside the proxy and the portal.</summary>
public static class WorkersHost
{
    /// <summary>The workers as a process of its own, which answers probes and nothing else.</summary>
    public static WebApplication Build(string data, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = HostSetup.CreateBuilder("Tokonomics.Workers", "http://localhost:8082", null, configure);
        HostSetup.PrepareFolder(data);
        builder.Services.AddStore(builder.Configuration, data);
        builder.Services.AddNoKeyDirectory();
        builder.Services.AddChangeNotices(builder.Configuration);
        builder.Services.AddStoreCheck();
        builder.Services.AddWorkers();

        var app = builder.Build();
        app.UseHosting();
        return app;
    }

    public static IServiceCollection AddWorkers(this IServiceCollection services)
    {
        services.AddAlertDeliveries();
        services.AddQuartz(quartz =>
        {
            quartz.ScheduleJob<VerifyLedger>(
                trigger => trigger.WithIdentity("verify-ledger").StartAt(TimeProvider.System.GetUtcNow().AddMinutes(5)).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromHours(1)).RepeatForever()),
                job => job.WithIdentity("verify-ledger"));
            quartz.ScheduleJob<PreparePartitions>(
                trigger => trigger.WithIdentity("prepare-partitions").StartAt(TimeProvider.System.GetUtcNow().AddHours(1)).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromDays(1)).RepeatForever()),
                job => job.WithIdentity("prepare-partitions"));
            quartz.ScheduleJob<ForgetIdempotencyKeys>(
                trigger => trigger.WithIdentity("forget-idempotency-keys").StartAt(TimeProvider.System.GetUtcNow().AddMinutes(7)).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromHours(1)).RepeatForever()),
                job => job.WithIdentity("forget-idempotency-keys"));
            quartz.ScheduleJob<DeleteOldEvents>(
                trigger => trigger.WithIdentity("delete-old-events").StartAt(TimeProvider.System.GetUtcNow().AddMinutes(11)).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromDays(1)).RepeatForever()),
                job => job.WithIdentity("delete-old-events"));
            quartz.ScheduleJob<ReconcileBilling>(
                trigger => trigger.WithIdentity("reconcile-billing").StartAt(TimeProvider.System.GetUtcNow().AddMinutes(2)).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromHours(1)).RepeatForever()),
                job => job.WithIdentity("reconcile-billing"));
            quartz.ScheduleJob<ReportUsage>(
                trigger => trigger.WithIdentity("report-usage").StartAt(TimeProvider.System.GetUtcNow().AddMinutes(1)).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromMinutes(10)).RepeatForever()),
                job => job.WithIdentity("report-usage"));
            quartz.ScheduleJob<ForecastBudgetsJob>(
                trigger => trigger.WithIdentity("forecast-budgets").StartAt(TimeProvider.System.GetUtcNow().AddMinutes(4)).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromHours(1)).RepeatForever()),
                job => job.WithIdentity("forecast-budgets"));
            quartz.ScheduleJob<WeeklyDigestJob>(
                trigger => trigger.WithIdentity("weekly-digest").StartAt(TimeProvider.System.GetUtcNow().AddMinutes(6)).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromMinutes(15)).RepeatForever()),
                job => job.WithIdentity("weekly-digest"));
            quartz.ScheduleJob<EraseTenants>(
                trigger => trigger.WithIdentity("erase-tenants").StartAt(TimeProvider.System.GetUtcNow().AddMinutes(3)).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromHours(1)).RepeatForever()),
                job => job.WithIdentity("erase-tenants"));
        });
        services.AddQuartzHostedService(o =>
        {
            o.WaitForJobsToComplete = true;
            // Waiting for a host that could not start (its port is taken) would hold up its end.
            o.AwaitApplicationStarted = false;
        });
        return services;
    }
}
