using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Frame;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Account;

/// <summary>A new password; all other sessions end.</summary>
[ProveIdentity(OnGet = true)]
[EnableRateLimiting(AddressLimits.Tries)]
public sealed class PasswordModel(SessionRenewal renewal, Tries tries, IOptions<PortalOptions> options) : AccountPage
{
    [BindProperty, Required(ErrorMessage = "Enter your current password."), StringLength(PasswordRules.MaxLength)]
    public string Current { get; set; } = "";

    [BindProperty, Required(ErrorMessage = "Choose a password.")]
    public string Password { get; set; } = "";

    public int Least => options.Value.MinPasswordLength;

    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (!ModelState.IsValid)
            return Page();
        if (tries.Count($"prove/{Me.UserId}") > Tries.OfPasswords)
        {
            ModelState.AddModelError(nameof(Current), "There were too many tries: wait fifteen minutes.");
            return Page();
        }

        var outcome = await Mediator.Send(new ChangePassword(Me.UserId, Current, Password, HttpContext.From()), Cancel);
        if (outcome.Refusal is { } refusal)
        {
            Show(refusal);
            return Page();
        }

        tries.Forget($"prove/{Me.UserId}");
        await renewal.OutliveAsync(HttpContext, Me.Session, outcome.Value.User);
        Said = "Your password is changed; all other browsers are signed out.";
        return Redirect("/account/security");
    }
}
