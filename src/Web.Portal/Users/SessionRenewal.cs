using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Users;

namespace Tokonomics.Web.Portal.Users;

/// <summary>
/// After a credential was presented again, or changed: the session goes on under a new key, so that whoever copied the old cookie is left behind (ASVS 7.2.4), and
/// with the user's stamp of now, so that it outlives the change that ends all others.
/// </summary>
public sealed class SessionRenewal(ISessions sessions, SessionTickets tickets, SignInManager<User> signIn, Browser browser, IOptionsMonitor<CookieAuthenticationOptions> cookies)
{
    /// <summary>The claim that says how somebody signed in (RFC 8176).</summary>
    public const string Method = "amr";

    public const string OneFactor = "pwd";

    public const string TwoFactors = "mfa";

    // How the cookie handler names what it puts into its cookie.
    private const string KeyClaim = "Microsoft.AspNetCore.Authentication.Cookies-SessionId";

    /// <summary>A credential of the user has changed: this session goes on, all others end.</summary>
    public async Task OutliveAsync(HttpContext http, OpenSession session, User user, bool twoFactors = false)
    {
        await sessions.EndAsync(user.Id, null, session.Id, http.RequestAborted);
        await RenewAsync(http, session, user, twoFactors);
        browser.Know(http, user);
    }

    /// <param name="user">As they are now in the store.</param>
    /// <param name="twoFactors">Two factors were presented just now; otherwise what the session had stays.</param>
    public async Task RenewAsync(HttpContext http, OpenSession session, User user, bool twoFactors)
    {
        var scheme = IdentityConstants.ApplicationScheme;
        var principal = await signIn.CreateUserPrincipalAsync(user);
        var had = http.User.FindFirstValue(Method) ?? OneFactor;
        ((ClaimsIdentity)principal.Identity!).AddClaim(new Claim(Method, twoFactors ? TwoFactors : had));
        var properties = (await http.AuthenticateAsync(scheme)).Properties ?? new AuthenticationProperties();
        var key = SessionTickets.NewKey();
        await sessions.ProveAsync(session.Id, key, tickets.Protect(new AuthenticationTicket(principal, properties, scheme)), http.RequestAborted);

        var options = cookies.Get(scheme);
        var pointer = new ClaimsPrincipal(new ClaimsIdentity([new Claim(KeyClaim, key, ClaimValueTypes.String, options.ClaimsIssuer)], scheme));
        var cookie = options.Cookie.Build(http);
        cookie.Expires = properties.ExpiresUtc;
        options.CookieManager.AppendResponseCookie(http, options.Cookie.Name!, options.TicketDataFormat.Protect(new AuthenticationTicket(pointer, scheme)), cookie);
    }
}
