using Tokonomics.Application.Caching;
using Tokonomics.Infrastructure.Redis;

namespace Tokonomics.Infrastructure.Caching;

/// <summary>Answers that may be given again: in this process's memory, and where there is Redis, for all nodes in that. Sealed in both.</summary>
internal sealed class AnswerCache(AnswerSeal seal, MemoryAnswers memory, RedisAnswers? redis, TimeProvider time) : IAnswerCache, IAsyncDisposable
{
    public async ValueTask<KeptAnswer?> FindAsync(AnswerName name)
    {
        var key = Convert.ToHexStringLower(name.Hash);
        if (memory.Find(key) is { } near && Open(name, near) is { } found)
            return found;
        if (redis is null || await redis.FindAsync(name.TenantId, key) is not { } far || Open(name, far) is not { } answer)
            return null;
        memory.Set(key, far, answer.Until);
        return answer;
    }

    public void Keep(AnswerName name, KeptAnswer answer)
    {
        var key = Convert.ToHexStringLower(name.Hash);
        var bytes = seal.Seal(name, AnswerFormat.Write(answer));
        memory.Set(key, bytes, answer.Until);
        redis?.Set(name.TenantId, key, bytes, answer.Until - time.GetUtcNow());
    }

    // By what the seal guards, not by what its keeper says: Redis's own clock, or a copy put back, would give old answers.
    private KeptAnswer? Open(AnswerName name, byte[] bytes) => seal.Open(name, bytes) is { } plain && AnswerFormat.Read(plain) is { } answer && answer.Until > time.GetUtcNow() ? answer : null;

    public async ValueTask DisposeAsync()
    {
        memory.Dispose();
        if (redis is not null)
            await redis.DisposeAsync();
    }
}
