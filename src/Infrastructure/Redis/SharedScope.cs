using System.Globalization;
using StackExchange.Redis;
using Tokonomics.Application.RateLimits;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Infrastructure.RateLimits;

namespace Tokonomics.Infrastructure.Redis;

/// <summary>How a call was counted in Redis, so that its end can be. Seconds are of Redis's clock.</summary>
/// <param name="RequestSecond">0: not counted there; <see cref="Owed"/>: admitted by this node's share, to be charged later.</param>
/// <param name="TokenSecond">The same.</param>
/// <param name="Slot">0 for none.</param>
internal readonly record struct SharedUse(long RequestSecond, long TokenSecond, long Slot)
{
    public const long Owed = -1;
}

/// <summary>What this node knows of, has of and owes to the limits of one key or tenant in Redis. Guarded by its <see cref="LimitScope"/>'s lock.</summary>
internal sealed class SharedScope
{
    private readonly Action<SharedScope> _dirty;
    private readonly Action<SharedScope, long> _release;

    /// <param name="dirty">Called when there is something to tell Redis that can wait a moment.</param>
    /// <param name="release">Called with a slot that is free for other nodes.</param>
    public SharedScope(string prefix, string tenantId, KeyEnvironment environment, string? keyId, Action<SharedScope> dirty, Action<SharedScope, long> release)
    {
        (_dirty, _release) = (dirty, release);
        // {tenant} is the hash tag: all keys of one question are on one node of a cluster. r: requests, k: tokens, c: running.
        var name = string.Create(CultureInfo.InvariantCulture, $"{prefix}rate:{{{tenantId}}}:{(environment == KeyEnvironment.Live ? "live" : "test")}:{keyId ?? "all"}");
        Requests = new SharedWindow($"{name}:r");
        Tokens = new SharedWindow($"{name}:k");
        Slots = new SharedSlots($"{name}:c");
    }

    public SharedWindow Requests { get; }

    public SharedWindow Tokens { get; }

    public SharedSlots Slots { get; }

    /// <summary>The scope that this is the shared part of; set when a call first uses it.</summary>
    public LimitScope? Scope { get; set; }

    /// <summary>In the queue of what is to be told to Redis.</summary>
    public bool Queued { get; set; }

    public bool IsIdle => Requests.IsIdle && Tokens.IsIdle && Slots.Held.Count == 0;

    public void MarkDirty()
    {
        if (Queued)
            return;
        Queued = true;
        _dirty(this);
    }

    /// <summary>Whether a call can be taken from what is at hand alone.</summary>
    public bool HasAtHand(in ScopeLimits limits, long tokens, long now) =>
        (limits.Requests == 0 || Requests.HasStock(1, now)) && (limits.Tokens == 0 || Tokens.HasStock(tokens, now)) && (limits.Concurrent == 0 || Slots.HasIdle);

    /// <summary>Takes it, after <see cref="HasAtHand"/> said so.</summary>
    public SharedUse TakeAtHand(in ScopeLimits limits, long tokens, long now, long second)
    {
        var (requestSecond, tokenSecond, slot) = (0L, 0L, 0L);
        if (limits.Requests > 0)
        {
            Requests.TryTakeStock(1, now);
            Requests.Use(1, second);
            requestSecond = Requests.StockSecond;
        }

        if (limits.Tokens > 0)
        {
            Tokens.TryTakeStock(tokens, now);
            Tokens.Use(tokens, second);
            tokenSecond = Tokens.StockSecond;
        }

        if (limits.Concurrent > 0)
        {
            Slots.TryTakeIdle(out slot);
            Slots.Use(second);
        }

        return new SharedUse(requestSecond, tokenSecond, slot);
    }

    /// <param name="tokens">By how many the estimate was wrong: below zero where less was used.</param>
    /// <param name="sent">False where the request itself is given back.</param>
    public void End(SharedUse use, long tokens, bool sent)
    {
        Tokens.Correct(use.TokenSecond, tokens);
        if (!sent)
            Requests.Correct(use.RequestSecond, -1);
        if (!Requests.IsIdle || !Tokens.IsIdle)
            MarkDirty();
        if (use.Slot != 0 && !Slots.Keep(use.Slot))
            _release(this, use.Slot);
    }
}

/// <summary>A window in Redis, from here.</summary>
internal sealed class SharedWindow(string key)
{
    private const int Mask = 63;

    private readonly long[] _backSeconds = new long[Mask + 1];
    private readonly long[] _back = new long[Mask + 1];
    private int _backCount;
    private RateOfUse _rate;

    public RedisKey Key { get; } = key;

    /// <summary>Which window it is: another stamp, and Redis has lost the one that was known. 0 before the first answer.</summary>
    public long Stamp { get; private set; }

    /// <summary>As Redis last said, after what this node took.</summary>
    public long Remaining { get; private set; }

    /// <summary>Taken ahead, charged in <see cref="StockSecond"/>.</summary>
    public long Stock { get; private set; }

    public long StockSecond { get; private set; }

    /// <summary>Of this node's clock. What was taken ahead may be used for a second from when it was asked for; Redis counts every charge that much longer.</summary>
    public long StockUntil { get; private set; }

    /// <summary>Admitted here and not charged there.</summary>
    public long Owed { get; private set; }

    /// <summary>Refused of late: until then, for so much or more, at the wait that was told.</summary>
    public (long Until, long Need, long FreeAt) Refused { get; set; }

    public bool IsIdle => Owed == 0 && _backCount == 0;

    public bool HasStock(long need, long now) => Stock >= need && now < StockUntil;

