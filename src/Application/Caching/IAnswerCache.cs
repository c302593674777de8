using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Caching;

/// <summary>By which an answer is found again. Says nothing of what was asked.</summary>
/// <param name="Epoch">The tenant's: with another one nothing is found that was kept before.</param>
/// <param name="Hash">32 bytes: a keyed hash over all that decides the answer.</param>
public sealed record AnswerName(string TenantId, string Epoch, byte[] Hash);

/// <summary>An answer as its client saw it, whole, and what its call was.</summary>
/// <param name="RequestId">Of the call that it answered.</param>
/// <param name="At">When it was whole.</param>
/// <param name="Until">From then on it is given to nobody.</param>
/// <param name="Cost">What the call cost: what a repeat saves. Null where its model has no price.</param>
/// <param name="Headers">Those that belong to the answer itself, its content type among them.</param>
/// <param name="Body">Plain, never compressed.</param>
public sealed record KeptAnswer(
    string RequestId, DateTimeOffset At, DateTimeOffset Until, string Provider, string Dialect, string Operation, string? RequestModel, string? ResponseModel, string? FinishReason, bool Streamed, NanoUsd? Cost,
    IReadOnlyList<KeyValuePair<string, string>> Headers, byte[] Body);

/// <summary>
/// Where answers are kept that may be given again: the one place of this product that keeps any. Sealed wherever they are. What can't be found, read or kept in time
/// is as if it weren't there: nothing here throws for a store that is away, nor makes a call wait for long.
/// </summary>
public interface IAnswerCache
{
    /// <returns>Null where there is none, or it can't be opened.</returns>
    ValueTask<KeptAnswer?> FindAsync(AnswerName name);

    /// <summary>Keeps it in place of one that may be there. Waits for nobody.</summary>
    void Keep(AnswerName name, KeptAnswer answer);
}
