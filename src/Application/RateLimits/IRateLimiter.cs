using Tokonomics.Application.Keys;

namespace Tokonomics.Application.RateLimits;

/// <summary>
/// The rate limits of a key and of its tenant, asked once for each call before it is sent. Where none applies, or permits are at hand, the answer
/// comes at once and nothing is allocated. A refusal takes nothing from any limit.
/// </summary>
public interface IRateLimiter
{
    /// <summary>Takes a request, its tokens and a place among those that run, from all limits that apply, or from none. Never throws for a store that is away.</summary>
    /// <param name="key">Its limits, and its tenant's, are those of this snapshot.</param>
    /// <param name="estimatedTokens">What the call is likely to use, input and output together; corrected by <see cref="Leave"/>.</param>
    ValueTask<RateVerdict> EnterAsync(KeySnapshot key, long estimatedTokens);

    /// <summary>The call has ended: its place is free, its tokens are what they were. A second time, also by a copy of the ticket, does nothing.</summary>
    /// <param name="ticket">Of an allowed verdict; the default does nothing.</param>
    /// <param name="actualTokens">Null where nobody knows: the estimate stands.</param>
    void Leave(RateTicket ticket, long? actualTokens);

    /// <summary>The call was never sent: everything is given back, the request too. In place of <see cref="Leave"/>.</summary>
    void Cancel(RateTicket ticket);
}

/// <summary>One admission. Copies are the same admission: whichever leaves first ends it.</summary>
/// <param name="Admission">The limiter's own record of it, which serves another call afterwards; null where no limit applied.</param>
/// <param name="Turn">Which of the calls that the record serves this is.</param>
public readonly record struct RateTicket(object? Admission, int Turn);

/// <summary>The answer. <see cref="Requests"/> and <see cref="Tokens"/> are of the key or of the tenant, whichever has less left.</summary>
/// <param name="Refusal">Null where the call is allowed.</param>
public readonly record struct RateVerdict(RateTicket Ticket, RateStanding Requests, RateStanding Tokens, RateRefusal? Refusal)
{
    public bool IsAllowed => Refusal is null;
}

/// <summary>How a limit stands after this call; <see cref="Limit"/> is 0 where none applies.</summary>
/// <param name="ResetSeconds">Until all of it is there again, if nothing more is used.</param>
public readonly record struct RateStanding(long Limit, long Remaining, int ResetSeconds)
{
    public bool Applies => Limit > 0;

    /// <summary>The one that leaves less.</summary>
    public static RateStanding Tighter(RateStanding one, RateStanding other) =>
        !one.Applies ? other : !other.Applies || one.Remaining <= other.Remaining ? one : other;
}

public enum RateScope : byte
{
    Key,
    Tenant,
}

public enum RateKind : byte
{
    Requests,
    Tokens,
    Concurrency,
}

/// <summary>The limit that refused a call; of several the one that takes longest to have room.</summary>
/// <param name="Limit">As it is set. A node that can't ask the others refuses at its share of it.</param>
/// <param name="RetryAfter">When this limit will have room if nothing else is used; null where the call alone is larger than the limit.</param>
public sealed record RateRefusal(RateScope Scope, RateKind Kind, long Limit, TimeSpan? RetryAfter)
{
    /// <summary>Stable, for programs.</summary>
    public const string Code = "rate_limited";

    public override string ToString() => (Kind, RetryAfter) switch
    {
        (RateKind.Tokens, null) => FormattableString.Invariant($"this request alone may use more than the {Of} {Limit:N0} tokens a minute: ask for less output, or raise the limit"),
        (RateKind.Concurrency, _) => FormattableString.Invariant($"the {Of} {Limit:N0} concurrent requests are all running; try again when one has ended"),
        _ => FormattableString.Invariant($"the {Of} {Limit:N0} {(Kind == RateKind.Requests ? "requests" : "tokens")} a minute are used; try again in {RetryAfter?.TotalSeconds ?? 1:0} s"),
    };

    private string Of => Scope == RateScope.Key ? "key's" : "account's";
}
