using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Routing;

/// <summary>
/// What a route's samples may cost is a budget like any other, on the tag that they carry: strict, by the month, held before anything is sent, on every node. It changes and ends with its route.
/// </summary>
public static class SampleBudgets
{
    /// <summary>The tag of samples and of their judge's calls; its value is the route's id.</summary>
    public const string Tag = "sample_of";

    /// <summary>The same id on every node, so that whoever holds for a sample can tell that its budget is among those that apply.</summary>
    public static string IdOf(string routeId, KeyEnvironment environment) => $"bud_samples_{environment.ToString().ToLowerInvariant()}_{routeId}";

    internal static async Task SetAsync(TokonomicsDbContext db, string tenantId, ModelRoute route, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var limit = route.Rules.Aggregate(NanoUsd.Zero, (sum, rule) => sum + (rule.Quality?.SampleLimit ?? NanoUsd.Zero));
        if (limit == NanoUsd.Zero)
        {
            await EndAsync(db, tenantId, route.Id, now, cancellationToken);
            return;
        }

        foreach (var environment in Enum.GetValues<KeyEnvironment>())
        {
            var id = IdOf(route.Id, environment);
            var row = await db.Budgets.FirstOrDefaultAsync(b => b.TenantId == tenantId && b.Id == id, cancellationToken);
            if (row is null)
                db.Budgets.Add(row = new StoredBudget
                {
                    TenantId = tenantId,
                    Id = id,
                    Scope = StoredBudget.ScopeText(BudgetScope.Tag(Tag, route.Id)),
                    ScopeName = Tag,
                    ScopeValue = route.Id,
                    Environment = environment,
                    Period = BudgetPeriod.Month,
                    Thresholds = "",
                    CreatedAt = now,
                    CreatedBy = "routes",
                });
            row.EndedAt = null;
            row.Set(new BudgetTerms { Limit = limit < Budget.MaxLimit ? limit : Budget.MaxLimit, Action = BudgetAction.Block, Mode = BudgetMode.Strict, Clamp = false, Wait = TimeSpan.Zero, Thresholds = [] });
        }
    }

    internal static async Task EndAsync(TokonomicsDbContext db, string tenantId, string routeId, DateTimeOffset now, CancellationToken cancellationToken)
    {
        foreach (var environment in Enum.GetValues<KeyEnvironment>())
        {
            var id = IdOf(routeId, environment);
            if (await db.Budgets.FirstOrDefaultAsync(b => b.TenantId == tenantId && b.Id == id && b.EndedAt == null, cancellationToken) is { } row)
                row.EndedAt = now;
        }
    }
}
