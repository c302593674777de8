using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Web.Portal.Frame;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Account;

/// <summary>Registers a passkey of this device.</summary>
[ProveIdentity(OnGet = true)]
public sealed class PasskeyModel(Passkeys passkeys, SessionRenewal renewal) : AccountPage
{
    [BindProperty, Required(ErrorMessage = "Give it a name."), StringLength(60, ErrorMessage = "Use at most 60 characters.")]
    public string Name { get; set; } = "";

    [BindProperty]
    public string? Credential { get; set; }

    public IActionResult OnGet()
    {
        if (!passkeys.WorkUnder(HttpContext))
            return Redirect("/account/security");
        Name = HttpContext.From().Device;
        return Page();
    }

    public async Task<IActionResult> OnGetOptionsAsync() => Content(await passkeys.CreationOptionsAsync(Account), "application/json");

    public async Task<IActionResult> OnPostAsync()
    {
        Name = Clean(Name);
        if (!ModelState.IsValid || Name.Length == 0)
            return Page();
        if (await passkeys.AddAsync(Account, Credential ?? "", Name, HttpContext.From(), Cancel) is { } problem)
        {
            ModelState.AddModelError("", problem);
            return Page();
        }

        await renewal.OutliveAsync(HttpContext, Me.Session, Account, twoFactors: true);
        Said = $"The passkey “{Name}” is added; all other browsers are signed out.";
        return Redirect("/account/security");
    }

    internal static string Clean(string? name)
    {
        var clean = new string((name ?? "").Where(c => !char.IsControl(c)).ToArray()).Trim();
        return clean.Length > 60 ? clean[..60] : clean;
    }
}
