using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.Extensions.Options;
using MediatR;
using Tokonomics.Application.Tenants;
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

    /// <summary>Of an invitation: its address may make an account also where others need one.</summary>
    [BindProperty(SupportsGet = true, Name = "invite")]
    public string? InvitationToken { get; set; }

    private string? _invited;

    public bool Open => options.Value.Signup == SignupPolicy.Open || (options.Value.Signup == SignupPolicy.Invite && _invited is not null);

    public bool ByInvitation => options.Value.Signup == SignupPolicy.Invite;

    public bool Sent { get; private set; }

    public bool NoMail => mail.Value.Host.Length == 0;

    public async Task<IActionResult> OnGetAsync()
    {
        if (User.Identity?.IsAuthenticated == true)
            return Redirect("/overview");
        await FindInvitationAsync();
        Email = _invited ?? "";
        return Page();
    }

    private async Task FindInvitationAsync()
    {
        if (InvitationToken is not null && await mediator.Send(new FindInvitation(InvitationToken), HttpContext.RequestAborted) is { Succeeded: true } found)
            _invited = found.Value.Email;
    }

    public async Task<IActionResult> OnPostAsync()
    {
        await FindInvitationAsync();
        if (!Open)
            return StatusCode(403);
        if (!ModelState.IsValid)
            return Page();
        if (options.Value.Signup == SignupPolicy.Invite && !string.Equals(Email.Trim(), _invited, StringComparison.OrdinalIgnoreCase))
        {
            ModelState.AddModelError(nameof(Email), $"The invitation is for {_invited}.");
            return Page();
        }

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
