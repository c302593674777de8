namespace Tokonomics.Domain.RateLimits;

/// <summary>How much a key or a tenant may call; what is null is not limited. A tenant's limits are over all its keys of an environment together.</summary>
/// <param name="RequestsPerMinute">Calls in any 60 seconds. 1 to 1,000,000,000.</param>
/// <param name="TokensPerMinute">Tokens in any 60 seconds, input and output: estimated when a call starts, corrected when it has ended. 1 to 1,000,000,000,000.</param>
/// <param name="ConcurrentRequests">Calls that run at once. 1 to 1,000,000.</param>
public sealed record CallLimits(long? RequestsPerMinute = null, long? TokensPerMinute = null, int? ConcurrentRequests = null)
{
    public const long MaxRequestsPerMinute = 1_000_000_000;
    public const long MaxTokensPerMinute = 1_000_000_000_000;
    public const int MaxConcurrentRequests = 1_000_000;

    public bool IsEmpty => RequestsPerMinute is null && TokensPerMinute is null && ConcurrentRequests is null;

    /// <summary>Null where all three are in range. Zero is no limit that anybody means: to stop a key, revoke it.</summary>
    public string? Problem() =>
        RequestsPerMinute is < 1 or > MaxRequestsPerMinute ? $"Requests per minute is {RequestsPerMinute}; it must be 1 to {MaxRequestsPerMinute}, or left out."
        : TokensPerMinute is < 1 or > MaxTokensPerMinute ? $"Tokens per minute is {TokensPerMinute}; it must be 1 to {MaxTokensPerMinute}, or left out."
        : ConcurrentRequests is < 1 or > MaxConcurrentRequests ? $"Concurrent requests is {ConcurrentRequests}; it must be 1 to {MaxConcurrentRequests}, or left out."
        : null;

    public override string ToString() => $"requests/min {Shown(RequestsPerMinute)}, tokens/min {Shown(TokensPerMinute)}, concurrent {Shown(ConcurrentRequests)}";

    private static string Shown(long? limit) => limit is { } value ? FormattableString.Invariant($"{value}") : "unlimited";
}
