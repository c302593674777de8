namespace Tokonomics.Infrastructure.Redis;

/// <summary>Settings under <c>Redis</c>; where it is, <c>ConnectionStrings:Redis</c> says.</summary>
public sealed class RedisOptions
{
    /// <summary>How long a call waits for Redis. Then it goes by its node's share, and Redis is left alone until it answers a probe. 1 ms to 1 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromMilliseconds(50);

    /// <summary>What all keys and channels begin with. Another for each installation that shares a Redis.</summary>
    public string Prefix { get; set; } = "tokonomics:";

    internal string? Problem() =>
        Timeout < TimeSpan.FromMilliseconds(1) || Timeout > TimeSpan.FromSeconds(1) ? $"Redis:Timeout is {Timeout}; it must be 1 ms to 1 s."
        : Prefix.Length > 100 || Prefix.Any(c => c is '{' or '}' || char.IsControl(c) || char.IsWhiteSpace(c)) ? "Redis:Prefix may have at most 100 characters, no spaces and no braces."
        : null;
}
