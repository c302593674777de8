using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Infrastructure.Journal;

/// <summary>What becomes of the calls that a process left open.</summary>
internal static class Recovery
{
    /// <summary>
    /// The rows of a call that was sent and not settled: one for each attempt that is on file and has none. The last was abandoned; those before it
    /// were closed by the provider without an answer, or there would have been none after them.
    /// </summary>
    /// <returns>None where it was never sent.</returns>
    public static IEnumerable<UsageEvent> Rows(OpenCall open, IPriceVersions? prices)
    {
        if (open.Sends == 0)
            yield break;
        var last = Math.Max(open.Sends, open.Recorded + 1);
        for (var attempt = open.Recorded + 1; attempt < last; attempt++)
            yield return open.Call.Lost(attempt);
        var abandoned = open.Call.Abandoned(last, null);
        if (open.Call.Rated == PriceStatus.Priced && !open.Call.Estimate.IsEmpty && prices?.Find(open.Call.PriceVersion)?.Invoke(abandoned).Cost is { } cost)
            abandoned = open.Call.Abandoned(last, cost);
        yield return abandoned;
    }
}
