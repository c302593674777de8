using Quartz;
using Tokonomics.Application.Jobs;
using Tokonomics.Infrastructure.Postgres;

namespace Tokonomics.Workers.Jobs;

internal static class JobSetup
{
    // Known to be dead after the sum; a pause shorter than the second costs nothing.
    private static readonly TimeSpan Checkin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CheckinPatience = TimeSpan.FromSeconds(10);

    // What another worker puts into the schedule is seen after this.
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(2);

    /// <summary>
    /// The jobs of the plan and what runs them. On PostgreSQL the schedule stands in the database and any number of workers share it; otherwise it is in this process's memory.
    /// Register it after the store, whose schema it needs.
    /// </summary>
    public static IServiceCollection AddJobs(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddJobWorks();
        services.AddSingleton<JobMetrics>();
        services.AddSingleton<JobRunner>();
        var clustered = configuration.GetConnectionString("Postgres") is { Length: > 0 };
        services.AddQuartz(quartz =>
        {
            quartz.ConfigureScheduler(o =>
            {
                // All workers of one store have the first, and none the second, in common.
                o.InstanceName = "tokonomics";
                o.InstanceId = JobRunner.Worker;
                o.IdleWaitTime = LookAgain;
                // Told to stop, a worker doesn't wait for what may take an hour: what is broken off is another's.
                o.ShutdownJobInterruption = ShutdownJobInterruption.Always;
            });
            // All of the plan at once, so that none that takes an hour keeps another waiting; Quartz itself would run ten.
            quartz.UseDefaultThreadPool(pool => pool.MaxConcurrency = JobPlan.All.Count);
            if (!clustered)
                return;
            quartz.UsePersistentStore(store =>
            {
                store.UsePostgres(source => source.DataSourceFactory = provider => provider.GetRequiredService<PostgresDatabase>().Schedule);
                store.UseClustering(cluster =>
                {
                    cluster.CheckinInterval = Checkin;
                    cluster.CheckinMisfireThreshold = CheckinPatience;
                });
                store.ProvisionSchema();
                store.ConfigureStore(o =>
                {
                    o.TablePrefix = "qrtz_";
                    o.StoreJobDataAsStrings = true;
                    o.RecoverFiringsCancelledByShutdown = true;
                });
            });
        });
        services.AddQuartzHostedService(o =>
        {
            o.WaitForJobsToComplete = true;
            // Waiting for a host that could not start (its port is taken) would hold up its end.
            o.AwaitApplicationStarted = false;
        });
        services.AddHostedService<JobSchedule>();
        services.AddHostedService<JobRequests>();
        return services;
    }
}
