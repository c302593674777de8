using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.RateLimiting;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>Where the link of the first mail leads. It changes nothing until the button is pressed: programs that look into mails open links too.</summary>
[EnableRateLimiting(AddressLimits.Tries)]
public sealed class VerifyModel(UserManager<User> users, SignInSteps steps, Browser browser, AccountLog log) : PageModel
{
    [BindProperty(Name = "user", SupportsGet = true)]
    public string UserId { get; set; } = "";

    [BindProperty(Name = "token", SupportsGet = true)]
    public string Token { get; set; } = "";

    public bool Failed { get; private set; }

    public void OnGet()
    {
        Response.Headers.CacheControl = "no-store";
        Response.Headers["Referrer-Policy"] = "no-referrer";
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (await users.FindByIdAsync(UserId) is not { EmailConfirmed: false } user || !(await users.ConfirmEmailAsync(user, Token)).Succeeded)
        {
            Failed = true;
            return Page();
        }

        await log.WriteAsync(user, "verify_email", AuditResult.Done, HttpContext.From(), "", HttpContext.RequestAborted);
        if (browser.SignedUp(HttpContext, user.Email!) is not { } next || User.Identity?.IsAuthenticated == true || user.TwoFactorEnabled)
            return Redirect("/login?verified");
        browser.ForgetSignup(HttpContext);
        await steps.CompleteAsync(HttpContext, user, twoFactors: false, "signed up", news: false);
        return LocalRedirect(next);
    }
}
