using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Budgets;

public enum HoldState
{
    /// <summary>Nothing is set aside yet.</summary>
    New,
    Held,

    /// <summary>The cost is known and takes the hold's place.</summary>
    Settled,

    /// <summary>The call never reached a provider.</summary>
    Void,

    /// <summary>It did, and what it cost can't be known: it counts with the whole hold.</summary>
    Abandoned,
}

/// <summary>
/// What one call has set aside, on every budget that applies to it: on all or on none. Belongs to the call, which may use it again after it
/// ended. It ends once: of two that try, one is told that it was too late.
/// </summary>
public sealed class Hold
{
    private Slot[] _slots = [];
    private int _state;

    private struct Slot
    {
        public Lease Lease;
        public long Amount;
        public long Asked;
        public long Covered;
    }

    public HoldState State => (HoldState)Volatile.Read(ref _state);

    /// <summary>How many budgets it stands on.</summary>
    public int Count { get; private set; }

    /// <summary>The most that the call may cost. Less than was asked where the output limit must be lowered to it.</summary>
    public NanoUsd UpperBound { get; private set; }

    /// <summary>A budget couldn't be verified and is one that lets calls pass then.</summary>
    public bool Unverified { get; set; }

    public Lease LeaseAt(int index) => _slots[index].Lease;

    public NanoUsd AmountAt(int index) => new(_slots[index].Amount);

    public NanoUsd CoveredAt(int index) => new(_slots[index].Covered);

    /// <summary>Makes it ready for the next call.</summary>
    public void Clear()
    {
        if (State == HoldState.Held)
            throw new InvalidOperationException("The hold is still open: settle, void or abandon it first.");
        Array.Clear(_slots, 0, Count);
        (Count, UpperBound, Unverified) = (0, NanoUsd.Zero, false);
        Volatile.Write(ref _state, (int)HoldState.New);
    }

    /// <summary>Adds a budget. They stand in the order in which locks are taken, the same for all holds: by owner's serial.</summary>
    public void Add(Lease lease)
    {
        if (State != HoldState.New)
            throw new InvalidOperationException($"The hold is {State}: the budgets that apply are found before it is taken.");
        if (Count == _slots.Length)
            Array.Resize(ref _slots, Math.Max(6, Count * 2));
        var at = Count++;
        for (; at > 0 && _slots[at - 1].Lease.Owner.Serial > lease.Owner.Serial; at--)
            _slots[at] = _slots[at - 1];
        _slots[at] = new Slot { Lease = lease };
    }

    public void RemoveAt(int index)
    {
        Count--;
        Array.Copy(_slots, index + 1, _slots, index, Count - index);
        _slots[Count] = default;
    }

    /// <summary>How much is to be taken in that place; <see cref="Take"/> takes it.</summary>
    public void Ask(int index, long amount) => _slots[index].Asked = amount;

    /// <summary>Adds what was asked to what is held in that place.</summary>
    public long Take(int index)
    {
        ref var slot = ref _slots[index];
        slot.Amount += slot.Asked;
        return slot.Asked;
    }

    public void Cover(int index, long covered) => _slots[index].Covered = covered;

    public void Begin(NanoUsd upperBound)
    {
        if (Interlocked.CompareExchange(ref _state, (int)HoldState.Held, (int)HoldState.New) != (int)HoldState.New)
            throw new InvalidOperationException($"The hold is {State}: it can't be taken again before it is cleared.");
        UpperBound = upperBound;
    }

    public void Grow(NanoUsd by) => UpperBound += by;

    /// <summary>False where it isn't open: it has ended already, or was never taken.</summary>
    public bool TryEnd(HoldState to)
    {
        if (to is HoldState.New or HoldState.Held)
            throw new ArgumentOutOfRangeException(nameof(to), $"{to} is no end of a hold.");
        return Interlocked.CompareExchange(ref _state, (int)to, (int)HoldState.Held) == (int)HoldState.Held;
    }

    /// <summary>What each lease covers, for the event; while it is open, all that is held, for the journal.</summary>
    public IReadOnlyList<BudgetCharge> Charges()
    {
        if (Count == 0)
            return [];
        var charges = new BudgetCharge[Count];
        for (var i = 0; i < Count; i++)
            charges[i] = new BudgetCharge(_slots[i].Lease.Account, _slots[i].Lease.OwnerName, State == HoldState.Held ? AmountAt(i) : CoveredAt(i));
        return charges;
    }
}
