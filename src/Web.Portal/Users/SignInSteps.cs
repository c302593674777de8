using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Identity;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;

namespace Tokonomics.Web.Portal.Users;

/// <summary>What every way in has in common at its end: the session, the browser that is known from then on, the audit line, and the mail about a new device.</summary>
public sealed class SignInSteps(SignInManager<User> signIn, Browser browser, AccountLog log)
{
    /// <param name="how">For the audit log: "password and one-time code".</param>
    /// <param name="news">False where a new device is no news: the account was made in it.</param>
    public async Task CompleteAsync(HttpContext http, User user, bool twoFactors, string how, bool news = true)
    {
        var from = http.From();
        var known = browser.Knows(http, user);
        await signIn.SignInWithClaimsAsync(user, new AuthenticationProperties { IsPersistent = true }, [new Claim(SessionRenewal.Method, twoFactors ? SessionRenewal.TwoFactors : SessionRenewal.OneFactor)]);
        browser.ForgetStep(http);
        browser.Know(http, user);
        await log.WriteAsync(user, "sign_in", AuditResult.Done, from, how, http.RequestAborted);
        if (news && !known)
            log.Tell(user, "New sign-in to your account", "Somebody, probably you, signed in to your Tokonomics account from a browser that it doesn't know.", from);
    }

    public Task RefuseAsync(HttpContext http, User? user, string how) => log.WriteAsync(user, "sign_in", AuditResult.Denied, http.From(), how, http.RequestAborted);
}
