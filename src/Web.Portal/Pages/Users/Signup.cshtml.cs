using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;
using MediatR;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>Makes an account. Whether the address had one already is told to its mailbox alone.</summary>
[EnableRateLimiting(AddressLimits.Mails)]
public sealed class SignupModel(IMediator mediator, Tries tries, IOptions<PortalOptions> options, IOptions<MailOptions> mail, Browser browser) : PageModel
{
    [BindProperty, Required(ErrorMessage = "Enter your e-mail address."), StringLength(254)]
    public string Email { get; set; } = "";

    [BindProperty, Required(ErrorMessage = "Choose a password.")]
    public string Password { get; set; } = "";

    /// <summary>From /invite: whoever has it may sign up with the address that was invited, and goes back there.</summary>
    [FromQuery(Name = "invitation")]
    public string? Invitation { get; set; }

    /// <summary>The address that was invited.</summary>
    public string? Invited { get; private set; }

    public bool Open => options.Value.Signup == SignupPolicy.Open || (Invited is not null && options.Value.Signup == SignupPolicy.Invite);

    public int Least => options.Value.MinPasswordLength;

    public bool ByInvitation => options.Value.Signup == SignupPolicy.Invite;

    public bool Sent { get; private set; }

    public bool NoMail => mail.Value.Host.Length == 0;

    public async Task<IActionResult> OnGetAsync()
    {
        if (User.Identity?.IsAuthenticated == true)
            return Redirect("/overview");
        await FindInvitationAsync();
        Email = Invited ?? "";
        return Page();
    }

    public async Task<IActionResult> OnPostAsync()
    {
        await FindInvitationAsync();
        if (!Open)
            return StatusCode(403);
        if (!ModelState.IsValid)
            return Page();
        var email = Email.Trim();
        if (Invited is not null && !string.Equals(email, Invited, StringComparison.OrdinalIgnoreCase))
        {
            ModelState.AddModelError(nameof(Email), $"The invitation is for {Invited}: sign up with that address.");
            return Page();
        }

        // Beyond a few the mailbox has enough of them, and whoever asks isn't told.
        if (tries.Count($"mail/{email.ToLowerInvariant()}") <= Tries.OfMails)
        {
            var outcome = await mediator.Send(new SignUp(email, Password, HttpContext.From()), HttpContext.RequestAborted);
            if (outcome.Refusal is { } refusal)
            {
                tries.GiveBack($"mail/{email.ToLowerInvariant()}"); // none was sent
                foreach (var field in refusal.Fields)
                    ModelState.AddModelError(field.Field, field.Message);
                return Page();
            }
        }

        browser.RememberSignup(HttpContext, email, Invited is null ? "/welcome" : $"/invite?token={Uri.EscapeDataString(Invitation!)}");
        Sent = true;
        return Page();
    }

    private async Task FindInvitationAsync() =>
        Invited = Invitation is { Length: > 0 } && await mediator.Send(new FindInvitation(Invitation), HttpContext.RequestAborted) is { Succeeded: true } found ? found.Value.Email : null;
}
