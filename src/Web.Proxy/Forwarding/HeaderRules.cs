using System.Buffers;
using System.Collections.Frozen;
using System.Globalization;
using System.Net.Http.Headers;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Providers;
using Tokonomics.Web.Proxy.Ingress;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>Which headers cross, in each direction. What isn't named crosses as it is.</summary>
internal static class HeaderRules
{
    private static readonly FrozenSet<string> HopByHop = new[]
    {
        "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    // Keys are set anew; the length follows from the content; the others would tell the provider about us or about the client's network, or
    // are trusted by servers that believe their front.
    private static readonly FrozenSet<string> NotUpstream = PresentedKey.KeyHeaders.Concat(
    [
        "Host", "Content-Length", "Expect", "Cookie", "Accept-Encoding", "X-Content-Length", "Via", "Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "X-Original-URL", "X-Rewrite-URL",
        // The route was found by the method as sent: Google's servers would obey another.
        "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override",
    ]).ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    // A provider's cookies, transport promises and server names are about its host, not ours; the last ones are orders to a web server before us.
    private static readonly FrozenSet<string> NotDownstream = new[]
    {
        "Server", "Set-Cookie", "Alt-Svc", "Strict-Transport-Security", "X-Powered-By", "Report-To", "NEL", "Date", "Public-Key-Pins", "Clear-Site-Data",
        "Service-Worker-Allowed", "X-Accel-Redirect", "X-Accel-Charset", "X-Accel-Expires", "X-Accel-Limit-Rate", "X-Sendfile", "X-Reproxy-URL",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    // Control characters but the tab.
    private static readonly SearchValues<char> Unsendable = SearchValues.Create(
        "\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\u0008\u000a\u000b\u000c\u000d\u000e\u000f\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f\u007f");

    /// <summary>Copies the client's headers into the request to the provider and gives it its key.</summary>
    public static void ToUpstream(HttpRequest from, HttpRequestMessage to, Provider provider, ProviderCredential? credential, bool passThrough, bool decompressed, string? acceptEncoding)
    {
        var named = from.Headers.Connection;
        foreach (var (name, values) in from.Headers)
        {
            if (!Crosses(name, named))
                continue;
            if (decompressed && name.Equals(HeaderNames.ContentEncoding, StringComparison.OrdinalIgnoreCase))
                continue;
            Add(to, name, values);
        }

        if (acceptEncoding is not null)
            to.Headers.TryAddWithoutValidation(HeaderNames.AcceptEncoding, acceptEncoding);
        if (passThrough)
        {
            foreach (var name in PresentedKey.KeyHeaders)
                if (from.Headers.TryGetValue(name, out var values) && !values.ToString().Contains("mk_", StringComparison.Ordinal))
                    Add(to, name, values);
            if (from.Query.TryGetValue("key", out var inQuery) && !to.Headers.Contains("x-goog-api-key"))
                Add(to, "x-goog-api-key", inQuery);
            return;
        }

        Authorize(to, provider, credential);
    }

    /// <summary>Whether a client's header goes to the provider.</summary>
    /// <param name="named">The request's <c>Connection</c>.</param>
    public static bool Crosses(string name, StringValues named) => !HopByHop.Contains(name) && !NotUpstream.Contains(name) && !IsOurs(name) && !IsNamed(named, name);

    /// <summary>Gives a request to the provider its key.</summary>
    public static void Authorize(HttpRequestMessage to, Provider provider, ProviderCredential? credential)
    {
        if (credential is not null)
            to.Headers.TryAddWithoutValidation(KeyHeader(provider.Auth), provider.Auth == ProviderAuth.Bearer ? "Bearer " + credential.Secret : credential.Secret);
    }

    /// <summary>Copies the provider's headers into the answer to the client.</summary>
    /// <param name="from">The provider's answer.</param>
    /// <param name="to">The answer to the client.</param>
    /// <param name="resized">The body will not have the length that the provider said.</param>
    public static void ToClient(HttpResponseMessage from, HttpResponse to, bool resized)
    {
        Copy(from.Headers.NonValidated, to.Headers, from.Headers.NonValidated, resized);
        Copy(from.Content.Headers.NonValidated, to.Headers, from.Headers.NonValidated, resized);
        Contain(to);
    }

    /// <summary>Of the answer of a provider of another dialect: when to try again, and by which id it is known there.</summary>
    public static void ToTranslatedClient(HttpResponseMessage from, HttpResponse to, bool events)
    {
        foreach (var name in (ReadOnlySpan<string>)["retry-after", "retry-after-ms", "x-request-id", "request-id"])
            if (from.Headers.NonValidated.TryGetValues(name, out var values) && values.Count == 1 && !HasUnsendable(values))
                to.Headers[name] = values.ToString();
        to.ContentType = events ? "text/event-stream; charset=utf-8" : "application/json";
        Contain(to);
    }

    /// <summary>
    /// What a provider says is data, whatever it calls itself: a page of a tenant's own endpoint, opened by a link with a key in it, must not
    /// run on the host on which people are signed in to the portal.
    /// </summary>
    public static void Contain(HttpResponse response)
    {
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.ContentSecurityPolicy = "sandbox; default-src 'none'";
    }

    private static void Copy(HttpHeadersNonValidated headers, IHeaderDictionary to, HttpHeadersNonValidated all, bool resized)
    {
        var connection = all.TryGetValues(HeaderNames.Connection, out var named) ? new StringValues([.. named]) : StringValues.Empty;
        // Chunks win over a length, and a length that is none says nothing: the body then goes on in chunks.
        resized |= all.Contains(HeaderNames.TransferEncoding);
        foreach (var (name, values) in headers)
        {
            if (HopByHop.Contains(name) || NotDownstream.Contains(name) || IsOurs(name) || IsNamed(connection, name))
                continue;
            if (name.Equals(HeaderNames.ContentLength, StringComparison.OrdinalIgnoreCase) && (resized || values.Count != 1 || !long.TryParse(values.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out _)))
                continue;
            // What no server may send on; it would cost the client the whole answer.
            if (HasUnsendable(values))
                continue;
            to[name] = values.Count == 1 ? new StringValues(values.ToString()) : new StringValues([.. values]);
        }
    }

    /// <summary>What of the client's Accept-Encoding the meter can read; null leaves the provider free to send plain bytes only.</summary>
    public static string? Readable(StringValues acceptEncoding)
    {
        if (acceptEncoding.Count == 0)
            return null;
        var text = acceptEncoding.ToString();
        List<string>? kept = null;
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var semicolon = part.IndexOf(';', StringComparison.Ordinal);
            var coding = (semicolon < 0 ? part : part[..semicolon]).Trim();
            if (coding.ToLowerInvariant() is "gzip" or "br" or "deflate" or "identity")
                (kept ??= []).Add(part);
        }

        return kept is null ? "identity" : string.Join(", ", kept);
    }

    private static bool HasUnsendable(HeaderStringValues values)
    {
        foreach (var value in values)
            if (value.AsSpan().ContainsAny(Unsendable))
                return true;
        return false;
    }

    private static string KeyHeader(ProviderAuth auth) => auth switch
    {
        ProviderAuth.XApiKey => "x-api-key",
        ProviderAuth.XGoogApiKey => "x-goog-api-key",
        ProviderAuth.ApiKey => "api-key",
        _ => HeaderNames.Authorization,
    };

    private static bool IsOurs(string name) =>
        name.StartsWith("X-Tokonomics-", StringComparison.OrdinalIgnoreCase) || name.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase)
        || name.StartsWith("X-Internal-", StringComparison.OrdinalIgnoreCase);

    // Connection: close, x-secret — the headers that it names are for this hop alone.
    private static bool IsNamed(StringValues connection, string name)
    {
        foreach (var value in connection)
            if (value is not null && value.Contains(name, StringComparison.OrdinalIgnoreCase))
                foreach (var token in value.Split(',', StringSplitOptions.TrimEntries))
                    if (token.Equals(name, StringComparison.OrdinalIgnoreCase))
                        return true;
        return false;
    }

    private static void Add(HttpRequestMessage to, string name, StringValues values)
    {
        string?[] list = values!;
        if (!to.Headers.TryAddWithoutValidation(name, list))
            to.Content?.Headers.TryAddWithoutValidation(name, list);
    }
}
