using System.ComponentModel.DataAnnotations;
using MediatR;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Users;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>Asks for a link that sets a new password. The answer is the same whether the address has an account or not.</summary>
[EnableRateLimiting(AddressLimits.Mails)]
public sealed class ForgotModel(IMediator mediator, Tries tries, IOptions<MailOptions> mail) : PageModel
{
    [BindProperty, Required(ErrorMessage = "Enter your e-mail address."), StringLength(254)]
    public string Email { get; set; } = "";

    public bool Sent { get; private set; }

    public bool NoMail => mail.Value.Host.Length == 0;

    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (!ModelState.IsValid)
            return Page();
        var email = Email.Trim().ToLowerInvariant();
        // Beyond a few the mailbox has enough of them, and whoever asks isn't told.
        if (tries.Count($"mail/{email}") <= Tries.OfMails)
        {
            var outcome = await mediator.Send(new RequestPasswordReset(email, HttpContext.From()), HttpContext.RequestAborted);
            if (outcome.Refusal is { } refusal)
            {
                ModelState.AddModelError(nameof(Email), refusal.Message);
                return Page();
            }
        }

        Sent = true;
        return Page();
    }
}
