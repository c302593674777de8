using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Billing;

/// <summary>The plan that a tenant has now, and why: what was granted or paid may be another.</summary>
/// <param name="Name">For programs.</param>
/// <param name="Title">For people.</param>
/// <param name="EndsAt">When it ends as things are; null where it goes on.</param>
/// <param name="Granted">The name of the plan that the operator gave; null for none.</param>
public sealed record PlanStanding(string Name, string Title, EntitlementReason Reason, DateTimeOffset? EndsAt, string? Granted)
{
    /// <param name="granted">As it stands in the tenant's own row.</param>
    /// <param name="plan">As it stands in the billing account; null where there is none, since the tenant is from before billing.</param>
    public static PlanStanding Of(PlanBook plans, BillingOptions options, TenantPlan granted, string? plan, EntitlementReason? reason, DateTimeOffset? endsAt)
    {
        var given = PlansInForce.Granted(granted);
        if (!options.Enabled)
            return new PlanStanding(Plan.SelfHosted.Name, Plan.SelfHosted.Title, EntitlementReason.NoSubscription, null, given);
        if (plan is not null)
        {
            var held = plans.Find(plan) ?? plans.Free;
            return new PlanStanding(held.Name, held.Title, reason ?? EntitlementReason.NoSubscription, endsAt, given);
        }

        var first = Entitlement.Of(plans, new BillingFacts { Granted = given }, default, default);
        return new PlanStanding(first.Plan.Name, first.Plan.Title, first.Reason, null, given);
    }
}
