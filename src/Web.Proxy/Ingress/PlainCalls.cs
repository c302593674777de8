using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Telemetry;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>Refuses a call of the proxy's that came without TLS, before its key is looked at, in the shape that the client's SDK reads.</summary>
internal static class PlainCalls
{
    /// <returns>False where the request is none of the proxy's.</returns>
    public static async Task<bool> RefuseAsync(HttpContext context, string message)
    {
        var target = ProxyTarget.Of(context);
        if (target is null && (context.Request.Path.StartsWithSegments("/api") || PresentedKey.Find(context.Request).Key is null))
            return false;
        context.Response.Headers[Forwarder.RequestIdHeader] = SortableId.New("req", context.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow());
        context.RequestServices.GetRequiredService<CallMetrics>().Refused("tls_required");
        var shape = context.RequestServices.GetRequiredService<Forwarder>().ShapeOf(context.Request, target ?? default);
        await new Refusal(403, "tls_required", message).WriteAsync(context, shape);
        return true;
    }
}
