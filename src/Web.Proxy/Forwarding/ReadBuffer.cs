using System.Buffers;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>A buffer of the pool that is only rented while something is in it. What stood in it is overwritten: the pool is shared with the whole process, and an answer must not be found in it later.</summary>
internal sealed class ReadBuffer(int bytes) : IDisposable
{
    private byte[]? _rented;
    private int _used;

    public Memory<byte> Rented => _rented ??= ArrayPool<byte>.Shared.Rent(bytes);

    /// <summary>So many bytes were read into <see cref="Rented"/>.</summary>
    public ReadOnlyMemory<byte> Has(int read)
    {
        _used = Math.Max(_used, read);
        return _rented.AsMemory(0, read);
    }

    public void Release()
    {
        if (_rented is not { } rented)
            return;
        _rented = null;
        rented.AsSpan(0, _used).Clear();
        _used = 0;
        ArrayPool<byte>.Shared.Return(rented);
    }

    public void Dispose() => Release();
}
