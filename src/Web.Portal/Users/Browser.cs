using Microsoft.AspNetCore.DataProtection;

namespace Tokonomics.Web.Portal.Users;

/// <summary>
/// Remembers for a day which address signed up in this browser: whoever opens the mailed link in the same one is signed in by it. Elsewhere the link only
/// verifies the address, so that a link that leaks opens no account.
/// </summary>
public sealed class Browser(IDataProtectionProvider protection)
{
    private readonly ITimeLimitedDataProtector _protector = protection.CreateProtector("Tokonomics.Users.Browser").ToTimeLimitedDataProtector();

    public void Remember(HttpContext context, string email) => context.Response.Cookies.Append(Name(context), _protector.Protect(email.ToLowerInvariant(), TimeSpan.FromDays(1)), Options(context));

    public bool SignedUp(HttpContext context, string email)
    {
        try
        {
            return context.Request.Cookies[Name(context)] is { } kept && string.Equals(_protector.Unprotect(kept), email, StringComparison.OrdinalIgnoreCase);
        }
        catch (System.Security.Cryptography.CryptographicException)
        {
            return false; // forged or too old
        }
    }

    public void Forget(HttpContext context) => context.Response.Cookies.Delete(Name(context), Options(context));

    private static string Name(HttpContext context) => Secure(context) ? "__Host-signup" : "signup";

    private static bool Secure(HttpContext context) => context.Request.IsHttps || PortalOptions.IsLocal(context.Request.Host.Host);

    private static CookieOptions Options(HttpContext context) => new() { HttpOnly = true, Secure = Secure(context), SameSite = SameSiteMode.Lax, Path = "/", MaxAge = TimeSpan.FromDays(1) };
}
