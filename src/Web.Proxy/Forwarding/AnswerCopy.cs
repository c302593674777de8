namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>An answer's bytes beside their way to the client, up to a number of them, on the same budget of memory as requests' bodies.</summary>
internal sealed class AnswerCopy(BufferBudget budget, int maxBytes) : IDisposable
{
    private readonly HeldAnswer _held = new(budget, maxBytes);
    private bool _spoilt;

    /// <summary>All of it; null where it was too long, memory was short, or it can't be read.</summary>
    public ReadOnlyMemory<byte>? Bytes => _spoilt ? null : _held.Bytes;

    public void Add(ReadOnlySpan<byte> bytes)
    {
        if (!_spoilt && !_held.TryAdd(bytes))
            Spoil();
    }

    public void Spoil()
    {
        _spoilt = true;
        _held.Dispose();
    }

    public void Dispose() => Spoil();
}
