using System.Diagnostics.Metrics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Keys;
using Tokonomics.Application.RateLimits;
using Tokonomics.Infrastructure.RateLimits;

namespace Tokonomics.Infrastructure.Redis;

public static class RedisSetup
{
    /// <summary>
    /// The rate limits of a host that serves calls: in Redis where <c>ConnectionStrings:Redis</c> says where it is, else in this process. Reads the settings under
    /// <c>RateLimits</c> and <c>Redis</c>.
    /// </summary>
    public static IServiceCollection AddRateLimits(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddMetrics();
        services.AddOptions<RateLimitOptions>().Bind(configuration.GetSection("RateLimits"));
        services.AddSingleton<IValidateOptions<RateLimitOptions>>(new Rule<RateLimitOptions>(o => o.Problem()));
        services.AddOptions<RateLimitOptions>().ValidateOnStart();
        if (Connection(services, configuration))
        {
            services.AddSingleton(provider => new RedisRateLimiter(
                provider.GetRequiredService<RedisConnection>(), provider.GetRequiredService<IOptions<RedisOptions>>().Value, provider.GetRequiredService<IOptions<RateLimitOptions>>().Value,
                provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<RedisRateLimiter>>(), provider.GetRequiredService<IMeterFactory>()));
            services.AddSingleton<IRateLimiter>(provider => provider.GetRequiredService<RedisRateLimiter>());
            services.AddHostedService(provider => provider.GetRequiredService<RedisRateLimiter>());
            return services;
        }

        services.AddSingleton(provider => new InProcessRateLimiter(provider.GetRequiredService<IOptions<RateLimitOptions>>().Value, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<IRateLimiter>(provider => provider.GetRequiredService<InProcessRateLimiter>());
        services.AddHostedService(provider => provider.GetRequiredService<InProcessRateLimiter>());
        return services;
    }

    /// <summary>
    /// Changes are told to other nodes, and theirs are read at once, where <c>ConnectionStrings:Redis</c> is set; otherwise nothing. For every host that changes
    /// tenants' data or keeps it in memory; register it after the directories that it is to refresh.
    /// </summary>
    public static IServiceCollection AddChangeNotices(this IServiceCollection services, IConfiguration configuration)
    {
        if (!Connection(services, configuration) || services.Any(s => s.ServiceType == typeof(ChangeNotices)))
            return services;
        services.AddSingleton(provider => new ChangeNotices(
            provider.GetRequiredService<RedisConnection>(), provider.GetRequiredService<IOptions<RedisOptions>>().Value, provider, provider.GetRequiredService<ILogger<ChangeNotices>>()));
        services.AddSingleton<IDirectoryRefresh>(provider => provider.GetRequiredService<ChangeNotices>());
        services.AddHostedService(provider => provider.GetRequiredService<ChangeNotices>());
        return services;
    }

    private static bool Connection(IServiceCollection services, IConfiguration configuration)
    {
        if (configuration.GetConnectionString("Redis") is not { Length: > 0 } connectionString)
            return false;
        services.AddOptions<RedisOptions>().Bind(configuration.GetSection("Redis")).ValidateOnStart();
        services.TryAddSingleton<IValidateOptions<RedisOptions>>(new Rule<RedisOptions>(o => o.Problem()));
        services.TryAddSingleton(provider => new RedisConnection(
            connectionString, provider.GetRequiredService<IOptions<RedisOptions>>().Value, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<RedisConnection>>()));
        return true;
    }

    private sealed class Rule<T>(Func<T, string?> problem) : IValidateOptions<T>
        where T : class
    {
        public ValidateOptionsResult Validate(string? name, T options) => problem(options) is { } found ? ValidateOptionsResult.Fail(found) : ValidateOptionsResult.Success;
    }
}
