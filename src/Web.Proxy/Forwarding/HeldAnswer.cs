using System.Buffers;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>An answer that is held back until it is whole, so that its headers can tell its cost. Counts on the same budget of memory as requests' bodies.</summary>
internal sealed class HeldAnswer(BufferBudget budget, int maxBytes) : IDisposable
{
    private byte[] _bytes = [];
    private int _length;

    public ReadOnlyMemory<byte> Bytes => _bytes.AsMemory(0, _length);

    /// <returns>False where it becomes too long, or memory is short: nothing of these bytes was taken.</returns>
    public bool TryAdd(ReadOnlySpan<byte> bytes)
    {
        if (_length + bytes.Length > maxBytes || (_length + bytes.Length > _bytes.Length && !TryGrow(_length + bytes.Length)))
            return false;
        bytes.CopyTo(_bytes.AsSpan(_length));
        _length += bytes.Length;
        return true;
    }

    private bool TryGrow(int needed)
    {
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(needed, Math.Min(_bytes.Length * 2, maxBytes)));
        if (!budget.TryTake(larger.Length))
        {
            ArrayPool<byte>.Shared.Return(larger);
            return false;
        }

        Bytes.Span.CopyTo(larger);
        Return();
        _bytes = larger;
        return true;
    }

    // The pool is shared with the whole process: an answer must not be found in it later.
    private void Return()
    {
        if (_bytes.Length == 0)
            return;
        budget.Give(_bytes.Length);
        _bytes.AsSpan(0, _length).Clear();
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = [];
    }

    public void Dispose()
    {
        Return();
        _length = 0;
    }
}
