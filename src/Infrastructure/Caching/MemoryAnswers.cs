namespace Tokonomics.Infrastructure.Caching;

/// <summary>Sealed answers in this process's memory, within a bound: those that were used least lately leave first. What has expired is gone within a minute, whether or not it is asked for.</summary>
internal sealed class MemoryAnswers(long maxBytes, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(1);

    // What an entry takes besides its answer: its name, and its places in the two collections.
    private const int EntryBytes = 300;

    private readonly Lock _turn = new();
    private readonly Dictionary<string, LinkedListNode<Entry>> _byName = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _byUse = new(); // the latest first
    private ITimer? _sweeping;
    private long _bytes;

    private sealed record Entry(string Name, byte[] Sealed, DateTimeOffset Until)
    {
        public long Bytes => Sealed.Length + EntryBytes;
    }

    public long Bytes
    {
        get
        {
            lock (_turn)
                return _bytes;
        }
    }

    public byte[]? Find(string name)
    {
        lock (_turn)
        {
            if (!_byName.TryGetValue(name, out var node))
                return null;
            if (node.Value.Until <= time.GetUtcNow())
            {
                Drop(node);
                return null;
            }

            _byUse.Remove(node);
            _byUse.AddFirst(node);
            return node.Value.Sealed;
        }
    }

    public void Set(string name, byte[] sealedAnswer, DateTimeOffset until)
    {
        var entry = new Entry(name, sealedAnswer, until);
        if (entry.Bytes > maxBytes)
            return;
        lock (_turn)
        {
            if (_byName.TryGetValue(name, out var before))
                Drop(before);
            while (_bytes + entry.Bytes > maxBytes)
                Drop(_byUse.Last!);
            _byName[name] = _byUse.AddFirst(entry);
            _bytes += entry.Bytes;
            _sweeping ??= time.CreateTimer(static me => ((MemoryAnswers)me!).Sweep(), this, SweepEvery, SweepEvery);
        }
    }

    private void Sweep()
    {
        lock (_turn)
        {
            var now = time.GetUtcNow();
            for (var node = _byUse.First; node is not null;)
            {
                var next = node.Next;
                if (node.Value.Until <= now)
                    Drop(node);
                node = next;
            }
        }
    }

    private void Drop(LinkedListNode<Entry> node)
    {
        _byUse.Remove(node);
        _byName.Remove(node.Value.Name);
        _bytes -= node.Value.Bytes;
    }

    public void Dispose() => _sweeping?.Dispose();
}
