using System.Collections.Concurrent;

namespace Tokonomics.Domain.Pricing;

/// <summary>
/// Results of look-ups by name that cost more than an exact match. Clients choose the names, so how many and how long they are is bounded;
/// when it is full it starts afresh, which costs a pass over the patterns for each name and nothing else.
/// </summary>
internal sealed class BoundedMemory<T>
{
    private const int Most = 2048;
    private const int LongestName = 200;

    private readonly ConcurrentDictionary<string, T> _values = new(StringComparer.OrdinalIgnoreCase);
    private int _count;

    public bool TryGet(string name, out T? value) => _values.TryGetValue(name, out value);

    public void Keep(string name, T value)
    {
        if (name.Length > LongestName || !_values.TryAdd(name, value) || Interlocked.Increment(ref _count) <= Most)
            return;
        _values.Clear();
        Interlocked.Exchange(ref _count, 0);
    }
}
