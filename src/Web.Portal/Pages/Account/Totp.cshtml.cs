using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Html;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Frame;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Account;

/// <summary>Sets one-time codes up. Until a code proves that the app has the seed, it is nowhere but in this form, protected.</summary>
[ProveIdentity(OnGet = true)]
public sealed class TotpModel(SecondFactor second, SessionRenewal renewal, Tries tries, IDataProtectionProvider protection) : AccountPage
{
    private readonly IDataProtector _setups = protection.CreateProtector("Tokonomics.Users.TotpSetup");

    /// <summary>Whose seed it is, and the seed.</summary>
    [BindProperty]
    public string? Setup { get; set; }

    [BindProperty, Required(ErrorMessage = "Enter the code."), StringLength(10)]
    public string Code { get; set; } = "";

    /// <summary>Shown this once.</summary>
    public IReadOnlyList<string>? Codes { get; private set; }

    public IHtmlContent Picture { get; private set; } = HtmlString.Empty;

    public string SeedInGroups { get; private set; } = "";

    public IActionResult OnGet()
    {
        if (Account.TwoFactorEnabled)
            return Redirect("/account/security");
        Show(Totp.NewSeed());
        return Page();
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (Account.TwoFactorEnabled || Seed() is not { } seed)
            return Redirect("/account/security");
        Show(seed);
        if (!ModelState.IsValid)
            return Page();
        if (tries.Count($"setup/{Me.UserId}") <= Tries.OfPasswords)
            Codes = await second.TurnOnAsync(Account, seed, Code, HttpContext.From(), Cancel);
        if (Codes is null)
        {
            ModelState.AddModelError(nameof(Code), "That isn't the code of now. Look at the app again, and at its clock; after ten tries wait fifteen minutes.");
            return Page();
        }

        await renewal.OutliveAsync(HttpContext, Me.Session, Account, twoFactors: true);
        return Page();
    }

    private void Show(string seed)
    {
        Setup = _setups.Protect($"{Me.UserId}\n{seed}");
        ModelState.Remove(nameof(Setup));
        SeedInGroups = string.Join(' ', seed.Chunk(4).Select(c => new string(c)));
        Picture = QrPicture.Svg(Totp.Address(Me.Email, seed), "QR code for your authenticator app; the same as text stands below");
    }

    private string? Seed()
    {
        try
        {
            return _setups.Unprotect(Setup ?? "").Split('\n') is [var user, var seed] && user == Me.UserId ? seed : null;
        }
        catch (CryptographicException)
        {
            return null; // forged
        }
    }
}
