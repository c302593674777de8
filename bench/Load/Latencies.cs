using System.Numerics;

namespace Tokonomics.Bench.Load;

/// <summary>Counts of times, from many threads, each exact to less than 1 %: memory doesn't grow with what is counted.</summary>
internal sealed class Latencies
{
    private const int Bits = 7, Steps = 1 << Bits;

    private readonly long[] _counts = new long[(64 - Bits) * Steps];
    private long _max;

    public long Count => _counts.Sum();

    public void Add(long nanoseconds)
    {
        var value = Math.Max(nanoseconds, 0);
        Interlocked.Increment(ref _counts[IndexOf(value)]);
        for (var max = Volatile.Read(ref _max); value > max; max = Volatile.Read(ref _max))
            Interlocked.CompareExchange(ref _max, value, max);
    }

    public void Take(Latencies other)
    {
        for (var i = 0; i < _counts.Length; i++)
            _counts[i] += other._counts[i];
        _max = Math.Max(_max, other._max);
    }

    public double MaxMicroseconds => _max / 1e3;

    /// <param name="share">0.99 for p99.</param>
    /// <returns>Microseconds; 0 where nothing was counted.</returns>
    public double Percentile(double share)
    {
        var left = (long)Math.Ceiling(Count * share);
        for (var i = 0; i < _counts.Length; i++)
            if ((left -= _counts[i]) <= 0 && _counts[i] > 0)
                return Math.Min(Middle(i), _max) / 1e3;
        return 0;
    }

    // Below 128 ns each value has a place of its own; above, each doubling has 128.
    private static int IndexOf(long value)
    {
        if (value < Steps)
            return (int)value;
        var shift = BitOperations.Log2((ulong)value) - Bits;
        return ((shift + 1) * Steps) + (int)((value >> shift) - Steps);
    }

    private static double Middle(int index)
    {
        if (index < Steps)
            return index;
        var shift = (index / Steps) - 1;
        return ((long)((index % Steps) + Steps) << shift) + (shift == 0 ? 0 : (1L << shift) / 2.0);
    }
}
