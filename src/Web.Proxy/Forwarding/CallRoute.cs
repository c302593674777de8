using Tokonomics.Application.Providers;
using Tokonomics.Web.Proxy.Ingress;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>Where a call goes: its provider and its route there, by its path; where that names no provider, by its model.</summary>
internal static class CallRoute
{
    /// <summary>By the path. Without a provider in it, its route is known and its provider is not.</summary>
    /// <returns>Null where there is one; otherwise why not.</returns>
    public static Refusal? Find(Upstreams upstreams, string method, ProxyTarget target, ProxyCall call)
    {
        if (target.Provider is null)
        {
            call.Match = upstreams.ByModel.Find(method, target.Path);
            return call.Match is null ? Unmetered(method, target) : null;
        }

        call.Provider = upstreams.Find(target.Provider, call.Key!);
        if (call.Provider is null)
            return new Refusal(404, "unknown_provider", $"no provider is named '{Shown(target.Provider)}' here: see GET /v1/models for what this key can reach, or add it as a custom endpoint");
        call.Match = call.Provider.Routes.Find(method, target.Path);
        return call.Match is null ? Unmetered(method, target) : null;
    }

    /// <summary>By the model, of a path without a provider whose body has been read.</summary>
    /// <returns>Null where there is one; otherwise why not.</returns>
    public static Refusal? ByModel(Upstreams upstreams, ProxyTarget target, ProxyCall call, bool passThrough)
    {
        var (key, method) = (call.Key!, call.Match!.Route.Method);
        if (call.RequestModel is not { Length: > 0 } model)
        {
            // Free routes of /v1 (files, lists) belong to whoever speaks that surface.
            call.Provider = upstreams.Find(call.Match.Surface.Name == "anthropic" ? "anthropic" : "openai", key);
        }
        else if (upstreams.ByModelName(model, method, target.Path, key, passThrough) is { } found)
        {
            call.Provider = found.Provider;
            call.RequestModel = found.Model;
        }
        else
        {
            return new Refusal(404, "unknown_model", $"no provider that this key can reach has a model '{Shown(model)}': GET /v1/models lists those it has, and /proxy/{{provider}}/… takes any model");
        }

        call.Match = call.Provider!.Routes.Find(method, target.Path) ?? call.Match;
        return null;
    }

    private static Refusal Unmetered(string method, ProxyTarget target) =>
        new(404, "unmetered_route", $"nothing meters {method} /{Shown(target.Path)}{(target.Provider is null ? "" : $" of {target.Provider}")}, and what is not metered is not forwarded; the routes are listed in docs/providers.md");

    private static string Shown(string text) => text.Length <= 80 ? text : text[..80] + "…";
}
