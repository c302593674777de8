using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Application.Keys;

/// <summary>Whether a key's lists let a call pass: what the proxy answers, and an estimate foretells.</summary>
public static class KeyPermit
{
    private const int NamesShown = 8;

    /// <param name="model">As the provider will be asked; null where the request names none.</param>
    /// <param name="extent">Of a metered request that could be read.</param>
    /// <returns>Null where the key may make the call.</returns>
    public static CallRefusal? Refusal(KeySnapshot key, KeyAllowance allowance, PriceBook book, string provider, string? model, RouteKind route, RequestExtent? extent)
    {
        if (!allowance.AllowsProvider(provider))
            return new CallRefusal(403, "provider_not_allowed", $"{Named(key)} may not use the provider {provider}: it may use {Shown(allowance.Providers)}. Use another key, or have the provider added to this one");
        if (!allowance.LimitsModels)
            return null;
        if (model is { Length: > 0 } && !allowance.AllowsModel(book, provider, model))
            return new CallRefusal(403, "model_not_allowed", $"{Named(key)} may not use the model '{Short(model)}' of {provider}: it may use {Shown(allowance.Models)}. Use another key, or have the model added to this one");
        return route switch
        {
            // What starts elsewhere (a batch's file, a fine-tuning) names its models there, out of sight.
            RouteKind.Deferred => new CallRefusal(403, "model_not_allowed", $"{Named(key)} may use {Shown(allowance.Models)} alone, and which models this request puts to work at {provider} is not in it. Use a key without a list of models"),
            RouteKind.Metered when model is not { Length: > 0 } => new CallRefusal(403, "model_not_allowed", $"{Named(key)} may use {Shown(allowance.Models)} alone, and this request names no model: {provider} would choose one. Name it, or use a key without a list of models"),
            RouteKind.Metered when ((extent?.Beyond ?? BeyondBody.None) & (BeyondBody.OtherModels | BeyondBody.StoredRequest)) != 0 =>
                new CallRefusal(403, "model_not_allowed", $"{Named(key)} may use {Shown(allowance.Models)} alone, and this request lets other models of {provider} answer than the one that it names. Leave the alternatives out, or use a key without a list of models"),
            _ => null,
        };
    }

    /// <summary>The tenant refuses what has no price.</summary>
    public static CallRefusal Unpriced(string model, string provider) => new(403, "model_unpriced",
        $"'{Short(model)}' has no price at {provider}, and this account refuses calls whose cost can't be known (setting unpriced). Set a price for it (POST /api/v1/prices/overrides), or use a model that has one");

    private static string Named(KeySnapshot key) => $"the key '{key.Name}' ({key.Id})";

    private static string Shown(IReadOnlyList<string> names) => names.Count <= NamesShown
        ? string.Join(", ", names)
        : $"{string.Join(", ", names.Take(NamesShown))} and {names.Count - NamesShown} more";

    private static string Short(string text) => text.Length <= 80 ? text : text[..80] + "…";
}
