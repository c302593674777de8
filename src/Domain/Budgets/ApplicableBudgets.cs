using Tokonomics.Domain.Ledger;

namespace Tokonomics.Domain.Budgets;

/// <summary>Which budgets of a tenant a call counts on.</summary>
public static class ApplicableBudgets
{
    /// <param name="budgets">Of one tenant and one environment.</param>
    /// <returns>Each with its account's subject: the tag's value in a budget for each value, otherwise empty. Where calls take holds, a budget for one value of a tag takes the place of one for each value of the same period.</returns>
    public static IEnumerable<(Budget Budget, string Subject)> Of(IReadOnlyCollection<Budget> budgets, string? teamId, string? projectId, string keyId, IReadOnlyList<Tag> tags)
    {
        foreach (var budget in budgets)
        {
            var (kind, name, value) = (budget.Scope.Kind, budget.Scope.Name, budget.Scope.Value);
            if (kind switch
            {
                BudgetScopeKind.Tenant => !budget.Scope.CountsCalls,
                BudgetScopeKind.Team => value == teamId,
                BudgetScopeKind.Project => value == projectId,
                BudgetScopeKind.Key => value == keyId,
                _ => tags.Any(t => t.Name == name && (value is null || value == t.Value)),
            })
            {
                if (value is not null)
                    yield return (budget, "");
                else if (tags.First(t => t.Name == name).Value is var subject
                    && !(budget.TakesHolds && budgets.Any(b => b.TakesHolds && b.Scope.Kind == BudgetScopeKind.Tag && b.Scope.Name == name && b.Scope.Value == subject && b.Period == budget.Period)))
                    yield return (budget, subject);
            }
        }
    }
}
