using System.Net;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>A request body as it was received, but for the bytes that a splice replaces. It is sent once: one call here is one attempt at the provider.</summary>
internal sealed class SplicedContent : HttpContent
{
    private readonly ReadOnlyMemory<byte> _body;
    private readonly Splice[] _splices;
    private bool _sent;

    /// <summary>All of it has been written to the connection: the body is not read any more.</summary>
    public bool IsWritten { get; private set; }

    /// <param name="body">The body, plain.</param>
    /// <param name="splices">In the order of their offsets, not overlapping.</param>
    public SplicedContent(ReadOnlyMemory<byte> body, params Splice[] splices)
    {
        _body = body;
        _splices = splices;
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, default);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // .NET's connection pool repeats no request whose body has begun. Should it ever, that would be an attempt nobody recorded.
        if (_sent)
            throw new IOException("the connection closed before any answer; a body is not sent twice");
        _sent = true;
        var at = 0;
        foreach (var splice in _splices)
        {
            await stream.WriteAsync(_body[at..splice.Offset], cancellationToken);
            await stream.WriteAsync(splice.Replacement, cancellationToken);
            at = splice.Offset + splice.Length;
        }

        if (at < _body.Length)
            await stream.WriteAsync(_body[at..], cancellationToken);
        IsWritten = true;
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _body.Length;
        foreach (var splice in _splices)
            length += splice.Replacement.Length - splice.Length;
        return true;
    }
}
