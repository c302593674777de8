using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Billing;

/// <summary>What plan is it, how much of it is used, what was paid, and is anything wrong?</summary>
public sealed class IndexModel : PortalPage
{
    [BindProperty]
    public string Plan { get; set; } = "";

    public BillingState State { get; private set; } = null!;

    public IReadOnlyList<Plan> Offers { get; private set; } = [];

    /// <summary>Null where nothing is wrong.</summary>
    public string? Trouble { get; private set; }

    public bool MayPay => May(Right.ManageBilling);

    /// <summary>Where the browser is sent next: a page says so, since no form may lead to another site.</summary>
    public Uri? Leaving { get; private set; }

    public Budgets.Anatomy? Bar => State.Plan.CallsPerMonth is { } calls ? new Budgets.Anatomy(new(State.Calls), new(State.Held), new(calls)) : null;

    public Task<IActionResult> OnGetAsync() => ShowAsync();

    public async Task<IActionResult> OnPostUpgradeAsync()
    {
        if (await AskAsync(new StartCheckout(Caller, TenantId, Plan ?? "")) is not { } started)
            return Refused ?? await ShowAsync();
        return Leave(started.Url);
    }

    public async Task<IActionResult> OnPostManageAsync()
    {
        ModelState.Clear();
        if (await AskAsync(new OpenPaymentPages(Caller, TenantId)) is not { } pages)
            return Refused ?? await ShowAsync();
        return Leave(pages.Url);
    }

    private PageResult Leave(Uri url)
    {
        Leaving = url;
        return Page();
    }

    private async Task<IActionResult> ShowAsync()
    {
        if (await AskAsync(new GetBilling(Caller, TenantId)) is not { } state)
            return Refused ?? NotFound();
        State = state;
        var current = state.Plans.ToList().FindIndex(p => p.Name == state.Plan.Name);
        Offers = [.. state.Plans.Where((p, i) => i > current && p.LookupKey is not null)];
        Trouble = PlanWords.Trouble(state.Reason, state.Plan.Title, state.EndsAt is { } at ? InZone(at) : null);
        return Page();
    }
}
