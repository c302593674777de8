using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.AspNetCore.RateLimiting;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Frame;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages;

/// <summary>
/// Asks for a credential again, then leads back: what is dangerous wants to know that it is still the same person. Whoever has one-time codes shows a code; the
/// password alone would be less than what signed them in.
/// </summary>
[EnableRateLimiting(AddressLimits.Tries)]
public sealed class ProveModel(UserManager<User> users, SecondFactor second, Passkeys passkeys, SessionRenewal renewal, AccountLog log, Tries tries) : PortalPage
{
    [FromQuery]
    public string? ReturnUrl { get; set; }

    /// <summary>A form was sent too late.</summary>
    public bool Unsent => Request.Query.ContainsKey("unsent");

    /// <summary>The password isn't enough.</summary>
    public bool Second => Request.Query.ContainsKey("second");

    [BindProperty]
    public string? Password { get; set; }

    [BindProperty]
    public string? Code { get; set; }

    [BindProperty]
    public string? Credential { get; set; }

    public bool AsksCode { get; private set; }

    public bool AsksPassword { get; private set; }

    public bool HasPasskeys { get; private set; }

    protected override bool NeedsTenant => false;

    private User Account { get; set; } = null!;

    public override Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next) =>
        base.OnPageHandlerExecutionAsync(context, async () =>
        {
            Account = (await users.FindByIdAsync(Me.UserId))!;
            AsksCode = Account.TwoFactorEnabled;
            AsksPassword = !AsksCode && !Second && Account.PasswordHash is not null;
            HasPasskeys = passkeys.WorkUnder(HttpContext) && (await users.GetPasskeysAsync(Account)).Count > 0;
            return await next();
        });

    public void OnGet()
    {
    }

    public async Task<IActionResult> OnGetPasskeyOptionsAsync() => Content(await passkeys.RequestOptionsAsync(Account), "application/json");

    public async Task<IActionResult> OnPostAsync()
    {
        if (!AsksCode && !AsksPassword)
            return Page();
        var key = $"prove/{Me.UserId}";
        var allowed = tries.Count(key) <= (AsksCode ? Tries.OfCodes : Tries.OfPasswords);
        var right = AsksCode
            ? allowed && await second.TakeAsync(Account, Code ?? "", HttpContext.From(), Cancel) != CodeKind.Wrong
            : await users.CheckPasswordAsync(Account, Password ?? "") && allowed;
        if (right)
        {
            tries.Forget(key);
            return await ProvedAsync(AsksCode ? "one-time code" : "password", AsksCode);
        }

        await log.WriteAsync(Account, "prove_identity", AuditResult.Denied, HttpContext.From(), AsksCode ? "one-time code" : "password", Cancel);
        ModelState.AddModelError("", $"That is not right, or there were too many tries: then wait {Tries.Window.TotalMinutes:0} minutes.");
        return Page();
    }

    public async Task<IActionResult> OnPostPasskeyAsync()
    {
        if (await passkeys.AnsweredByAsync(Credential ?? "", Cancel) is { } user && user.Id == Me.UserId)
        {
            Account = user;
            return await ProvedAsync("passkey", true);
        }

        await log.WriteAsync(Account, "prove_identity", AuditResult.Denied, HttpContext.From(), "passkey", Cancel);
        ModelState.AddModelError("", "That passkey was not accepted. Try again.");
        return Page();
    }

    private async Task<IActionResult> ProvedAsync(string how, bool twoFactors)
    {
        await renewal.RenewAsync(HttpContext, Me.Session, Account, twoFactors);
        await log.WriteAsync(Account, "prove_identity", AuditResult.Done, HttpContext.From(), how, Cancel);
        return LocalRedirect(LocalPath.Of(ReturnUrl, "/overview"));
    }
}
