using System.Text.Json;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Pricing;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Web.Proxy.Catalogue;

/// <summary>
/// <c>GET /v1/models</c>: what a key can use, answered here and not by any provider. In the shape of Anthropic's list for its SDK
/// (<c>anthropic-version</c>), otherwise of OpenAI's.
/// </summary>
internal sealed class ModelsEndpoint(Upstreams upstreams, PriceBook prices)
{
    public async Task WriteListAsync(HttpContext context, KeySnapshot key)
    {
        var anthropic = context.Request.Headers.ContainsKey("anthropic-version");
        context.Response.ContentType = "application/json; charset=utf-8";
        HeaderRules.Contain(context.Response);
        using var json = new Utf8JsonWriter(context.Response.BodyWriter);
        var models = Usable(key).ToList();
        json.WriteStartObject();
        if (!anthropic)
            json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (var model in models)
            WriteModel(json, model, anthropic);
        json.WriteEndArray();
        if (anthropic)
        {
            json.WriteBoolean("has_more", false);
            json.WriteString("first_id", models.Count > 0 ? models[0].Name : null);
            json.WriteString("last_id", models.Count > 0 ? models[^1].Name : null);
        }

        json.WriteEndObject();
        await json.FlushAsync(context.RequestAborted);
    }

    // The tenant's routes first: what it made, or took over. Then one entry for each name: where several of the key's providers have it, /v1 takes the first, as this list does.
    private IEnumerable<ListedModel> Usable(KeySnapshot key)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var book = key.Tenant.Prices ?? prices;
        foreach (var route in key.Tenant.Routes.Keys.Order(StringComparer.Ordinal))
            if (key.Allowance?.AllowsModel(book, "", route) != false && seen.Add(route))
                yield return new ListedModel("tokonomics", route, "chat", null, null);
        foreach (var model in key.Environment == KeyEnvironment.Test ? Sandboxed : upstreams.ReachableBy(key).SelectMany(p => prices.Models(p.Name)))
            if (!model.Name.Contains('*', StringComparison.Ordinal) && MayUse(key, book, model.Provider, model.Name) && seen.Add(model.Name))
                yield return model;
    }

    // Test keys reach the sandbox alone, whose models have ways of failing that no price list names.
    private static IEnumerable<ListedModel> Sandboxed => ModelListRoutes.All.Select(m => new ListedModel("sandbox", m.Name, "chat", null, null));

    // And they reach it under every provider's name.
    private static bool MayUse(KeySnapshot key, PriceBook book, string provider, string model) =>
        key.Allowance is not { } allowance || ((key.Environment == KeyEnvironment.Test || allowance.AllowsProvider(provider)) && allowance.AllowsModel(book, provider, model));

    private static void WriteModel(Utf8JsonWriter json, ListedModel model, bool anthropic)
    {
        json.WriteStartObject();
        json.WriteString("id", model.Name);
        json.WriteString(anthropic ? "type" : "object", "model");
        if (anthropic)
        {
            json.WriteString("display_name", model.Name);
            json.WriteString("created_at", DateTimeOffset.UnixEpoch);
        }
        else
        {
            json.WriteNumber("created", 0);
            json.WriteString("owned_by", model.Provider);
        }

        json.WriteEndObject();
    }
}
