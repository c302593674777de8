namespace Tokonomics.Standalone.Demo;

/// <summary>Numbers that look random and are the same for the same seed on every machine and version (SplitMix64).</summary>
internal sealed class SeededNumbers(ulong seed)
{
    private ulong _state = seed;

    public ulong Next()
    {
        var z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>0 included, 1 excluded.</summary>
    public double Share() => (Next() >> 11) * (1.0 / (1UL << 53));

    public bool Chance(double share) => Share() < share;

    /// <summary>Spread around a middle value by factors, as sizes and times are: half of all below it.</summary>
    /// <param name="spread">0.5: two thirds within a factor of 1.65.</param>
    public long Around(double middle, double spread) =>
        Math.Max(1, (long)(middle * Math.Exp(spread * Math.Sqrt(-2 * Math.Log(1 - Share())) * Math.Cos(2 * Math.PI * Share()))));

    public T Pick<T>(IReadOnlyList<T> of) => of[(int)(Share() * of.Count)];

    /// <summary>Few of them often, most of them seldom: the n-th about half as often as the first of every doubling.</summary>
    public T PickSkewed<T>(IReadOnlyList<T> of) => of[(int)(of.Count * Math.Pow(Share(), 2.2))];
}
