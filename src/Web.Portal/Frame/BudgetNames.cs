using MediatR;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>How budgets are called on pages: by whose calls they count.</summary>
public sealed class BudgetNames(Places places, IReadOnlyDictionary<string, string> keys, string organization)
{
    public Places Places { get; } = places;

    public string Of(Budget budget) => Places.Scope(budget.Scope, keys, organization);

    /// <summary>The names that some budgets need. Who may not see keys is shown their ids.</summary>
    public static async Task<BudgetNames> FindAsync(IMediator mediator, Caller caller, string tenantId, string organization, IEnumerable<Budget> budgets, CancellationToken cancellationToken)
    {
        var places = new Places((await mediator.Send(new ListTeams(caller, tenantId, WithArchived: true), cancellationToken)).Value);
        var ids = budgets.Where(b => b.Scope.Kind == BudgetScopeKind.Key).Select(b => b.Scope.Value!).Distinct(StringComparer.Ordinal).ToList();
        var names = ids.Count > 0 && caller.May(Right.ReadKeys)
            ? (await mediator.Send(new ListKeys(caller, tenantId) { Ids = ids }, cancellationToken)).Value.Keys.ToDictionary(k => k.Id, k => k.Name, StringComparer.Ordinal)
            : [];
        return new BudgetNames(places, names, organization);
    }
}
