using MediatR;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Team;

/// <summary>Where an invitation's link leads: what it offers, and the button that takes it. Opening it changes nothing.</summary>
public sealed class InviteModel(IMediator mediator, CurrentUser current, ISessions sessions) : PageModel
{
    [BindProperty(SupportsGet = true, Name = "token")]
    public string? Token { get; set; }

    public InvitationOffer? Offer { get; private set; }

    public SignedIn? Me { get; private set; }

    public string? Problem { get; private set; }

    public string Here => "/invite?token=" + Uri.EscapeDataString(Token ?? "");

    public bool IsMine => Me is not null && Offer is not null && string.Equals(Me.Email, Offer.Email, StringComparison.OrdinalIgnoreCase);

    public async Task<IActionResult> OnGetAsync()
    {
        Response.Headers.CacheControl = "no-store";
        // The token is in the address: it goes to no other site, and to none of our own pages' logs of where visitors come from.
        Response.Headers["Referrer-Policy"] = "no-referrer";
        Me = await current.FindAsync();
        var found = await mediator.Send(new FindInvitation(Token), HttpContext.RequestAborted);
        Offer = found.Succeeded ? found.Value : null;
        Problem = found.Refusal?.Message;
        return Page();
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (await current.FindAsync() is not { } me)
            return Redirect("/login?returnUrl=" + Uri.EscapeDataString(Here));
        var accepted = await mediator.Send(new AcceptInvitation(me.UserId, Token), HttpContext.RequestAborted);
        if (accepted.Refusal is { } refusal)
        {
            await OnGetAsync();
            Problem = refusal.Message;
            return Page();
        }

        await sessions.ShowAsync(me.Session.Id, accepted.Value.TenantId, HttpContext.RequestAborted);
        return Redirect("/overview");
    }
}
