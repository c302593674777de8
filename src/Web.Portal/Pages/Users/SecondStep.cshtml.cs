using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.RateLimiting;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Frame;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>After the password the code, for accounts that have one-time codes on.</summary>
[EnableRateLimiting(AddressLimits.Tries)]
public sealed class SecondStepModel(UserManager<User> users, SecondFactor second, SignInSteps steps, Browser browser, Tries tries, AccountLog log) : PageModel
{
    [BindProperty, Required(ErrorMessage = "Enter the code."), StringLength(20)]
    public string Code { get; set; } = "";

    [FromQuery]
    public string? ReturnUrl { get; set; }

    /// <summary>Said at the top of the next page.</summary>
    [TempData]
    public string? Said { get; set; }

    public async Task<IActionResult> OnGetAsync() => await browser.HeldStepAsync(HttpContext, users) is null ? Redirect("/login") : Page();

    public async Task<IActionResult> OnPostAsync()
    {
        if (await browser.HeldStepAsync(HttpContext, users) is not { TwoFactorEnabled: true } user)
            return Redirect("/login");
        if (!ModelState.IsValid)
            return Page();
        var key = browser.Knows(HttpContext, user) ? $"code/{user.Id}/{browser.Id(HttpContext)}" : $"code/{user.Id}";
        var count = tries.Count(key);
        var kind = count <= Tries.OfCodes ? await second.TakeAsync(user, Code, HttpContext.From(), HttpContext.RequestAborted) : CodeKind.Wrong;
        if (kind == CodeKind.Wrong)
        {
            await steps.RefuseAsync(HttpContext, user, count <= Tries.OfCodes ? "one-time code" : "too many codes");
            if (count == Tries.OfCodes)
                log.Tell(user, "Somebody knows your password", $"Somebody entered the right password for your Tokonomics account and then {Tries.OfCodes} wrong codes. They did not get in.", HttpContext.From());
            ModelState.AddModelError("", "That code is wrong or was used already, or there were too many tries: then wait fifteen minutes. A code lives for half a minute; take the next one.");
            return Page();
        }

        tries.Forget(key);
        await steps.CompleteAsync(HttpContext, user, twoFactors: true, kind == CodeKind.OneTime ? "password and one-time code" : "password and recovery code");
        if (kind == CodeKind.Recovery)
            Said = $"You used a recovery code; {await users.CountRecoveryCodesAsync(user)} are left. Make new ones under Account, Security.";
        return LocalRedirect(LocalPath.Of(ReturnUrl, "/overview"));
    }
}
