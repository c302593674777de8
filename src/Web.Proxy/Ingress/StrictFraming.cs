using System.Buffers;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;
using Tokonomics.Application.Dialects;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Telemetry;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>
/// Refuses what Kestrel accepts but another server on the way may read differently: the seeds of request smuggling. Checked by raw sockets,
/// Kestrel 10.0: a length beside chunked framing, chunked named twice, and control characters in values all pass without this.
/// </summary>
internal sealed class StrictFraming(RequestDelegate next, CallMetrics metrics)
{
    // RFC 9110 5.5: a value has visible characters, spaces and tabs, and bytes beyond ASCII.
    private static readonly SearchValues<char> Controls = SearchValues.Create([.. Enumerable.Range(0, 0x20).Where(c => c != '\t').Append(0x7f).Select(c => (char)c)]);

    private static readonly SearchValues<char> Token = SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    public Task InvokeAsync(HttpContext context)
    {
        var headers = context.Request.Headers;
        if (headers.TryGetValue(HeaderNames.TransferEncoding, out var coding))
        {
            // Kestrel takes Content-Length away where Transfer-Encoding stands too, and leaves what it was under another name.
            if (headers.ContainsKey("X-Content-Length") || headers.ContainsKey(HeaderNames.ContentLength))
                return RefuseAsync(context, "the request has both Content-Length and Transfer-Encoding; send one of them");
            if (coding.Count != 1 || !"chunked".Equals(coding[0], StringComparison.OrdinalIgnoreCase))
                return RefuseAsync(context, "Transfer-Encoding must be 'chunked', once and alone");
        }

        var framed = HttpProtocol.IsHttp2(context.Request.Protocol) || HttpProtocol.IsHttp3(context.Request.Protocol);
        foreach (var (name, values) in headers)
        {
            if (framed && MeansAnotherConnection(name, values))
                return RefuseAsync(context, "a header has a name that is none, or one that HTTP/2 has no use for");
            foreach (var value in values)
                if (value.AsSpan().ContainsAny(Controls))
                    return RefuseAsync(context, "a header has a control character in its value");
        }

        return next(context);
    }

    // RFC 9113 8.2: names that are no tokens, and headers of the connection, both of which Kestrel lets through in HTTP/2.
    private static bool MeansAnotherConnection(string name, StringValues values) =>
        name.AsSpan().ContainsAnyExcept(Token) || name.ToLowerInvariant() is "connection" or "keep-alive" or "proxy-connection" or "transfer-encoding" or "upgrade"
        || (name.Equals(HeaderNames.TE, StringComparison.OrdinalIgnoreCase) && values != "trailers");

    private Task RefuseAsync(HttpContext context, string message)
    {
        metrics.Refused("bad_framing");
        context.Response.Headers.Connection = "close";
        return new Refusal(400, "bad_framing", message).WriteAsync(context, ErrorShape.OpenAi);
    }
}
