using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Budgets;

/// <summary>
/// A node's own book of its lease on one account: <c>Granted − Returned = Free + Held + spent</c>. Not safe for several threads: the gate has
/// a lock for each.
/// </summary>
public class Lease(AccountKey account, LeaseOwner owner)
{
    private long _granted;
    private long _returned;
    private long _free;
    private long _held;
    private long _unposted;
    private long _spent;

    public AccountKey Account { get; } = account;

    public LeaseOwner Owner { get; } = owner;

    /// <summary><see cref="Owner"/> as it stands in the store.</summary>
    public string OwnerName { get; } = owner.ToString();

    /// <summary>All that the truth ever set aside for it.</summary>
    public NanoUsd Granted => new(_granted);

    /// <summary>All that was given back, or is on its way back.</summary>
    public NanoUsd Returned => new(_returned);

    /// <summary>For the next holds.</summary>
    public NanoUsd Free => new(_free);

    /// <summary>In open holds.</summary>
    public NanoUsd Held => new(_held);

    /// <summary>Settled, and not known to be in the ledger yet.</summary>
    public NanoUsd Unposted => new(_unposted);

    /// <summary>Settled in all, posted or not.</summary>
    public NanoUsd Spent => new(_spent);

    public long Epoch { get; private set; }

    /// <summary>On the node's monotonic clock, in its ticks. From then on no new hold is taken from it; open ones go on.</summary>
    public long ExpiresAt { get; private set; }

    /// <summary>Whether a hold of that size can be taken now.</summary>
    public bool Covers(long amount, long now) => amount <= _free && now < ExpiresAt;

    public void Take(long amount)
    {
        if (amount < 0 || amount > _free)
            throw new InvalidOperationException($"A hold of {new NanoUsd(amount)} USD on {Account} doesn't fit into {Free} USD: ask Covers first.");
        _free -= amount;
        _held += amount;
    }

    /// <summary>An open hold becomes what the call cost; what it didn't need is free again.</summary>
    /// <returns>How much of the cost the lease covers: all, unless the cost is above the hold and nothing is free.</returns>
    public long Settle(long held, long cost)
    {
        TakeOffHeld(held);
        var covered = Math.Min(Math.Max(0, cost), held + _free);
        _free += held - covered;
        _unposted += covered;
        _spent += covered;
        return covered;
    }

    /// <summary>An open hold whose call cost nothing.</summary>
    public void Void(long held)
    {
        TakeOffHeld(held);
        _free += held;
    }

    /// <summary>The ledger has it.</summary>
    public void Post(long covered) => _unposted = Math.Max(0, _unposted - covered);

    /// <summary>Gives back what is free. It is gone from here at once, whether or not the truth can be told now.</summary>
    public void ReturnFree()
    {
        _returned += _free;
        _free = 0;
    }

    /// <summary>Takes what the truth has granted in all, which may be more than was known: an answer was lost.</summary>
    public void Adopt(NanoUsd granted, long epoch, long expiresAt)
    {
        if (granted.Value < _granted)
            throw new InvalidOperationException($"The lease on {Account} was granted {Granted} USD and now {granted}: what was granted can't become less.");
        _free += granted.Value - _granted;
        _granted = granted.Value;
        (Epoch, ExpiresAt) = (epoch, expiresAt);
    }

    /// <summary>The truth doesn't know this lease any more: nothing of it is free. Open holds go on to their end.</summary>
    public void Lose()
    {
        _free = 0;
        ExpiresAt = long.MinValue;
    }

    private void TakeOffHeld(long held)
    {
        if (held < 0 || held > _held)
            throw new InvalidOperationException($"A hold of {new NanoUsd(held)} USD ends on {Account}, which has {Held} USD in holds.");
        _held -= held;
    }
}
