using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>Where the link of the first mail leads. It changes nothing until the button is pressed: programs that look into mails open links too.</summary>
public sealed class VerifyModel(UserManager<User> users, SignInManager<User> signIn, Browser browser) : PageModel
{
    [BindProperty(Name = "user", SupportsGet = true)]
    public string UserId { get; set; } = "";

    [BindProperty(Name = "token", SupportsGet = true)]
    public string Token { get; set; } = "";

    public bool Failed { get; private set; }

    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (await users.FindByIdAsync(UserId) is not { } user || !(await users.ConfirmEmailAsync(user, Token)).Succeeded)
        {
            Failed = true;
            return Page();
        }

        if (!browser.SignedUp(HttpContext, user.Email!) || User.Identity?.IsAuthenticated == true || user.TwoFactorEnabled)
            return Redirect("/login?verified");
        browser.Forget(HttpContext);
        await signIn.SignInAsync(user, isPersistent: true);
        return Redirect("/welcome");
    }
}
