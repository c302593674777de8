using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Idempotency;

/// <summary>One use of an <c>Idempotency-Key</c>: what a call claims before it is sent. Of the key and of the request there are keyed hashes alone.</summary>
/// <param name="KeyId">The metering key that sent it; the same text under another is another key.</param>
/// <param name="KeyHash">32 bytes.</param>
/// <param name="BodyHash">32 bytes, of the route and the body: the same key with another request is a mistake.</param>
/// <param name="Node">The node that runs the call, by its journal.</param>
/// <param name="Run">This run of it: what an earlier one left open is closed by the next.</param>
/// <param name="At">The call's admission, as on its event.</param>
public sealed record KeyClaim(string TenantId, string KeyId, byte[] KeyHash, byte[] BodyHash, string RequestId, string Node, string Run, DateTimeOffset At, DateTimeOffset ExpiresAt)
{
    public override string ToString() => $"claim of {RequestId}";
}

public enum KeyVerdict
{
    /// <summary>This call has the key now.</summary>
    Claimed,

    /// <summary>The call that has it runs, or what became of it is not in the ledger yet.</summary>
    Running,

    /// <summary>The call that has it was made, and was or may have been charged for.</summary>
    Done,

    /// <summary>The call that has it is another one.</summary>
    Mismatch,
}

/// <param name="Earlier">The call that has the key; null where this one has it now.</param>
public sealed record KeyAnswer(KeyVerdict Verdict, EarlierCall? Earlier);

/// <summary>The last three are set once it is in the ledger.</summary>
/// <param name="Cost">Of all its attempts; null where it has no price.</param>
public sealed record EarlierCall(string RequestId, DateTimeOffset At, int Status, CallOutcome Outcome, NanoUsd? Cost);

/// <summary>
/// Which call has which <c>Idempotency-Key</c>: of all nodes' calls with one key, one is sent. A key belongs to a call from before it is sent until it
/// expires, or until it is certain that nothing was charged.
/// </summary>
public interface IIdempotencyKeys
{
    /// <summary>Claims the key, durably, if nobody has it. One round trip where it is new.</summary>
    Task<KeyAnswer> ClaimAsync(KeyClaim claim, CancellationToken cancellationToken);

    /// <summary>Nothing was charged for the call: the next one with this key is sent. Nothing happens where another call has it by now.</summary>
    Task ReleaseAsync(KeyClaim claim, CancellationToken cancellationToken);

    /// <summary>
    /// Releases the keys of calls that earlier runs of this node were not charged for. To be asked once the ledger has everything that its journal knows.
    /// </summary>
    /// <param name="lostRecords">The journal can't tell of every call: those of which nothing is known may have been sent, and keep their keys.</param>
    /// <returns>How many.</returns>
    Task<int> ReleaseUnchargedAsync(string node, string run, bool lostRecords, CancellationToken cancellationToken);

    /// <summary>Deletes what has expired.</summary>
    Task<int> ForgetExpiredAsync(DateTimeOffset now, CancellationToken cancellationToken);
}
