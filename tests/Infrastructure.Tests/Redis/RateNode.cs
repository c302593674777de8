using Microsoft.Extensions.Logging;
using StackExchange.Redis;
using Tokonomics.Application.Keys;
using Tokonomics.Application.RateLimits;
using Tokonomics.Infrastructure.RateLimits;
using Tokonomics.Infrastructure.Redis;
using static Tokonomics.Testing.Eventually;

namespace Tokonomics.Tests.Redis;

/// <summary>One node of several that share limits, without the rest of the product.</summary>
internal sealed class RateNode : IAsyncDisposable
{
    private RateNode(string connectionString, RedisOptions redis, RateLimitOptions options)
    {
        var loggers = LoggerFactory.Create(log => log.AddProvider(Logs));
        Connection = new RedisConnection(connectionString, redis, TimeProvider.System, loggers.CreateLogger<RedisConnection>());
        Limiter = new RedisRateLimiter(Connection, redis, options, TimeProvider.System, loggers.CreateLogger<RedisRateLimiter>());
    }

    public RedisConnection Connection { get; }

    public RedisRateLimiter Limiter { get; }

    public CapturedLogs Logs { get; } = new();

    /// <param name="timeout">Ten seconds where nothing is said: a busy machine must not be taken for a fault.</param>
    public static async Task<RateNode> StartAsync(string connectionString, string prefix, TimeSpan? timeout = null, RateLimitOptions? options = null)
    {
        var node = new RateNode(connectionString, new RedisOptions { Prefix = prefix, Timeout = timeout ?? TimeSpan.FromSeconds(10) }, options ?? new RateLimitOptions());
        await node.Limiter.StartAsync(CancellationToken.None);
        return node;
    }

    public ValueTask<RateVerdict> EnterAsync(KeySnapshot key, long tokens = 1) => Limiter.EnterAsync(key, tokens);

    /// <summary>So many calls at once; those that were admitted.</summary>
    public async Task<List<RateVerdict>> EnterManyAsync(KeySnapshot key, int count, long tokens = 1) =>
        [.. (await Task.WhenAll(Enumerable.Range(0, count).Select(_ => Task.Run(async () => await EnterAsync(key, tokens))))).Where(v => v.IsAllowed)];

    public Task UsableAsync() => UntilAsync(() => Connection.IsUsable, "Redis was not found again");

    public async ValueTask DisposeAsync()
    {
        await Limiter.StopAsync(CancellationToken.None);
        Limiter.Dispose();
        await Connection.DisposeAsync();
    }
}
