using Microsoft.AspNetCore.Mvc.RazorPages;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;

namespace Tokonomics.Web.Portal.Pages;

/// <summary>What does it cost?</summary>
public sealed class PricingModel(PlanBook plans, BillingOptions options) : PageModel
{
    public bool Sold => options.Enabled;

    public IReadOnlyList<Plan> Plans => Sold ? plans.Plans : [Plan.SelfHosted];
}
