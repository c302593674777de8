using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>Sign-in by password. Whatever is wrong, the answer is the same, after the same work.</summary>
public sealed class LoginModel(SignInManager<User> signIn, UserManager<User> users, IOptions<PortalOptions> options) : PageModel
{
    private const string Wrong = "The e-mail address or the password is wrong, or there were too many tries: then wait five minutes, or reset the password.";

    // What an unknown address is compared with, so that it takes as long as a known one.
    private static readonly User Nobody = new();
    private static string? _nobodysHash;

    [BindProperty, Required(ErrorMessage = "Enter your e-mail address.")]
    public string Email { get; set; } = "";

    [BindProperty, Required(ErrorMessage = "Enter your password.")]
    public string Password { get; set; } = "";

    [FromQuery]
    public string? ReturnUrl { get; set; }

    public bool SignupOpen => options.Value.Signup == SignupPolicy.Open;

    public bool Verified => Request.Query.ContainsKey("verified");

    /// <summary>A browser would drop the cookie.</summary>
    public bool Unsafe => !Request.IsHttps && !PortalOptions.IsLocal(Request.Host.Host) && !options.Value.AllowInsecureSignIn;

    public IActionResult OnGet() => User.Identity?.IsAuthenticated == true ? LocalRedirect(Target) : Page();

    public async Task<IActionResult> OnPostAsync()
    {
        if (User.Identity?.IsAuthenticated == true)
            return LocalRedirect(Target);
        if (!ModelState.IsValid)
            return Page();
        if (await users.FindByEmailAsync(Email.Trim()) is not { PasswordHash: not null } user)
        {
            _nobodysHash ??= users.PasswordHasher.HashPassword(Nobody, Guid.NewGuid().ToString());
            users.PasswordHasher.VerifyHashedPassword(Nobody, _nobodysHash, Password);
            return Refuse();
        }

        var result = await signIn.PasswordSignInAsync(user, Password, isPersistent: true, lockoutOnFailure: true);
        if (result.Succeeded)
            return LocalRedirect(Target);
        return Refuse();
    }

    // Only a path of this portal: "//elsewhere" and "/\elsewhere" are other sites' addresses.
    private string Target => Url.IsLocalUrl(ReturnUrl) ? ReturnUrl! : "/overview";

    private PageResult Refuse()
    {
        ModelState.AddModelError("", Wrong);
        return Page();
    }
}
