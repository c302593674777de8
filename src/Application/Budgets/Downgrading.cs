using Tokonomics.Application.Dialects;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Application.Budgets;

/// <summary>Where a spent budget sends a call.</summary>
/// <param name="Model">Its name at the call's own provider; elsewhere as the budget writes it.</param>
/// <param name="Match">The route to it, where it is at the call's own provider. Null: it is a route of the tenant's, or at another provider.</param>
/// <param name="BudgetId">The budget that sends it.</param>
public sealed record CheaperModel(string Model, RouteMatch? Match, string BudgetId);

/// <summary>Where a spent budget sends a call to a cheaper model.</summary>
public static class Downgrading
{
    /// <summary>
    /// By what the budget names: a route of the tenant's; a model of the call's own provider, where that lists it, or is an endpoint (which lists nothing) and no provider is named; else what the name would
    /// mean on <c>/v1</c>.
    /// </summary>
    /// <returns>Null where the budget doesn't, or the request names its model in no place that could be changed.</returns>
    public static CheaperModel? To(Budget budget, ProviderCatalogue catalogue, PriceBook prices, KeySnapshot key, Provider provider, RequestPeek peek, RouteMatch match, DateTimeOffset at)
    {
        if (budget.Action != BudgetAction.Downgrade)
            return null;
        var model = budget.DowngradeTo!;
        if (key.Tenant.Routes.ContainsKey(model))
            return new CheaperModel(model, null, budget.Id);
        if (model.StartsWith(provider.Name + "/", StringComparison.OrdinalIgnoreCase))
            model = model[(provider.Name.Length + 1)..];
        else if (!IsHere(model, catalogue, prices, key, provider, match, at))
            return new CheaperModel(model, null, budget.Id);
        if (peek.Model is not null && peek.ModelAt.Length > 0)
            return new CheaperModel(model, match, budget.Id);
        return match.PathModel is { Length: > 0 } && match.WithModel(model) is { } other ? new CheaperModel(model, other, budget.Id) : null;
    }

    /// <summary>A budget's refusal where the call can't be made as the budget says either.</summary>
    public static string Unmade(string refusal, string to, string why) => $"{refusal}. Its downgrade to {to} can't be made: {why}";

    private static bool IsHere(string model, ProviderCatalogue catalogue, PriceBook prices, KeySnapshot key, Provider provider, RouteMatch match, DateTimeOffset at)
    {
        if (CallRating.Model(prices, provider.Name, model, match.Head, key.Environment, at) is not null)
            return true;
        var slash = model.IndexOf('/', StringComparison.Ordinal);
        return key.Tenant.Endpoints.ContainsKey(provider.Name) && (slash <= 0 || (catalogue.Find(model[..slash]) is null && !key.Tenant.Endpoints.ContainsKey(model[..slash])));
    }
}
