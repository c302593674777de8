using StackExchange.Redis;

namespace Tokonomics.Infrastructure.Redis;

/// <summary>
/// Sealed answers in Redis, for all nodes. By a connection of its own: an answer of a megabyte must not stand before a rate limit's question. The connection is made when an answer is first looked for;
/// while Redis is away nobody asks it, and nobody waits.
/// </summary>
internal sealed class RedisAnswers(RedisConnection redis, string prefix) : IAsyncDisposable
{
    private static readonly RedisValue[] Nothing = [];

    private int _probing;

    /// <returns>Null where there is none, or Redis didn't say in time.</returns>
    public async ValueTask<byte[]?> FindAsync(string tenantId, string name)
    {
        if (!IsUsable())
            return null;
        var answer = await redis.EvaluateAsync(RedisScript.Answers, [Key(tenantId, name)], Nothing);
        return answer is null || answer.IsNull ? null : (byte[]?)answer;
    }

    /// <summary>Waits for nobody, and for no answer.</summary>
    public void Set(string tenantId, string name, byte[] sealedAnswer, TimeSpan kept)
    {
        if (kept >= TimeSpan.FromMilliseconds(1) && IsUsable())
            _ = redis.EvaluateAsync(RedisScript.Answers, [Key(tenantId, name)], [sealedAnswer, (long)kept.TotalMilliseconds]);
    }

    // {tenant} is the hash tag, as of the limits' keys.
    private RedisKey Key(string tenantId, string name) => $"{prefix}answer:{{{tenantId}}}:{name}";

    private bool IsUsable()
    {
        if (redis.IsUsable)
            return true;
        if (redis.IsProbeDue && Interlocked.Exchange(ref _probing, 1) == 0)
            _ = ProbeAsync();
        return false;
    }

    private async Task ProbeAsync()
    {
        try
        {
            await redis.ProbeAsync(RedisScript.Answers, [$"{prefix}answer:probe"], [1, 1000]);
        }
        finally
        {
            Volatile.Write(ref _probing, 0);
        }
    }

    public ValueTask DisposeAsync() => redis.DisposeAsync();
}
