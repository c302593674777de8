using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>Ends the session: its row is gone, so the cookie is worth nothing, wherever a copy of it is.</summary>
public sealed class LogoutModel(SignInManager<User> signIn, UserManager<User> users, CurrentUser current, AccountLog log) : PageModel
{
    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (await current.FindAsync() is { } me && await users.FindByIdAsync(me.UserId) is { } user)
            await log.WriteAsync(user, "sign_out", AuditResult.Done, HttpContext.From(), "", HttpContext.RequestAborted);
        await signIn.SignOutAsync();
        Response.Headers["Clear-Site-Data"] = "\"prefetchCache\""; // pages that were fetched ahead
        return Redirect("/");
    }
}
