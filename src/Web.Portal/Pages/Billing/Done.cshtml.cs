using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Billing;

/// <summary>Back from paying: is it done?</summary>
public sealed class DoneModel(PlanBook plans) : PortalPage
{
    public CheckoutConfirmed? Confirmed { get; private set; }

    /// <summary>Why it is not known; null where it is.</summary>
    public string? Problem { get; private set; }

    /// <summary>It may become so by itself: the page asks again.</summary>
    public bool Waits { get; private set; }

    public async Task<IActionResult> OnGetAsync([FromQuery(Name = "session_id")] string? session)
    {
        if (string.IsNullOrEmpty(session))
            return Redirect("/billing");
        Confirmed = await AskAsync(new ConfirmCheckout(Caller, TenantId, session));
        if (Confirmed is null)
        {
            if (Refused is not null)
                return Refused;
            Problem = ModelState.Values.SelectMany(v => v.Errors).Select(e => e.ErrorMessage).FirstOrDefault();
            Waits = true;
            return Page();
        }

        Waits = Confirmed is { State: CheckoutState.Complete } && plans.Compare(Confirmed.Plan, plans.Free) == 0;
        return Page();
    }
}
