using System.Net;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>A request body as it was received, but for the bytes that a splice replaces.</summary>
internal sealed class SplicedContent : HttpContent
{
    private readonly ReadOnlyMemory<byte> _body;
    private readonly Splice[] _splices;

    /// <param name="body">The body, plain.</param>
    /// <param name="splices">In the order of their offsets, not overlapping.</param>
    public SplicedContent(ReadOnlyMemory<byte> body, params Splice[] splices)
    {
        _body = body;
        _splices = splices;
    }

    /// <summary>How often the body has been sent: the connection pool repeats a request whose connection closed under it before any answer.</summary>
    public int Sends { get; private set; }

    /// <summary>Asked with the attempt's number before it goes out once more; false where that can't be put on file.</summary>
    public Func<int, bool>? MayRepeat { get; set; }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, default);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        if (Sends > 0 && MayRepeat is { } may && !may(Sends + 1))
            throw new IOException("the repeat of a request can't be recorded, and is not sent");
        Sends++;
        var at = 0;
        foreach (var splice in _splices)
        {
            await stream.WriteAsync(_body[at..splice.Offset], cancellationToken);
            await stream.WriteAsync(splice.Replacement, cancellationToken);
            at = splice.Offset + splice.Length;
        }

        if (at < _body.Length)
            await stream.WriteAsync(_body[at..], cancellationToken);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _body.Length;
        foreach (var splice in _splices)
            length += splice.Replacement.Length - splice.Length;
        return true;
    }
}
