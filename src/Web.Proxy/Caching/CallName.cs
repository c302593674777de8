using System.Collections.Frozen;
using System.Text;
using Tokonomics.Application.Caching;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.Secrets;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Ingress;
using Tokonomics.Web.Proxy.Routing;

namespace Tokonomics.Web.Proxy.Caching;

/// <summary>
/// The name of a call's answer: what decides it, hashed under the pepper. Two calls have one name where tenant, environment, path and query, the provider or the rule, every header that crosses to the
/// provider and the body are the same, byte for byte.
/// </summary>
internal static class CallName
{
    // These cross and change no answer: who calls and with which library, and its tracing, which is another for each call. Whatever isn't known to be of these counts: it can cost a hit, and never gives a
    // wrong one.
    private static readonly FrozenSet<string> Noise = new[]
    {
        "User-Agent", "Origin", "Referer", "HTTP-Referer", "X-Title", "DNT", "Date", "Priority", "Cache-Control", "Pragma", "Content-Encoding", "Traceparent", "Tracestate", "Baggage", "Sentry-Trace", "B3", "Uber-Trace-Id",
        "Request-Id", "X-Request-Id", "X-Client-Request-Id", "X-Correlation-Id", "X-Amzn-Trace-Id", "X-Cloud-Trace-Context",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private static readonly string[] NoiseBeginnings = ["X-Stainless-", "X-B3-", "X-Datadog-", "Sec-"];

    public static AnswerName Of(HttpRequest request, ProxyTarget target, ProxyCall call, RequestBody body, RoutedCall? routed, Fingerprints fingerprints)
    {
        // No value has a line break in it: none of a header's, of a path's, or of a route's has.
        var text = new StringBuilder("1\n", 512); // of what stands in a name, and in which order
        var tenant = call.Key!.Tenant;
        text.Append(call.Key.Environment == KeyEnvironment.Live ? "live\n" : "test\n").Append(tenant.CacheEpoch).Append('\n').Append(request.Method).Append('\n')
            .Append(target.Provider).Append('\n').Append(target.Path).Append('\n').Append(UpstreamRequest.WithoutKey(target.Query)).Append('\n');
        // A rule's targets, in whichever order they are tried; otherwise the provider, and where it is: an endpoint of the tenant may have moved.
        if (routed is not null)
            text.Append("route ").Append(routed.Named).Append('\n');
        else
            text.Append("provider ").Append(call.Provider!.Name).Append(' ').Append(call.Provider.BaseUrl).Append('\n');
        foreach (var (name, values) in request.Headers.Where(h => HeaderRules.Crosses(h.Key, request.Headers.Connection) && !IsNoise(h.Key)).OrderBy(h => h.Key, StringComparer.OrdinalIgnoreCase))
            text.Append(name.ToLowerInvariant()).Append(": ").Append(values.ToString()).Append('\n');
        return new AnswerName(tenant.Id, tenant.CacheEpoch, fingerprints.Of("answer-name", tenant.Id, text.ToString(), body.Plain.Span));
    }

    private static bool IsNoise(string name)
    {
        if (Noise.Contains(name))
            return true;
        foreach (var beginning in NoiseBeginnings)
            if (name.StartsWith(beginning, StringComparison.OrdinalIgnoreCase))
                return true;
        return false;
    }
}
