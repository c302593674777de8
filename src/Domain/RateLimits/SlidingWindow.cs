namespace Tokonomics.Domain.RateLimits;

/// <summary>
/// What was used in the last minute, counted by whole seconds. A use is counted from its second on for the 60 that follow, so that it is counted
/// for 60 seconds at least and for less than 61: whoever admits only what keeps <see cref="Used"/> within a limit never admits more than the limit
/// in any 60 seconds, wherever they begin. The excess is zero; the price is that a use may come back up to a second late.
/// </summary>
/// <remarks>Not for several threads at once. Seconds are of any clock that doesn't go back; where one does, time stands still until it has caught up.</remarks>
public sealed class SlidingWindow
{
    public const int Seconds = 60;

    private const int Mask = 63; // 61 buckets are in use; a power of two finds them by a mask

    private readonly long[] _amounts = new long[Mask + 1];
    private long _now;
    private long _last; // the last second in which anything was added
    private long _total;

    public long Used(long second)
    {
        Slide(second);
        return _total;
    }

    public void Add(long second, long amount)
    {
        Slide(second);
        _amounts[_now & Mask] += amount;
        _total += amount;
        _last = _now;
    }

    /// <summary>Takes back what was added in that second, at most all of it; nothing where that is counted no more.</summary>
    public void TakeBack(long second, long amount)
    {
        if (second > _now || _now - second > Seconds)
            return;
        var taken = Math.Min(amount, _amounts[second & Mask]);
        _amounts[second & Mask] -= taken;
        _total -= taken;
    }

    /// <summary>In how many seconds so much will have left the window; 0 for nothing.</summary>
    public int SecondsUntilFree(long amount)
    {
        if (amount <= 0)
            return 0;
        for (var second = _now - Seconds; second <= _now; second++)
        {
            amount -= _amounts[second & Mask];
            if (amount <= 0)
                return (int)(second + Seconds + 1 - _now);
        }

        return Seconds + 1; // more than was used
    }

    /// <summary>In how many seconds the window will be empty.</summary>
    public int SecondsUntilEmpty() => _total == 0 ? 0 : (int)(_last + Seconds + 1 - _now);

    private void Slide(long second)
    {
        if (second <= _now)
            return;
        if (_total == 0 || second - _now > Seconds)
        {
            Array.Clear(_amounts);
            _total = 0;
        }
        else
        {
            for (var gone = _now - Seconds; gone < second - Seconds; gone++)
            {
                _total -= _amounts[gone & Mask];
                _amounts[gone & Mask] = 0;
            }
        }

        _now = second;
    }
}
