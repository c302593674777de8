using System.Collections.Frozen;
using System.Reflection;

namespace Tokonomics.Workers.Jobs;

/// <summary>The classes of this assembly that are the work of jobs, by the jobs' names.</summary>
internal static class JobWorks
{
    private static readonly FrozenDictionary<string, Type> Types = typeof(JobWorks).Assembly.GetTypes()
        .Where(t => t.GetCustomAttribute<JobAttribute>() is not null).ToFrozenDictionary(t => t.GetCustomAttribute<JobAttribute>()!.Name);

    public static IEnumerable<string> Names => Types.Keys;

    public static bool Knows(string job) => Types.ContainsKey(job);

    public static IJobWork Of(string job, IServiceProvider scope) => (IJobWork)scope.GetRequiredService(Types[job]);

    public static IServiceCollection AddJobWorks(this IServiceCollection services)
    {
        foreach (var type in Types.Values)
            services.AddScoped(type);
        return services;
    }
}
