using System.ComponentModel.DataAnnotations;
using MediatR;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>Where the mailed link leads. It signs nobody in: the second factor is asked for at the door, as ever.</summary>
[EnableRateLimiting(AddressLimits.Tries)]
public sealed class ResetModel(IMediator mediator, Tries tries, IOptions<PortalOptions> options) : PageModel
{
    [BindProperty(Name = "user", SupportsGet = true)]
    public string UserId { get; set; } = "";

    [BindProperty(Name = "token", SupportsGet = true)]
    public string Token { get; set; } = "";

    [BindProperty, Required(ErrorMessage = "Choose a password.")]
    public string Password { get; set; } = "";

    public int Least => options.Value.MinPasswordLength;

    public bool Failed { get; private set; }

    public void OnGet()
    {
        Response.Headers.CacheControl = "no-store";
        Response.Headers["Referrer-Policy"] = "no-referrer"; // the address has the token
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (!ModelState.IsValid)
            return Page();
        var outcome = await mediator.Send(new ResetPassword(UserId, Token, Password, HttpContext.From()), HttpContext.RequestAborted);
        if (outcome.Refusal is { } refusal)
        {
            Failed = refusal.Kind != RefusalKind.Invalid;
            ModelState.AddModelError(nameof(Password), refusal.Message);
            return Page();
        }

        tries.Forget($"password/{outcome.Value.User.Email}");
        return Redirect("/login?reset");
    }
}
