using System.Buffers;
using System.IO.Compression;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>
/// The body of a metered call, read whole into a pooled buffer: it is peeked at before it may leave. All calls together hold no more than
/// <see cref="BufferBudget"/> allows.
/// </summary>
internal sealed class RequestBody : IDisposable
{
    private readonly BufferBudget _budget;
    private byte[] _wire = [];
    private int _wireLength;
    private byte[]? _decoded;
    private int _decodedLength;
    private long _charged;

    private RequestBody(BufferBudget budget) => _budget = budget;

    /// <summary>The bytes as they were sent.</summary>
    public ReadOnlyMemory<byte> Wire => _wire.AsMemory(0, _wireLength);

    /// <summary>The bytes to read: the same, or decompressed.</summary>
    public ReadOnlyMemory<byte> Plain => _decoded is null ? Wire : _decoded.AsMemory(0, _decodedLength);

    public bool WasCompressed => _decoded is not null;

    /// <summary>Reads the body of a request up to a number of bytes, sent and decompressed.</summary>
    /// <returns>The body, or why it is refused.</returns>
    public static async ValueTask<(RequestBody? Body, Refusal? Refusal)> ReadAsync(HttpRequest request, long maxBytes, BufferBudget budget, CancellationToken cancellationToken)
    {
        if (request.ContentLength > maxBytes)
            return (null, Refusal.TooLarge(maxBytes));
        var body = new RequestBody(budget);
        Refusal? refusal;
        try
        {
            refusal = await body.FillAsync(request, maxBytes, cancellationToken) ?? body.Decode(request, maxBytes);
        }
        catch
        {
            body.Dispose();
            throw;
        }

        if (refusal is null)
            return (body, null);
        body.Dispose();
        return (null, refusal);
    }

    private async ValueTask<Refusal?> FillAsync(HttpRequest request, long maxBytes, CancellationToken cancellationToken)
    {
        // A declared length is no reason to set memory aside before the bytes are there: growth follows what has arrived.
        if (!Grow(ref _wire, 0, (int)Math.Min(request.ContentLength ?? 4096, 64 * 1024)))
            return Refusal.Overloaded;
        var reader = request.BodyReader;
        while (true)
        {
            var result = await reader.ReadAsync(cancellationToken);
            var refusal = Take(result.Buffer, maxBytes);
            // After a refusal too: the server reads on and throws away what the client still sends.
            reader.AdvanceTo(result.Buffer.End);
            if (refusal is not null || result.IsCompleted)
                return refusal;
        }
    }

    private Refusal? Take(ReadOnlySequence<byte> bytes, long maxBytes)
    {
        foreach (var segment in bytes)
        {
            if (_wireLength + (long)segment.Length > maxBytes)
                return Refusal.TooLarge(maxBytes);
            if (_wireLength + segment.Length > _wire.Length && !Grow(ref _wire, _wireLength, Math.Max(_wireLength + segment.Length, (int)Math.Min(_wire.Length * 2L, maxBytes))))
                return Refusal.Overloaded;
            segment.Span.CopyTo(_wire.AsSpan(_wireLength));
            _wireLength += segment.Length;
        }

        return null;
    }

    private Refusal? Decode(HttpRequest request, long maxBytes)
    {
        var encoding = request.Headers.ContentEncoding.ToString();
        if (encoding.Length == 0 || encoding.Equals("identity", StringComparison.OrdinalIgnoreCase))
            return null;
        using var source = new MemoryStream(_wire, 0, _wireLength, writable: false);
        using Stream? decoder = encoding.ToLowerInvariant() switch
        {
            "gzip" or "x-gzip" => new GZipStream(source, CompressionMode.Decompress),
            "br" => new BrotliStream(source, CompressionMode.Decompress),
            "deflate" => new ZLibStream(source, CompressionMode.Decompress),
            _ => null,
        };
        if (decoder is null)
            return new Refusal(415, "unsupported_content_encoding", $"the request's Content-Encoding is not one that can be metered: send it as gzip, br, deflate, or uncompressed");
        _decoded = [];
        if (!Grow(ref _decoded, 0, Math.Max(4096, _wireLength * 2)))
            return Refusal.Overloaded;
        try
        {
            while (true)
            {
                if (_decodedLength == _decoded.Length && !Grow(ref _decoded, _decodedLength, (int)Math.Min(_decoded.Length * 2L, maxBytes + 1)))
                    return Refusal.Overloaded;
                var read = decoder.Read(_decoded, _decodedLength, _decoded.Length - _decodedLength);
                if (read == 0)
                    return null;
                _decodedLength += read;
                if (_decodedLength > maxBytes)
                    return Refusal.TooLarge(maxBytes);
            }
        }
        catch (Exception e) when (e is InvalidDataException or InvalidOperationException) // gzip and zlib throw the one, Brotli the other
        {
            return new Refusal(400, "bad_content_encoding", $"the request's body is not what its Content-Encoding says");
        }
    }

    private bool Grow(ref byte[] buffer, int used, int size)
    {
        var rented = ArrayPool<byte>.Shared.Rent(Math.Max(size, 1));
        if (!_budget.TryTake(rented.Length))
        {
            ArrayPool<byte>.Shared.Return(rented);
            return false;
        }

        _charged += rented.Length;
        buffer.AsSpan(0, used).CopyTo(rented);
        if (buffer.Length > 0)
        {
            _budget.Give(buffer.Length);
            _charged -= buffer.Length;
            // The pool is shared with the whole process: a prompt must not be found in it later.
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }

        buffer = rented;
        return true;
    }

    public void Dispose()
    {
        _budget.Give(_charged);
        _charged = 0;
        Return(_wire, _wireLength);
        Return(_decoded, _decodedLength);
        (_wire, _wireLength) = ([], 0);
        (_decoded, _decodedLength) = (null, 0);
    }

    private static void Return(byte[]? buffer, int used)
    {
        if (buffer is not { Length: > 0 })
            return;
        buffer.AsSpan(0, used).Clear();
        ArrayPool<byte>.Shared.Return(buffer);
    }
}

/// <summary>Counts the bytes that request bodies hold in memory, all calls together.</summary>
internal sealed class BufferBudget(long limit)
{
    private long _taken;

    public long Taken => Interlocked.Read(ref _taken);

    public bool TryTake(long bytes)
    {
        if (Interlocked.Add(ref _taken, bytes) <= limit)
            return true;
        Interlocked.Add(ref _taken, -bytes);
        return false;
    }

    public void Give(long bytes) => Interlocked.Add(ref _taken, -bytes);
}
