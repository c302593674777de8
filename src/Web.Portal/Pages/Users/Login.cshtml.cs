using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Frame;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>Sign-in by password or passkey. Whatever is wrong, the answer is the same, after the same work; so it is for an address whose tries are used up.</summary>
[EnableRateLimiting(AddressLimits.Tries)]
public sealed class LoginModel(UserManager<User> users, SignInSteps steps, Passkeys passkeys, Browser browser, Tries tries, IMailer mailer, IPortalLinks links, IOptions<PortalOptions> options) : PageModel
{
    private const string Wrong = "The e-mail address or the password is wrong, or there were too many tries: then wait fifteen minutes, or reset the password.";

    // What an unknown address is compared with, so that it takes as long as a known one.
    private static readonly User Nobody = new();
    private static string? _nobodysHash;

    [BindProperty, Required(ErrorMessage = "Enter your e-mail address."), StringLength(254)]
    public string Email { get; set; } = "";

    [BindProperty, Required(ErrorMessage = "Enter your password."), StringLength(PasswordRules.MaxLength)]
    public string Password { get; set; } = "";

    [FromQuery]
    public string? ReturnUrl { get; set; }

    public bool SignupOpen => options.Value.Signup == SignupPolicy.Open;

    public bool Passkeys => passkeys.WorkUnder(HttpContext);

    public string? Notice =>
        Request.Query.ContainsKey("verified") ? "Your address is verified. Sign in to go on."
        : Request.Query.ContainsKey("reset") ? "Your password is set, and all browsers were signed out. Sign in with it."
        : Request.Query.ContainsKey("moved") ? "Your e-mail address is changed. Sign in with the new one."
        : null;

    /// <summary>A browser would drop the cookie.</summary>
    public bool Unsafe => !Request.IsHttps && !PortalOptions.IsLocal(Request.Host.Host) && !options.Value.AllowInsecureSignIn;

    public IActionResult OnGet() => SignedIn ? LocalRedirect(Target) : Page();

    public async Task<IActionResult> OnGetPasskeyOptionsAsync()
    {
        Response.Headers.CacheControl = "no-store";
        return Content(await passkeys.RequestOptionsAsync(null), "application/json");
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (SignedIn)
            return LocalRedirect(Target);
        ModelState.Remove("Credential");
        if (!ModelState.IsValid)
            return Page();
        var email = Email.Trim().ToLowerInvariant();
        var user = await users.FindByEmailAsync(email);
        var known = user is not null && browser.Knows(HttpContext, user);
        var key = known ? $"password/{email}/{browser.Id(HttpContext)}" : $"password/{email}";
        var allowed = tries.Count(key) <= Tries.OfPasswords;
        var right = await MatchesAsync(user);
        if (!allowed || !right)
        {
            await steps.RefuseAsync(HttpContext, user, allowed ? "password" : "too many tries");
            ModelState.AddModelError("", Wrong);
            return Page();
        }

        if (!user!.EmailConfirmed)
        {
            await MailAgainAsync(user);
            return Page();
        }

        tries.Forget(key);
        if (user.TwoFactorEnabled)
        {
            browser.HoldStep(HttpContext, user);
            return Redirect("/login/code" + QueryString.Create("returnUrl", Target));
        }

        await steps.CompleteAsync(HttpContext, user, twoFactors: false, "password");
        return LocalRedirect(Target);
    }

    public async Task<IActionResult> OnPostPasskeyAsync(string? credential)
    {
        if (SignedIn)
            return LocalRedirect(Target);
        ModelState.Clear();
        var user = await passkeys.AnsweredByAsync(credential ?? "", HttpContext.RequestAborted);
        if (user is not { EmailConfirmed: true })
        {
            await steps.RefuseAsync(HttpContext, user, "passkey");
            ModelState.AddModelError("", "That passkey is not known here, or the page was open for too long. Try again, or use your password.");
            return Page();
        }

        await steps.CompleteAsync(HttpContext, user, twoFactors: true, "passkey");
        return LocalRedirect(Target);
    }

    private bool SignedIn => User.Identity?.IsAuthenticated == true;

    private string Target => LocalPath.Of(ReturnUrl, "/overview");

    private async Task<bool> MatchesAsync(User? user)
    {
        if (user?.PasswordHash is not null)
            return await users.CheckPasswordAsync(user, Password);
        _nobodysHash ??= users.PasswordHasher.HashPassword(Nobody, Guid.NewGuid().ToString());
        users.PasswordHasher.VerifyHashedPassword(Nobody, _nobodysHash, Password);
        return false;
    }

    // Only whoever knows the password gets here.
    private async Task MailAgainAsync(User user)
    {
        if (tries.Count($"mail/{user.Email}") <= Tries.OfMails)
        {
            var token = await users.GenerateEmailConfirmationTokenAsync(user);
            mailer.Send(new Mail(user.Email!, "Verify your address for Tokonomics", $"Open this link to verify your address. It works for one day.\n\n{links.Link("/verify", ("user", user.Id), ("token", token))}\n\nIf you didn't sign up, ignore this mail: without the link nobody can use the account."));
        }

        ModelState.AddModelError("", "Your address isn't verified yet. We have sent you the link again: open it, then sign in.");
    }
}
