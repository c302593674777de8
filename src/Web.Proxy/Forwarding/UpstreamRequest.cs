using System.Text;
using System.Text.Json;
using Microsoft.Net.Http.Headers;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Translation;
using Tokonomics.Web.Proxy.Ingress;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>The request to the provider: the client's own, but for the key, the headers of this hop, and the bytes that a feature must change.</summary>
internal static class UpstreamRequest
{
    public static HttpRequestMessage Build(HttpRequest request, ProxyTarget target, ProxyCall call, RequestBody? body, bool passThrough)
    {
        var splices = Splices(call);
        call.RequestBytes = body?.Wire.Length ?? request.ContentLength ?? 0;
        if (call.Translation is { } translation)
            return Translated(call, translation.Request, splices);
        var message = new HttpRequestMessage(HttpMethod.Parse(request.Method), Address(call.Provider!.BaseUrl!, call.Match!.UpstreamPath, WithoutKey(target.Query)))
        {
            Version = System.Net.HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        var decompressed = body is { WasCompressed: true } && splices.Length > 0;
        if (body is not null)
            message.Content = new SplicedContent(splices.Length > 0 ? body.Plain : body.Wire, splices);
        else if (request.ContentLength is > 0 || request.Headers.ContainsKey(HeaderNames.TransferEncoding))
            message.Content = new StreamContent(request.Body) { Headers = { ContentLength = request.ContentLength } };
        else if (request.Method is "POST" or "PUT" or "PATCH")
            message.Content = new ByteArrayContent([]);
        // An answer of which a chunk is taken out, that may have to be ended, or that ends with a receipt, has to be readable as it passes; one that is kept, for whoever asks next.
        call.Swallows = call.Peek.UsageSplice is not null;
        var encoding = call.Swallows || call.PaidTokens > 0 || call.HoldsWhole || call.Copy is not null || call.Caching is not null || (call.WantsReceipt && (call.Peek.Stream || call.Facts.PathStreams)) ? "identity" : HeaderRules.Readable(request.Headers.AcceptEncoding);
        HeaderRules.ToUpstream(request, message, call.Provider, call.Credential, passThrough, decompressed, encoding);
        return message;
    }

    /// <summary>A request of our own making, for a call that no client waits for.</summary>
    /// <param name="headers">Of the client's whose request it repeats: those that change an answer.</param>
    public static HttpRequestMessage Own(ProxyCall call, ReadOnlyMemory<byte> body, IReadOnlyList<KeyValuePair<string, string>> headers)
    {
        var splices = Splices(call);
        call.RequestBytes = body.Length;
        call.Swallows = call.Peek.UsageSplice is not null;
        return Own(call, call.Translation?.Request.Body ?? body, splices, call.Translation?.Request.Query, call.Translation is { } translated ? translated.Request.Header is { } one ? [one] : [] : headers);
    }

    // What the client said to its own dialect's servers, in headers and query, is not for this provider.
    private static HttpRequestMessage Translated(ProxyCall call, TranslatedRequest request, Splice[] splices) =>
        Own(call, request.Body, splices, request.Query, request.Header is { } header ? [header] : []);

    private static HttpRequestMessage Own(ProxyCall call, ReadOnlyMemory<byte> body, Splice[] splices, string? query, IReadOnlyList<KeyValuePair<string, string>> headers)
    {
        var message = new HttpRequestMessage(HttpMethod.Post, Address(call.Provider!.BaseUrl!, call.Match!.UpstreamPath, query is null ? "" : "?" + query))
        {
            Version = System.Net.HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
            Content = new SplicedContent(body, splices),
        };
        message.Content.Headers.TryAddWithoutValidation(HeaderNames.ContentType, "application/json");
        message.Headers.TryAddWithoutValidation(HeaderNames.AcceptEncoding, "identity");
        foreach (var (name, value) in headers)
            message.Headers.TryAddWithoutValidation(name, value);
        HeaderRules.Authorize(message, call.Provider, call.Credential);
        return message;
    }

    private static Splice[] Splices(ProxyCall call)
    {
        var peek = call.Peek;
        var renamed = call.Dialect is not null && peek.Model is not null && call.RequestModel != peek.Model && peek.ModelAt.Length > 0;
        if (!renamed && call.OutputLimit is null)
            return peek.UsageSplice is { } usage ? [usage] : [];
        var splices = new List<Splice>(4);
        if (renamed)
            splices.Add(new Splice(peek.ModelAt.Offset, peek.ModelAt.Length, JsonSerializer.SerializeToUtf8Bytes(call.RequestModel)));
        if (peek.UsageSplice is { } asks)
            splices.Add(asks);
        if (call.OutputLimit is { } limit)
            splices.AddRange(BoundsClamp.Splices(call.Dialect!, call.Provider!.Name, peek, limit));
        // Stable: two insertions at one place stay in the order in which they were made.
        for (var i = 1; i < splices.Count; i++)
            for (var j = i; j > 0 && splices[j - 1].Offset > splices[j].Offset; j--)
                (splices[j - 1], splices[j]) = (splices[j], splices[j - 1]);
        return [.. splices];
    }

    // The address is put together from checked parts and must not be normalised again: what was matched is what is sent.
    private static Uri Address(Uri baseUrl, string path, string query)
    {
        if (query.Length > 0)
            return Made(baseUrl, path, query);
        ref var known = ref Addresses[path.GetHashCode(StringComparison.Ordinal) & (Addresses.Length - 1)];
        if (Volatile.Read(ref known) is { } one && ReferenceEquals(one.Base, baseUrl) && one.Path == path)
            return one.Address;
        var address = Made(baseUrl, path, query);
        Volatile.Write(ref known, new KnownAddress(baseUrl, path, address));
        return address;
    }

    // Most calls go to few addresses, each of which takes longer to read than to find.
    private static readonly KnownAddress?[] Addresses = new KnownAddress?[64];

    private sealed record KnownAddress(Uri Base, string Path, Uri Address);

    private static Uri Made(Uri baseUrl, string path, string query)
    {
        var root = baseUrl.AbsolutePath.TrimEnd('/');
        return new Uri($"{baseUrl.GetLeftPart(UriPartial.Authority)}{root}/{path}{query}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
    }

    /// <summary>The query without <c>key=…</c>, which held the metering key, or a provider key that now stands in a header.</summary>
    public static string WithoutKey(string query)
    {
        if (!query.Contains("key", StringComparison.OrdinalIgnoreCase) && !query.Contains('%', StringComparison.Ordinal))
            return query;
        var kept = new StringBuilder(query.Length);
        foreach (var range in query.AsSpan(1).Split('&'))
        {
            var pair = query.AsSpan(1)[range];
            if (!IsKey(pair))
                kept.Append(kept.Length == 0 ? '?' : '&').Append(pair);
        }

        return kept.ToString();

        static bool IsKey(ReadOnlySpan<char> pair)
        {
            var equals = pair.IndexOf('=');
            return Uri.UnescapeDataString((equals < 0 ? pair : pair[..equals]).ToString()).Equals("key", StringComparison.OrdinalIgnoreCase);
        }
    }
}
