using Microsoft.AspNetCore.Http.Features;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>Where a request wants to go, read from the raw target: <c>/proxy/{provider}/…</c>, <c>/v1/…</c> (provider by model), <c>/upload/v1beta/…</c> (Gemini's), or the same without <c>/proxy</c> on a host named <c>proxy.*</c>.</summary>
/// <param name="Provider">The name that the path gives; null where the model decides.</param>
/// <param name="Path">What follows, without leading slash, percent-encoding as received.</param>
/// <param name="Query">With its question mark, as received; empty where there is none.</param>
internal readonly record struct ProxyTarget(string? Provider, string Path, string Query)
{
    /// <summary>Null where the request is not for the proxy.</summary>
    public static ProxyTarget? Of(HttpContext context) => Of(context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget, context.Request.Host.Host);

    /// <param name="raw">As on the request's first line.</param>
    /// <param name="host">That it was sent to, without its port; empty where that says nothing.</param>
    public static ProxyTarget? Of(ReadOnlySpan<char> raw, string host)
    {
        if (raw.Length == 0 || raw[0] != '/')
            raw = Origin(raw);
        var question = raw.IndexOf('?');
        var query = question < 0 ? "" : raw[question..].ToString();
        var path = question < 0 ? raw : raw[..question];
        if (path.StartsWith("/proxy/", StringComparison.Ordinal))
            return Named(path[7..], query);
        // Anthropic's SDK puts a v1 of its own behind the base URL.
        if (path.StartsWith("/v1/v1/", StringComparison.Ordinal))
            path = path[3..];
        if (path.StartsWith("/v1/", StringComparison.Ordinal))
            return new ProxyTarget(null, path[4..].ToString(), query);
        // @google/genai takes the address that Google names for the bytes of an upload and puts the base URL's host, without its path, in place of Google's.
        if (path.StartsWith("/upload/v1beta/", StringComparison.Ordinal))
            return new ProxyTarget("gemini", path[1..].ToString(), query);
        if (host.StartsWith("proxy.", StringComparison.OrdinalIgnoreCase) && path.Length > 1
            && path is not ("/healthz" or "/readyz"))
            return Named(path[1..], query);
        return null;
    }

    private static ProxyTarget Named(ReadOnlySpan<char> path, string query)
    {
        var slash = path.IndexOf('/');
        return slash < 0
            ? new ProxyTarget(path.ToString(), "", query)
            : new ProxyTarget(path[..slash].ToString(), path[(slash + 1)..].ToString(), query);
    }

    // The absolute form (GET http://host/path) is legal HTTP/1.1; Kestrel has checked its host against the Host header.
    private static ReadOnlySpan<char> Origin(ReadOnlySpan<char> raw)
    {
        var scheme = raw.IndexOf("://", StringComparison.Ordinal);
        if (scheme < 0)
            return "";
        var slash = raw[(scheme + 3)..].IndexOf('/');
        return slash < 0 ? "" : raw[(scheme + 3 + slash)..];
    }
}
