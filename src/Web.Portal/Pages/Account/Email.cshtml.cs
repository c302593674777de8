using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.RateLimiting;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Frame;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Account;

/// <summary>Begins the change of one's e-mail address; the mailed link ends it.</summary>
[ProveIdentity(OnGet = true)]
[EnableRateLimiting(AddressLimits.Mails)]
public sealed class EmailModel(Tries tries) : AccountPage
{
    [BindProperty, Required(ErrorMessage = "Enter the new address."), StringLength(254)]
    public string Email { get; set; } = "";

    public bool Sent { get; private set; }

    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync()
    {
        Email = Email.Trim();
        if (!ModelState.IsValid)
            return Page();
        if (tries.Count($"mail/from/{Me.UserId}") > Tries.OfMails)
        {
            ModelState.AddModelError(nameof(Email), "You have asked for several links just now: wait fifteen minutes.");
            return Page();
        }

        var outcome = await Mediator.Send(new RequestEmailChange(Me.UserId, Email, HttpContext.From()), Cancel);
        if (outcome.Refusal is { } refusal)
            Show(refusal);
        Sent = outcome.Succeeded;
        return Page();
    }
}
