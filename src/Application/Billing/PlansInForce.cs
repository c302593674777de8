using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Billing;

/// <summary>Which plan a tenant has, and what that means for what it wants to do.</summary>
public sealed class PlansInForce(TokonomicsDbContext db, PlanBook plans, BillingOptions options)
{
    /// <summary>Everything, where nothing is sold.</summary>
    public async Task<Plan> OfAsync(string tenantId, CancellationToken cancellationToken)
    {
        if (!options.Enabled)
            return Plan.SelfHosted;
        var name = await db.BillingAccounts.Where(a => a.TenantId == tenantId).Select(a => a.Plan).FirstOrDefaultAsync(cancellationToken);
        return plans.Find(name) ?? plans.Free;
    }

    /// <summary>The plan in force, and why it is that.</summary>
    public async Task<PlanStanding> StandingAsync(Tenant tenant, CancellationToken cancellationToken)
    {
        var account = await db.BillingAccounts.AsNoTracking().Where(a => a.TenantId == tenant.Id).Select(a => new { a.Plan, a.Reason, a.EndsAt }).FirstOrDefaultAsync(cancellationToken);
        return PlanStanding.Of(plans, options, tenant.Plan, account?.Plan, account?.Reason, account?.EndsAt);
    }

    /// <returns>Null where the plan has it.</returns>
    public async Task<Refusal?> LacksAsync(string tenantId, PlanFeatures feature, string what, CancellationToken cancellationToken)
    {
        var plan = await OfAsync(tenantId, cancellationToken);
        return plan.Has(feature) ? null : Refuse($"The plan {plan.Title} has no {what}: get a bigger one under Billing.");
    }

    /// <summary>Whether one member more fits: members, and invitations that may become some.</summary>
    /// <param name="accepting">One of the invitations is being accepted: it is not counted twice.</param>
    public async Task<Refusal?> FullAsync(string tenantId, bool accepting, CancellationToken cancellationToken)
    {
        var plan = await OfAsync(tenantId, cancellationToken);
        if (plan.Members is not { } most)
            return null;
        var members = await db.Members.CountAsync(m => m.TenantId == tenantId, cancellationToken);
        if (!accepting)
            members += await db.Invitations.CountAsync(i => i.TenantId == tenantId && i.AcceptedAt == null && i.WithdrawnAt == null, cancellationToken);
        return members < most ? null : Refuse($"The plan {plan.Title} has {most} {(most == 1 ? "member" : "members")}, and there {(members == 1 ? "is" : "are")} {members} with those invited: get a bigger plan under Billing.");
    }

    /// <summary>What a new tenant begins with, to be saved with it; nothing where nothing is sold.</summary>
    /// <param name="granted">The plan that the operator gives it; null for none.</param>
    public IEnumerable<object> Begin(string tenantId, string? granted, DateTimeOffset now)
    {
        if (!options.Enabled)
            return [];
        var given = Entitlement.Of(plans, new BillingFacts { Granted = granted }, now, options.Grace);
        return [new BillingAccount { TenantId = tenantId, Plan = given.Plan.Name, PlanSince = now, Reason = given.Reason, GrantedPlan = plans.Find(granted)?.Name }, Quota(tenantId, given.Plan, now)];
    }

    public static StoredBudget Quota(string tenantId, Plan plan, DateTimeOffset now)
    {
        var row = new StoredBudget
        {
            TenantId = tenantId,
            Id = CallQuota.BudgetId(tenantId),
            Scope = StoredBudget.ScopeText(BudgetScope.Calls),
            ScopeName = BudgetScope.Calls.Name,
            ScopeValue = "",
            Environment = KeyEnvironment.Live,
            Period = BudgetPeriod.Month,
            Thresholds = "",
            CreatedAt = now,
            CreatedBy = "billing",
        };
        var (limit, action) = CallQuota.Terms(plan);
        row.Set(new BudgetTerms { Limit = limit, Action = action, Clamp = false, Thresholds = CallQuota.Thresholds });
        return row;
    }

    /// <summary>The name under which the price list has what the operator gives.</summary>
    public static string? Granted(TenantPlan plan) => plan == TenantPlan.Free ? null : plan.ToString().ToLowerInvariant();

    private static Refusal Refuse(string message) => new(RefusalKind.Conflict, "plan_exceeded", message);
}
