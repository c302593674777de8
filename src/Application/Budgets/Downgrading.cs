using Tokonomics.Application.Dialects;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Budgets;

namespace Tokonomics.Application.Budgets;

/// <summary>Where a spent budget sends a call to a cheaper model.</summary>
public static class Downgrading
{
    /// <returns>The model and the route to it; null where the budget doesn't, or the request names its model in no place that could be changed.</returns>
    public static (string Model, RouteMatch Match)? To(Budget budget, Provider provider, in RequestPeek peek, RouteMatch match)
    {
        if (budget.Action != BudgetAction.Downgrade)
            return null;
        var model = budget.DowngradeTo!;
        if (model.StartsWith(provider.Name + "/", StringComparison.OrdinalIgnoreCase))
            model = model[(provider.Name.Length + 1)..];
        if (peek.Model is not null && peek.ModelAt.Length > 0)
            return (model, match);
        return match.PathModel is { Length: > 0 } && match.WithModel(model) is { } other ? (model, other) : null;
    }
}
