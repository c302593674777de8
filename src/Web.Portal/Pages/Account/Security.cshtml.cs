using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Frame;
using Tokonomics.Web.Portal.Users;
using UserPasskeys = Tokonomics.Web.Portal.Users.Passkeys;

namespace Tokonomics.Web.Portal.Pages.Account;

/// <summary>The credentials of one's account.</summary>
[ProveIdentity]
public sealed class SecurityModel(SecondFactor second, UserPasskeys passkeys, SessionRenewal renewal, IOptions<PortalOptions> options) : AccountPage
{
    /// <summary>Sent here by the operator's area.</summary>
    public bool ForOperator => Request.Query.ContainsKey("operator");

    /// <summary>Shown this once.</summary>
    public IReadOnlyList<string>? Codes { get; private set; }

    public int CodesLeft { get; private set; }

    public IReadOnlyList<UserPasskeyInfo> Passkeys { get; private set; } = [];

    public bool PasskeysWork => passkeys.WorkUnder(HttpContext);

    public string PublicHost => options.Value.PublicUrl.Host;

    public Task OnGetAsync() => ReadAsync();

    public async Task<IActionResult> OnPostCodesAsync()
    {
        if (!await FirstTimeAsync() || !Account.TwoFactorEnabled)
            return Redirect("/account/security");
        Codes = await second.NewRecoveryCodesAsync(Account, HttpContext.From(), Cancel);
        await ReadAsync();
        return Page();
    }

    public async Task<IActionResult> OnPostOffAsync()
    {
        if (Account.TwoFactorEnabled)
        {
            await second.TurnOffAsync(Account, HttpContext.From(), Cancel);
            await renewal.OutliveAsync(HttpContext, Me.Session, Account);
            Said = "One-time codes are off; all other browsers are signed out.";
        }

        return Redirect("/account/security");
    }

    public async Task<IActionResult> OnPostRenameAsync(string id, string name)
    {
        name = PasskeyModel.Clean(name);
        if (name.Length == 0 || !await passkeys.RenameAsync(Account, id, name))
            return NotFound();
        Said = $"The passkey is named “{name}” now.";
        return Redirect("/account/security");
    }

    public async Task<IActionResult> OnPostRemoveAsync(string id)
    {
        if (!await passkeys.RemoveAsync(Account, id, HttpContext.From(), Cancel))
            return NotFound();
        await renewal.OutliveAsync(HttpContext, Me.Session, Account);
        Said = "The passkey is removed; all other browsers are signed out. Delete it from your device too.";
        return Redirect("/account/security");
    }

    private async Task ReadAsync()
    {
        CodesLeft = Account.TwoFactorEnabled ? await Users.CountRecoveryCodesAsync(Account) : 0;
        Passkeys = [.. (await Users.GetPasskeysAsync(Account)).OrderBy(p => p.CreatedAt)];
    }
}
