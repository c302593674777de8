namespace Tokonomics.Domain.Routing;

/// <summary>How long a target that failed is left alone before it is tried again.</summary>
public static class RetryDelay
{
    public static readonly TimeSpan First = TimeSpan.FromMilliseconds(250);

    /// <summary>A provider that asks for more is not waited for: the next target is tried at once.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    /// <param name="failures">How often it has failed this call, from 1.</param>
    /// <param name="retryAfter">What the provider asks for.</param>
    /// <param name="share">In [0, 1): spreads those that failed together, over half of the time to all of it.</param>
    /// <returns>Null where it is not worth waiting.</returns>
    public static TimeSpan? Of(int failures, TimeSpan? retryAfter, double share)
    {
        if (retryAfter is { } asked)
            return asked > Longest ? null : asked < TimeSpan.Zero ? TimeSpan.Zero : asked;
        var whole = First * Math.Pow(2, Math.Min(failures - 1, 10));
        return (whole < Longest ? whole : Longest) * (0.5 + (share / 2));
    }
}
