using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.Extensions.Options;
using MediatR;
using Tokonomics.Application.Users;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>Makes an account. Whether the address had one already is told to its mailbox alone.</summary>
public sealed class SignupModel(IMediator mediator, IOptions<PortalOptions> options, IOptions<MailOptions> mail, Browser browser) : PageModel
{
    [BindProperty, Required(ErrorMessage = "Enter your e-mail address.")]
    public string Email { get; set; } = "";

    [BindProperty, Required(ErrorMessage = "Choose a password.")]
    public string Password { get; set; } = "";

    public bool Open => options.Value.Signup == SignupPolicy.Open;

    public bool ByInvitation => options.Value.Signup == SignupPolicy.Invite;

    public bool Sent { get; private set; }

    public bool NoMail => mail.Value.Host.Length == 0;

    public IActionResult OnGet() => User.Identity?.IsAuthenticated == true ? Redirect("/overview") : Page();

    public async Task<IActionResult> OnPostAsync()
    {
        if (!Open)
            return StatusCode(403);
        if (!ModelState.IsValid)
            return Page();
        var outcome = await mediator.Send(new SignUp(Email.Trim(), Password), HttpContext.RequestAborted);
        if (outcome.Refusal is { } refusal)
        {
            foreach (var field in refusal.Fields)
                ModelState.AddModelError(field.Field, field.Message);
            return Page();
        }

        browser.Remember(HttpContext, Email.Trim());
        Sent = true;
        return Page();
    }
}
