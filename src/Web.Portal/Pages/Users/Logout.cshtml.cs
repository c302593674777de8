using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Tokonomics.Application.Users;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>Ends the session: its row is gone, so the cookie is worth nothing, wherever a copy of it is.</summary>
public sealed class LogoutModel(SignInManager<User> signIn) : PageModel
{
    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync()
    {
        await signIn.SignOutAsync();
        return Redirect("/");
    }
}
