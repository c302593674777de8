using MediatR;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>Where the link that the console prints at the first start leads: whoever has it owns the tenant that was made then.</summary>
[EnableRateLimiting(AddressLimits.Tries)]
public sealed class ClaimModel(IMediator mediator, CurrentUser current, SignInSteps steps, ISessions sessions, IOptions<PortalOptions> options) : PageModel
{
    [FromRoute]
    public string Token { get; set; } = "";

    [BindProperty]
    public string? Email { get; set; }

    [BindProperty]
    public string? Password { get; set; }

    public OfferFound? Offer { get; private set; }

    public string? SignedInAs { get; private set; }

    public int Least => options.Value.MinPasswordLength;

    /// <summary>Where the settings name an operator it is them.</summary>
    public bool FirstOperator => options.Value.Operators.Length == 0;

    public async Task<IActionResult> OnGetAsync()
    {
        await FindAsync();
        return Page();
    }

    public async Task<IActionResult> OnPostAsync()
    {
        var me = await FindAsync();
        if (Offer is null)
            return Page();
        var outcome = await mediator.Send(new ClaimTenant(Token, me?.UserId, (Email ?? "").Trim(), Password ?? "", FirstOperator, HttpContext.From()), HttpContext.RequestAborted);
        if (outcome.Refusal is { } refusal)
        {
            if (refusal.Kind == RefusalKind.NotFound)
                Offer = null;
            foreach (var field in refusal.Fields)
                ModelState.AddModelError(field.Field, field.Message);
            return Page();
        }

        if (me is null)
            await steps.CompleteAsync(HttpContext, outcome.Value.User, twoFactors: false, "claim", news: false);
        else
            await sessions.ShowAsync(me.Session.Id, outcome.Value.TenantId, HttpContext.RequestAborted);
        return Redirect("/start");
    }

    private async Task<SignedIn?> FindAsync()
    {
        Response.Headers.CacheControl = "no-store";
        Response.Headers["Referrer-Policy"] = "no-referrer";
        Offer = await mediator.Send(new FindOffer(Token), HttpContext.RequestAborted) is { Succeeded: true } found ? found.Value : null;
        var me = await current.FindAsync();
        SignedInAs = me?.Email;
        return me;
    }
}
