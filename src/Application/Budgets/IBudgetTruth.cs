using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Budgets;

/// <summary>
/// Where it stands for certain what is spent and what is set aside, for all nodes. Costs are posted by the ledger's own append
/// (<see cref="Ledger.IUsageLedger.AppendAsync"/>), in its transaction: an event counts on every account whose scope and period it lies in, once.
/// </summary>
/// <remarks>
/// All operations may be repeated: <see cref="LeaseAsync"/> names totals, an event counts by its request and attempt. The truth never takes a
/// lease back by itself: a node that is silent may still be spending it.
/// </remarks>
public interface IBudgetTruth
{
    /// <summary>Gives back and grants, in one step; opens the period's account where this is its first call, with what the ledger has already.</summary>
    Task<LeaseAnswer> LeaseAsync(LeaseCall request, CancellationToken cancellationToken);

    /// <summary>How accounts stand; opens those that are missing. In the order asked; an account whose budget is gone is left out.</summary>
    Task<IReadOnlyList<AccountState>> ReadAsync(IReadOnlyList<AccountOpening> accounts, CancellationToken cancellationToken);

    /// <summary>The accounts of one budget and period that are open, by subject; those that spent most first.</summary>
    Task<IReadOnlyList<AccountState>> ListAsync(string tenantId, string budgetId, long periodStart, int limit, CancellationToken cancellationToken);

    /// <summary>
    /// Takes all leases from a node that won't come back. What its journal knows must have been posted before.
    /// Nothing is granted to it any more: a call that it made before it died may arrive after this. Returns what was taken.
    /// </summary>
    /// <param name="asSpent">They count as spent; what the node's journal posts later comes off that. Otherwise they are free again: only with proof that nothing of them is on its way.</param>
    Task<NanoUsd> CloseNodeAsync(string node, bool asSpent, CancellationToken cancellationToken);

    /// <summary>The nodes that hold leases, with what is outstanding.</summary>
    Task<IReadOnlyList<NodeLeases>> NodesAsync(CancellationToken cancellationToken);

    /// <summary>The budgets of the tenants in which something changed after that point.</summary>
    Task<BudgetChanges> ChangesAsync(long since, CancellationToken cancellationToken);
}

/// <summary>An account, and when its period ends, which the store needs to know when it opens it.</summary>
public sealed record AccountOpening(AccountKey Key, long PeriodEnd);

/// <summary>What a node asks for.</summary>
public sealed record LeaseCall(AccountOpening Account, LeaseOwner Owner)
{
    /// <summary>The epoch of the lease that it holds; 0 where it holds none yet.</summary>
    public long Epoch { get; init; }

    /// <summary>All that it knows to have been granted.</summary>
    public NanoUsd Granted { get; init; }

    /// <summary>All that it gave back, this time's included.</summary>
    public NanoUsd Returned { get; init; }

    /// <summary>What it would like to have more, above <see cref="Granted"/>.</summary>
    public NanoUsd Want { get; init; }

    /// <summary>What it needs at least. Less is not granted.</summary>
    public NanoUsd Least { get; init; }

    /// <summary>How many nodes share the budget.</summary>
    public int Nodes { get; init; } = 1;

    /// <summary>It will not use this lease again: its line is dropped when nothing of it is outstanding.</summary>
    public bool Close { get; init; }
}

public enum LeaseVerdict
{
    /// <summary>It has what it needs.</summary>
    Granted,

    /// <summary>Too little remains.</summary>
    Refused,

    /// <summary>The lease was taken from it, or this store never knew it: nothing of it may be used.</summary>
    Fenced,

    /// <summary>The budget was deleted.</summary>
    Gone,
}

/// <param name="Granted">All that was granted to the owner, this time's included; may be more than it knew when an answer was lost.</param>
/// <param name="LimitHoldsFor">How long the limit stays as it is; null for good.</param>
public sealed record LeaseAnswer(LeaseVerdict Verdict, NanoUsd Granted, long Epoch, NanoUsd Limit, NanoUsd Posted, NanoUsd Leased, TimeSpan? LimitHoldsFor)
{
    public NanoUsd Remaining => Limit - Posted > Leased ? Limit - Posted - Leased : NanoUsd.Zero;

    /// <summary>What of the owner's lease is neither returned nor posted, at the moment of <see cref="Posted"/>; null where the store doesn't tell.</summary>
    public NanoUsd? Outstanding { get; init; }

    public static LeaseAnswer Of(LeaseVerdict verdict) => new(verdict, default, 0, default, default, default, null);
}

public sealed record AccountState(AccountKey Key, NanoUsd Limit, NanoUsd Posted, NanoUsd Leased, NanoUsd Excess, long Epoch)
{
    public NanoUsd Remaining => Limit - Posted > Leased ? Limit - Posted - Leased : NanoUsd.Zero;
}

public sealed record NodeLeases(string Node, NanoUsd Outstanding, int Accounts);

/// <param name="Reached">The point that this reading reached.</param>
/// <param name="All">It holds every tenant: those that aren't in it have no budgets.</param>
public sealed record BudgetChanges(long Reached, bool All, IReadOnlyList<TenantBudgetList> Tenants);

/// <param name="Calendar">Of the tenant: when its periods begin and end.</param>
public sealed record TenantBudgetList(string TenantId, BudgetCalendar Calendar, IReadOnlyList<Budget> Budgets);

/// <summary>Told by the ledger when events are written for certain, repeated ones too.</summary>
public interface IPostedEvents
{
    void Posted(IReadOnlyList<UsageEvent> events);
}
