using System.Collections.Concurrent;
using System.Numerics;

namespace Tokonomics.Application.Budgets;

/// <summary>
/// How long answers have been of late, by key and model: what a call likely needs. Only a guess rests on it, never a cap: whoever is told too little
/// extends, whoever is told too much gives back.
/// </summary>
public sealed class RecentOutputs
{
    /// <summary>What is said before enough answers were seen, tokens.</summary>
    public const long Unknown = 1024;

    private const int Buckets = 64; // two for each power of two
    private const int Enough = 20;
    private const int Remembered = 512;
    private const int MaxSeries = 20_000;

    private readonly ConcurrentDictionary<(string KeyId, string Model), Series> _series = new();

    private sealed class Series
    {
        public readonly int[] Counts = new int[Buckets];
        public int Total;
    }

    public void Add(string keyId, string model, long tokens)
    {
        if (!_series.TryGetValue((keyId, model), out var series))
        {
            if (_series.Count >= MaxSeries)
                _series.Clear(); // whoever makes up models without end loses only guesses
            series = _series.GetOrAdd((keyId, model), static _ => new Series());
        }

        lock (series)
        {
            if (series.Total >= Remembered)
            {
                // The old ones count half, again and again.
                series.Total = 0;
                for (var i = 0; i < Buckets; i++)
                    series.Total += series.Counts[i] /= 2;
            }

            series.Counts[BucketOf(tokens)]++;
            series.Total++;
        }
    }

    /// <summary>Enough answers were seen to say something of their length.</summary>
    public bool Knows(string keyId, string model)
    {
        if (!_series.TryGetValue((keyId, model), out var series))
            return false;
        lock (series)
            return series.Total >= Enough;
    }

    /// <summary>So many output tokens suffice for that share of the recent answers, to the next half power of two.</summary>
    /// <param name="percent">1 to 100.</param>
    public long AtPercentile(string keyId, string model, int percent)
    {
        if (!_series.TryGetValue((keyId, model), out var series))
            return Unknown;
        lock (series)
        {
            if (series.Total < Enough)
                return Unknown;
            var rank = ((series.Total * percent) + 99) / 100;
            var bucket = 0;
            for (var seen = series.Counts[0]; seen < rank && bucket < Buckets - 1; seen += series.Counts[bucket])
                bucket++;
            return MostIn(bucket);
        }
    }

    private static int BucketOf(long tokens)
    {
        if (tokens <= 1)
            return 0;
        var power = BitOperations.Log2((ulong)tokens);
        return Math.Min(Buckets - 1, (power * 2) + (int)((tokens >> (power - 1)) & 1));
    }

    private static long MostIn(int bucket) => bucket == 0 ? 1 : ((2L + (bucket & 1)) << ((bucket / 2) - 1)) + (1L << ((bucket / 2) - 1)) - 1;
}
