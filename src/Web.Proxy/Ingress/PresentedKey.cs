using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;
using Tokonomics.Domain.Keys;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>
/// The metering key of a request, looked for wherever an SDK puts its key; and whether the client brought a provider key of its own, which is
/// then passed through and never kept.
/// </summary>
/// <param name="Key">The metering key as presented; null where there is none.</param>
/// <param name="PassThrough">The client's own provider key travels in the header that its SDK uses.</param>
/// <param name="Problem">What is wrong with how a key was sent; null when nothing is.</param>
internal readonly record struct PresentedKey(string? Key, bool PassThrough, string? Problem)
{
    public const string Header = "X-Tokonomics-Key";

    /// <summary>The headers in which SDKs put keys. None of them is ever forwarded as it came but in pass-through.</summary>
    public static readonly string[] KeyHeaders = [HeaderNames.Authorization, "x-api-key", "x-goog-api-key", "api-key"];

    public static PresentedKey Find(HttpRequest request)
    {
        if (UrlProblem(request) is { } problem)
            return new PresentedKey(null, false, problem);
        var headers = request.Headers;
        if (headers.TryGetValue(Header, out var own) && own.ToString() is { Length: > 0 } key)
            return new PresentedKey(key, BringsProviderKey(request), null);
        string? other = null;
        foreach (var name in KeyHeaders)
        {
            var value = headers[name].ToString();
            if (value.Length == 0)
                continue;
            if (name == HeaderNames.Authorization && value.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
                value = value[7..].Trim();
            if (value.StartsWith("mk_", StringComparison.Ordinal))
                return new PresentedKey(value, false, null);
            other ??= value;
        }

        // Google's older SDKs put it in the query, from where it is taken out before anything is forwarded or written.
        if (request.Query.TryGetValue("key", out var query) && query.ToString() is { Length: > 0 } inQuery)
            return inQuery.StartsWith("mk_", StringComparison.Ordinal) ? new PresentedKey(inQuery, false, null) : new PresentedKey(null, false, ProviderKey);
        return new PresentedKey(null, false, other is null ? null : ProviderKey);
    }

    private const string InUrl = "a key must not stand in the URL, where it would be logged along the way: send it in the Authorization header, and replace this one";

    private const string ProviderKey =
        "the key is not a metering key (mk_live_… or mk_test_…): put one where your SDK takes its API key, or keep your provider's key there and send the metering key in X-Tokonomics-Key";

    // A metering key anywhere in the URL but as Google's "key", however it is encoded there.
    private static string? UrlProblem(HttpRequest request)
    {
        var raw = request.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        if (!IsSuspect(raw))
            return null;
        var question = raw.IndexOf('?', StringComparison.Ordinal);
        if (HoldsKey(Uri.UnescapeDataString(question < 0 ? raw : raw[..question])))
            return InUrl;
        foreach (var (name, values) in request.Query)
        {
            if (HoldsKey(name))
                return InUrl;
            foreach (var value in values)
                if (HoldsKey(value) && (name != "key" || !value!.StartsWith("mk_", StringComparison.Ordinal)))
                    return InUrl;
        }

        return null;

        static bool IsSuspect(string raw) => raw.Contains("mk_", StringComparison.Ordinal) || raw.Contains('%', StringComparison.Ordinal);
        static bool HoldsKey(string? text) =>
            text is not null && (text.Contains(MeteringKey.LivePrefix, StringComparison.Ordinal) || text.Contains(MeteringKey.TestPrefix, StringComparison.Ordinal));
    }

    private static bool BringsProviderKey(HttpRequest request)
    {
        foreach (var name in KeyHeaders)
            if (request.Headers.TryGetValue(name, out var value) && !value.ToString().Contains("mk_", StringComparison.Ordinal))
                return true;
        return request.Query.TryGetValue("key", out var query) && !query.ToString().StartsWith("mk_", StringComparison.Ordinal);
    }
}