    public bool TryTakeStock(long need, long now)
    {
        if (!HasStock(need, now))
            return false;
        Stock -= need;
        return true;
    }

    /// <summary>Puts back what was taken of the stock for a call that didn't go.</summary>
    public void ReturnStock(long amount, long second)
    {
        if (second == StockSecond && StockUntil != 0)
            Stock += amount;
        else
            GiveBack(second, amount);
    }

    /// <summary>Gives back to Redis what nobody used in time.</summary>
    public void ExpireStock(long now)
    {
        if (Stock > 0 && now >= StockUntil)
            DropStock();
    }

    private void DropStock()
    {
        GiveBack(StockSecond, Stock);
        Stock = 0;
    }

    /// <summary>Whether this is the window that is known; the first that is heard of is.</summary>
    public bool Knows(long stamp)
    {
        if (Stamp == 0)
            Stamp = stamp;
        return stamp == Stamp;
    }

    public void Owe(long amount) => Owed += amount;

    /// <summary>Takes the debt to tell it to Redis. The part that has left this node's own window since is forgiven.</summary>
    public long TakeOwed(long ownUsed)
    {
        var owed = Math.Min(Owed, ownUsed);
        Owed = 0;
        return owed;
    }

    public void Correct(long second, long change)
    {
        if (second == 0)
            return;
        if (second == SharedUse.Owed || change > 0)
            Owed = Math.Max(0, Owed + change);
        else if (change < 0)
            GiveBack(second, -change);
    }

    public void GiveBack(long second, long amount)
    {
        if (amount <= 0 || second <= 0)
            return;
        var at = (int)(second & Mask);
        if (_back[at] == 0)
            _backCount++;
        else if (_backSeconds[at] != second)
            _back[at] = 0; // of a minute ago: it has left the window
        _backSeconds[at] = second;
        _back[at] += amount;
        Refused = default;
    }

    /// <summary>Moves what is given back into a question. It is told at most once: where the answer is lost, so is what was given back.</summary>
    public void MoveBack(List<RedisValue> values)
    {
        values.Add(_backCount);
        for (var i = 0; _backCount > 0 && i <= Mask; i++)
        {
            if (_back[i] == 0)
                continue;
            values.Add(_backSeconds[i]);
            values.Add(_back[i]);
            _back[i] = 0;
            _backCount--;
        }
    }

    public void Use(long amount, long second) => _rate.Add(amount, second);

    public RateStanding Standing(long limit, SlidingWindow own) => new(limit, Math.Min(limit, Remaining + Stock), own.SecondsUntilEmpty());

    /// <summary>How much to take ahead: a tenth of a second's use of late, at most a hundredth of the limit. Nothing for a small limit or a quiet key.</summary>
    public long Ahead(long limit) => Math.Min(limit / 100, _rate.PerSecond / 10);

    /// <param name="ahead">What was granted beyond the call's own need.</param>
    /// <param name="askedAt">On this node's clock, before the question left.</param>
    public void Told(long stamp, long remaining, long ahead, long second, long askedAt, long ticksPerSecond)
    {
        if (stamp != Stamp)
        {
            // What was in stock was charged in the window that is lost; it has been charged again with all the rest.
            if (Stamp != 0)
                (Stock, StockUntil) = (0, 0);
            Stamp = stamp;
        }

        Remaining = remaining;
        if (ahead <= 0)
            return;
        DropStock();
        (Stock, StockSecond, StockUntil) = (ahead, second, askedAt + ticksPerSecond);
    }
}

/// <summary>The slots for calls that run, from here.</summary>
internal sealed class SharedSlots(string key)
{
    private readonly Stack<long> _idle = new();
    private RateOfUse _rate;
    private long _limit;
    private int _leastIdle;

    public RedisKey Key { get; } = key;

    /// <summary>Leased by this node, with those at hand.</summary>
    public HashSet<long> Held { get; } = [];

    public long Ahead(long limit)
    {
        _limit = limit;
        return Math.Min(limit / 100, _rate.PerSecond / 10);
    }

    public void Use(long second) => _rate.Add(1, second);

    public bool TryTakeIdle(out long slot)
    {
        if (!_idle.TryPop(out slot))
            return false;
        _leastIdle = Math.Min(_leastIdle, _idle.Count);
        return true;
    }

    public void AddIdle(long slot)
    {
        Held.Add(slot);
        _idle.Push(slot);
    }

    public bool HasIdle => _idle.Count > 0;

    /// <summary>A call has ended: keeps its slot at hand where more of them come. False where it is not kept.</summary>
    public bool Keep(long slot)
    {
        if (_idle.Count < Ahead(_limit))
        {
            _idle.Push(slot);
            return true;
        }

        Held.Remove(slot);
        return false;
    }

    /// <summary>Those that nobody needed since this was last called.</summary>
    public List<long> TakeUnneeded()
    {
        var unneeded = new List<long>();
        while (_leastIdle-- > 0 && _idle.TryPop(out var slot))
        {
            Held.Remove(slot);
            unneeded.Add(slot);
        }

        _leastIdle = _idle.Count;
        return unneeded;
    }
}

/// <summary>Use in the last whole second or the one that runs, whichever is more.</summary>
internal struct RateOfUse
{
    private long _second;
    private long _now;
    private long _before;

    public readonly long PerSecond => Math.Max(_now, _before);

    public void Add(long amount, long second)
    {
        if (second != _second)
        {
            _before = second == _second + 1 ? _now : 0;
            (_second, _now) = (second, 0);
        }

        _now += amount;
    }
}
