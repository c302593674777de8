using System.Runtime.CompilerServices;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Application.Providers;

/// <summary>Which provider a key reaches under a name, or by a model. Test keys reach the sandbox alone, under every provider's name.</summary>
public sealed class Upstreams
{
    private readonly ProviderCatalogue _catalogue;
    private readonly PriceBook _prices;
    private readonly Dictionary<string, Provider> _sandboxed;
    private readonly ConditionalWeakTable<CustomEndpoint, Provider> _endpoints = [];

    /// <param name="sandbox">Where the sandbox listens. Whoever only asks which provider it would be may name any address.</param>
    public Upstreams(ProviderCatalogue catalogue, PriceBook prices, Uri sandbox)
    {
        _catalogue = catalogue;
        _prices = prices;
        _sandboxed = catalogue.Providers.ToDictionary(p => p.Key, p => Sandboxed(p.Value, sandbox), StringComparer.Ordinal);
        Sandbox = sandbox;
        // The union of what the SDKs of OpenAI and of Anthropic send below a base URL that ends in /v1.
        ByModel = new RouteTable([new MountedSurface(catalogue.Surfaces["openai"], [""]), new MountedSurface(catalogue.Surfaces["anthropic"], [""])]);
    }

    public Uri Sandbox { get; }

    /// <summary>The routes of <c>/v1/…</c>, where the model names the provider.</summary>
    public RouteTable ByModel { get; }

    public Provider? Find(string name, KeySnapshot key)
    {
        if (key.Tenant.Endpoints.TryGetValue(name, out var endpoint))
        {
            var own = _endpoints.GetValue(endpoint, FromEndpoint);
            return key.Environment == KeyEnvironment.Test ? Sandboxed(own, Sandbox) : own;
        }

        return key.Environment == KeyEnvironment.Test ? _sandboxed.GetValueOrDefault(name) : _catalogue.Find(name);
    }

    /// <summary>Finds the error shape of a provider's clients before anything else is known of a request.</summary>
    public ErrorShape? ErrorsOf(string? provider, string method, string path)
    {
        var routes = provider is null ? ByModel : _catalogue.Find(provider)?.Routes;
        return routes?.Find(method, path)?.Surface.Errors ?? (provider is null ? null : routes?.Surfaces[0].Surface.Errors);
    }

    /// <summary>
    /// Chooses the provider of a model for <c>/v1</c>: a provider that is named before a slash (<c>groq/llama-3.3-70b-versatile</c>) and that the
    /// key can reach; else, of the providers that list the model under its own name and speak the route, the first that the key can reach.
    /// </summary>
    /// <param name="path">Null where any provider will do that has the model.</param>
    /// <returns>The provider and the model's name there; null where none is found.</returns>
    public (Provider Provider, string Model)? ByModelName(string model, string method, string? path, KeySnapshot key, bool passThrough)
    {
        var slash = model.IndexOf('/', StringComparison.Ordinal);
        if (slash > 0 && model.Length > slash + 1 && Reachable(model[..slash], method, path, key, passThrough) is { } named)
            return (named, model[(slash + 1)..]);
        if (key.Environment == KeyEnvironment.Test && model.StartsWith("sandbox", StringComparison.OrdinalIgnoreCase))
            return (_sandboxed.Values.First(p => path is null || p.Routes.Find(method, path) is not null), model);
        foreach (var name in _prices.ProvidersOf(model))
            if (Reachable(name, method, path, key, passThrough) is { } listed)
                return (listed, model);
        return null;
    }

    /// <summary>The providers that a key can reach, in order.</summary>
    public IEnumerable<Provider> ReachableBy(KeySnapshot key) => key.Environment == KeyEnvironment.Test
        ? _sandboxed.Values
        : _catalogue.Providers.Values.Where(p => key.Tenant.Credentials.ContainsKey(p.Name)).Concat(key.Tenant.Endpoints.Values.Select(e => _endpoints.GetValue(e, FromEndpoint)));

    private Provider? Reachable(string name, string method, string? path, KeySnapshot key, bool passThrough)
    {
        if (Find(name, key) is not { } provider)
            return null;
        var open = passThrough || key.Environment == KeyEnvironment.Test || key.Tenant.Credentials.ContainsKey(name) || provider.Guarded;
        return open && (path is null || provider.Routes.Find(method, path) is not null) ? provider : null;
    }

    private Provider FromEndpoint(CustomEndpoint endpoint) => new()
    {
        Name = endpoint.Name,
        BaseUrl = endpoint.BaseUrl,
        Auth = endpoint.Surface switch
        {
            "anthropic" => ProviderAuth.XApiKey,
            "gemini" => ProviderAuth.XGoogApiKey,
            "azure" => ProviderAuth.ApiKey,
            _ => ProviderAuth.Bearer,
        },
        StreamUsageOnDemand = true,
        Guarded = true,
        BillsAfterDisconnect = true, // nobody knows what stands behind it
        Routes = new RouteTable([new MountedSurface(_catalogue.Surfaces[endpoint.Surface], [""]), new MountedSurface(_catalogue.Surfaces["openai"], [""])]),
    };

    private static Provider Sandboxed(Provider provider, Uri sandbox) => provider with
    {
        BaseUrl = sandbox,
        Auth = ProviderAuth.None,
        Quirks = ProviderQuirks.None,
        StreamUsageOnDemand = true,
        Guarded = false,
    };
}
