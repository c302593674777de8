using MediatR;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.RateLimiting;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>Where the link to the new address leads; opened in whichever browser. It changes nothing until the button is pressed.</summary>
[EnableRateLimiting(AddressLimits.Tries)]
public sealed class VerifyEmailModel(IMediator mediator, CurrentUser current, ISessions sessions, SessionRenewal renewal) : PageModel
{
    [BindProperty(Name = "user", SupportsGet = true)]
    public string UserId { get; set; } = "";

    [BindProperty(Name = "email", SupportsGet = true)]
    public string Email { get; set; } = "";

    [BindProperty(Name = "token", SupportsGet = true)]
    public string Token { get; set; } = "";

    public bool Failed { get; private set; }

    /// <summary>Said at the top of the next page.</summary>
    [TempData]
    public string? Said { get; set; }

    public void OnGet()
    {
        Response.Headers.CacheControl = "no-store";
        Response.Headers["Referrer-Policy"] = "no-referrer";
    }

    public async Task<IActionResult> OnPostAsync()
    {
        var me = await current.FindAsync();
        var outcome = await mediator.Send(new ConfirmEmailChange(UserId, Email, Token, HttpContext.From()), HttpContext.RequestAborted);
        if (!outcome.Succeeded)
        {
            Failed = true;
            return Page();
        }

        if (me?.UserId == UserId)
        {
            await renewal.OutliveAsync(HttpContext, me.Session, outcome.Value.User);
            Said = "Your e-mail address is changed.";
            return Redirect("/account");
        }

        await sessions.EndAsync(UserId, null, null, HttpContext.RequestAborted);
        return Redirect("/login?moved");
    }
}
