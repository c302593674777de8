using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Budgets;

/// <summary>Who holds a lease: one run of one node, and which of its leases. A run that restarts is another owner, so that what it left behind is told apart.</summary>
/// <param name="Serial">Counts the leases of the run; a lease that ended is never taken up again.</param>
public readonly record struct LeaseOwner(string Node, long Serial)
{
    public override string ToString() => $"{Node}#{Serial}";

    /// <exception cref="FormatException">Not what <see cref="ToString"/> writes.</exception>
    public static LeaseOwner Parse(string text)
    {
        var at = text.LastIndexOf('#');
        return at > 0 && long.TryParse(text.AsSpan(at + 1), out var serial)
            ? new LeaseOwner(text[..at], serial)
            : throw new FormatException($"'{text}' is no lease's owner: write it as node#serial.");
    }
}

/// <summary>
/// One owner's lease as the truth keeps it. Its three counters only grow, so that an operation whose answer was lost can be sent again:
/// whoever repeats it names the totals that it wants, and they are reached once.
/// </summary>
/// <param name="Granted">All that was ever set aside for the owner.</param>
/// <param name="Returned">What the owner gave back of it.</param>
/// <param name="Consumed">What costs were posted against.</param>
public readonly record struct LeaseLine(NanoUsd Granted, NanoUsd Returned, NanoUsd Consumed)
{
    public NanoUsd Outstanding => Granted - Returned - Consumed;
}

/// <summary>
/// The truth about one budget and period. <c>Posted + Leased ≤ Limit + Excess</c> always; <see cref="Excess"/> is zero unless the limit was
/// lowered below what was out already, or something was posted that no lease covered. Nothing is granted while it is above zero.
/// </summary>
public sealed class BudgetAccount
{
    /// <summary>Where posting stops counting on: nothing real reaches it, and sums below it can't overflow.</summary>
    private static readonly NanoUsd MostPosted = new(4_000_000_000 * NanoUsd.PerUsd);

    public BudgetAccount(NanoUsd limit, NanoUsd posted, NanoUsd leased = default, long epoch = 1)
    {
        (Limit, Posted, Leased, Epoch) = (limit, Least(posted, MostPosted), leased, epoch);
        Excess = Over();
    }

    public NanoUsd Limit { get; private set; }

    /// <summary>What is spent, and written in the ledger.</summary>
    public NanoUsd Posted { get; private set; }

    /// <summary>What is set aside for nodes: their open holds, what they settled and did not post yet, and what is free for their next holds.</summary>
    public NanoUsd Leased { get; private set; }

    public NanoUsd Excess { get; private set; }

    /// <summary>Grows when leases are taken from their owners: one of an older epoch is void.</summary>
    public long Epoch { get; private set; }

    public NanoUsd Remaining => Limit - Posted > Leased ? Limit - Posted - Leased : NanoUsd.Zero;

    /// <summary>
    /// What to set aside for a node that needs <paramref name="least"/> now and likely <paramref name="want"/> within seconds: no more than its
    /// share of half of what remains, and exactly what it needs when little does. Zero when that doesn't fit.
    /// </summary>
    public static NanoUsd LeaseSize(NanoUsd remaining, NanoUsd least, NanoUsd want, int nodes)
    {
        if (least > remaining || least < NanoUsd.Zero)
            return NanoUsd.Zero;
        var share = new NanoUsd(remaining.Value / (2L * Math.Max(1, nodes)));
        return Most(least, Least(want, share));
    }

    /// <returns>False where it doesn't fit; then nothing changed.</returns>
    public bool TryGrant(NanoUsd amount)
    {
        if (amount < NanoUsd.Zero)
            throw new ArgumentOutOfRangeException(nameof(amount), $"A grant of {amount} USD: what goes back is returned, not granted.");
        if (amount > Remaining)
            return false;
        Leased += amount;
        return true;
    }

    public void GiveBack(NanoUsd amount)
    {
        TakeOffLeases(amount);
        Excess = Over();
    }

    /// <summary>Counts what a call cost. What was spent is counted in full, covered or not.</summary>
    /// <param name="covered">How much of the leases it uses up.</param>
    /// <returns>By how much this went further above the limit than the account was before.</returns>
    public NanoUsd Post(NanoUsd cost, NanoUsd covered)
    {
        TakeOffLeases(covered);
        Posted = Most(NanoUsd.Zero, Least(Posted + cost, MostPosted));
        var before = Excess;
        Excess = Over();
        return Excess > before ? Excess - before : NanoUsd.Zero;
    }

    public void ChangeLimit(NanoUsd limit)
    {
        Limit = limit;
        Excess = Over();
    }

    /// <summary>Takes a lease from an owner that won't come back.</summary>
    /// <param name="asSpent">It counts as spent from now on; otherwise it is free again.</param>
    public void Revoke(NanoUsd outstanding, bool asSpent)
    {
        Epoch++;
        Post(asSpent ? outstanding : NanoUsd.Zero, outstanding);
    }

    /// <summary>The percent thresholds that are reached, of those given.</summary>
    public IEnumerable<int> Reached(IEnumerable<int> thresholds) => thresholds.Where(t => (Int128)Posted.Value * 100 >= (Int128)Limit.Value * t);

    private void TakeOffLeases(NanoUsd amount)
    {
        if (amount < NanoUsd.Zero || amount > Leased)
            throw new InvalidOperationException($"{amount} USD can't be taken off leases of {Leased} USD: a lease would give more than it was granted.");
        Leased -= amount;
    }

    private NanoUsd Over() => Posted + Leased > Limit ? Posted + Leased - Limit : NanoUsd.Zero;

    private static NanoUsd Least(NanoUsd a, NanoUsd b) => a < b ? a : b;

    private static NanoUsd Most(NanoUsd a, NanoUsd b) => a > b ? a : b;
}
