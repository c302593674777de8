namespace Tokonomics.Application.Caching;

/// <summary>Settings under <c>Cache</c>: where the answers are that keys and routes let be given again.</summary>
public sealed class AnswerCacheOptions
{
    /// <summary>The largest answer that is kept, bytes as the client had them. 1 kB to 32 MB.</summary>
    public int MaxAnswerBytes { get; set; } = 1024 * 1024;

    /// <summary>Answers in the memory of one proxy, bytes; those that were used least lately leave first. 0 keeps none there; up to 64 GB.</summary>
    public long MaxMemoryBytes { get; set; } = 64 * 1024 * 1024;

    /// <summary>Answers are kept in Redis too, where there is one, so that every proxy finds them.</summary>
    public bool InRedis { get; set; } = true;

    public string? Problem() =>
        MaxAnswerBytes is < 1024 or > 32 * 1024 * 1024 ? $"Cache:MaxAnswerBytes is {MaxAnswerBytes}; it must be 1024 to 33554432."
        : MaxMemoryBytes is < 0 or > 64L * 1024 * 1024 * 1024 ? $"Cache:MaxMemoryBytes is {MaxMemoryBytes}; it must be 0 to 68719476736."
        : null;
}
