using Tokonomics.Application.Keys;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Budgets;

/// <summary>
/// Lets a call through or not, from memory. In order: <see cref="Resolve"/>; <see cref="TryHold"/>, else <see cref="HoldAsync"/>; the journal's
/// entry; then, once, one of <see cref="Settle"/>, <see cref="Void"/>, <see cref="Abandon"/>, and the hold's charges on the event.
/// </summary>
public interface IBudgetGate
{
    /// <summary>Finds the budgets that apply and puts them on the hold. Without I/O; allocates only for a tag's value that is new here.</summary>
    /// <param name="at">The call's admission: the same instant that stands on its event.</param>
    void Resolve(Hold hold, KeySnapshot key, IReadOnlyList<Tag> tags, DateTimeOffset at);

    /// <summary>Puts the plan's quota on a hold of its own, whose amounts are calls (<see cref="Domain.Billing.CallQuota"/>): none where the plan has none. Without I/O.</summary>
    /// <param name="at">As in <see cref="Resolve"/>.</param>
    void ResolveQuota(Hold hold, KeySnapshot key, DateTimeOffset at);

    /// <summary>Sets the bound aside on all budgets, or on none. Without I/O and allocation. False says that <see cref="HoldAsync"/> must be asked.</summary>
    /// <param name="expected">What such a call likely costs, for budgets that hold that; at most the bound.</param>
    bool TryHold(Hold hold, NanoUsd upperBound, NanoUsd expected);

    /// <summary>The same, asking the truth for more and waiting for others' holds to shrink, as the budgets say.</summary>
    ValueTask<HoldOutcome> HoldAsync(Hold hold, HoldRequest request, CancellationToken cancellationToken);

    /// <summary>One of the hold's budgets must never be overshot: what can't be bounded is refused.</summary>
    bool IsStrict(Hold hold);

    /// <summary>How its tightest budget stands, as far as this node knows; null where no budget applies.</summary>
    HoldRefusal? Tightest(Hold hold);

    /// <summary>Percent that is spent of its fullest budget, as far as this node knows; null where no budget applies. A budget of nothing is full.</summary>
    int? MostUsed(Hold hold);

    /// <summary>Takes the budgets off that would send the call to a cheaper model: it is there now, and they let it pass.</summary>
    void Downgraded(Hold hold);

    /// <summary>Sets more aside for an open hold. False: there is no more, the answer must end.</summary>
    ValueTask<bool> ExtendAsync(Hold hold, NanoUsd by, CancellationToken cancellationToken);

    /// <summary>The call cost that much. False where the hold had ended already.</summary>
    bool Settle(Hold hold, NanoUsd cost);

    /// <summary>No byte went to a provider.</summary>
    bool Void(Hold hold);

    /// <summary>What it cost can't be known: the whole hold counts. The event's <see cref="UsageEvent.BudgetCost"/> is <see cref="Hold.UpperBound"/> then.</summary>
    bool Abandon(Hold hold);

    /// <summary>What open holds of this node have set aside; nothing where it knows no such account.</summary>
    NanoUsd HeldHere(AccountKey account);

    /// <summary>What this node has of an account; null where it knows no such account.</summary>
    AccountHere? StandsHere(AccountKey account);
}

/// <param name="Free">Leased, for its next holds.</param>
/// <param name="Held">In its open holds.</param>
/// <param name="Unposted">Settled, and not in the ledger yet as far as it knows.</param>
public readonly record struct AccountHere(NanoUsd Free, NanoUsd Held, NanoUsd Unposted);

/// <param name="UpperBound">The most that the call can cost.</param>
/// <param name="Expected">What it likely costs.</param>
/// <param name="Least">The upper bound of the call with its output limited as far as makes sense: what is left may be held instead where it is at least that. Equal to the upper bound where the output can't be limited.</param>
public readonly record struct HoldRequest(NanoUsd UpperBound, NanoUsd Expected, NanoUsd Least)
{
    public HoldRequest(NanoUsd upperBound)
        : this(upperBound, upperBound, upperBound)
    {
    }
}

public enum HoldVerdict
{
    /// <summary>Set aside; <see cref="Hold.UpperBound"/> says how much, which may be less than asked: then the output must be limited.</summary>
    Held,

    /// <summary>Truly spent: asking again is of no use before the period ends.</summary>
    Exhausted,

    /// <summary>Set aside by others who will likely not need it all: ask again.</summary>
    FullyHeld,

    /// <summary>The truth can't be asked, and what this node has leased doesn't suffice.</summary>
    Unverifiable,
}

/// <param name="Refusal">Null where it is held.</param>
public readonly record struct HoldOutcome(HoldVerdict Verdict, HoldRefusal? Refusal);

/// <summary>Why a budget refuses, in the figures that the caller is told.</summary>
/// <param name="Subject">The tag's value in a budget for each value.</param>
/// <param name="Held">Leased by nodes and not spent.</param>
/// <param name="ResetsAt">Null where it never does.</param>
public sealed record HoldRefusal(Budget Budget, string Subject, NanoUsd Limit, NanoUsd Spent, NanoUsd Held, DateTimeOffset? ResetsAt)
{
    public NanoUsd Unspent => Limit > Spent ? Limit - Spent : NanoUsd.Zero;

    /// <summary>Whose budget it is, in words: <c>tag customer=acme</c>.</summary>
    public string Scope => Budget.Scope.IsEachValue ? $"tag {Budget.Scope.Name}={Subject}" : Budget.Scope.ToString();
}
