using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Caching;
using Tokonomics.Infrastructure.Redis;
using Tokonomics.Infrastructure.Secrets;

namespace Tokonomics.Infrastructure.Caching;

public static class CachingSetup
{
    /// <summary>The cache of answers, of a host that serves calls. Reads the settings under <c>Cache</c>; needs <see cref="RedisSetup.AddRateLimits"/> before it, whose Redis it uses where there is one.</summary>
    public static IServiceCollection AddAnswerCache(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddOptions<AnswerCacheOptions>().Bind(configuration.GetSection("Cache")).ValidateOnStart();
        services.AddSingleton<IValidateOptions<AnswerCacheOptions>>(new Rule());
        services.AddSingleton(provider => provider.GetRequiredService<IOptions<AnswerCacheOptions>>().Value);
        var connectionString = configuration.GetConnectionString("Redis");
        services.AddSingleton<IAnswerCache>(provider =>
        {
            var (options, time) = (provider.GetRequiredService<AnswerCacheOptions>(), provider.GetRequiredService<TimeProvider>());
            return new AnswerCache(
                new AnswerSeal(provider.GetRequiredService<MasterKeyRing>()), new MemoryAnswers(options.MaxMemoryBytes, time),
                options.InRedis && connectionString is { Length: > 0 } ? InRedis(provider, connectionString, time) : null, time);
        });
        return services;
    }

    private static RedisAnswers InRedis(IServiceProvider provider, string connectionString, TimeProvider time)
    {
        var options = provider.GetRequiredService<IOptions<RedisOptions>>().Value;
        return new RedisAnswers(new RedisConnection(connectionString, options, time, provider.GetRequiredService<ILogger<RedisConnection>>(), "answers are kept by each node for itself"), options.Prefix);
    }

    private sealed class Rule : IValidateOptions<AnswerCacheOptions>
    {
        public ValidateOptionsResult Validate(string? name, AnswerCacheOptions options) => options.Problem() is { } found ? ValidateOptionsResult.Fail(found) : ValidateOptionsResult.Success;
    }
}
