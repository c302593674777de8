using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Identity;
using Tokonomics.Application.Users;

namespace Tokonomics.Web.Portal.Users;

/// <summary>What a browser keeps for us between requests besides its session, each in a protected cookie of its own.</summary>
public sealed class Browser(IDataProtectionProvider protection, TimeProvider time)
{
    private static readonly TimeSpan SignupLife = TimeSpan.FromDays(1), StepLife = TimeSpan.FromMinutes(10), KnownLife = TimeSpan.FromDays(180);

    /// <summary>
    /// Which address signed up in this browser: whoever opens the mailed link in the same one is signed in by it. Elsewhere the link only verifies the
    /// address, so that a link that leaks opens no account.
    /// </summary>
    /// <param name="next">Where it goes on after that; a path of the portal.</param>
    public void RememberSignup(HttpContext http, string email, string next = "/welcome") => Put(http, "signup", SignupLife, email.ToLowerInvariant(), next);

    /// <returns>Where to go on; null where another address or none signed up here.</returns>
    public string? SignedUp(HttpContext http, string email) => Read(http, "signup") is [var kept, var next] && string.Equals(kept, email, StringComparison.OrdinalIgnoreCase) ? next : null;

    public void ForgetSignup(HttpContext http) => Take(http, "signup");

    /// <summary>The password was right; the code is asked for next. Worth nothing once any credential of the user has changed.</summary>
    public void HoldStep(HttpContext http, User user) => Put(http, "step", StepLife, user.Id, Mark(user));

    public async Task<User?> HeldStepAsync(HttpContext http, UserManager<User> users) =>
        Read(http, "step") is [var id, var mark] && await users.FindByIdAsync(id) is { } user && Mark(user) == mark ? user : null;

    public void ForgetStep(HttpContext http) => Take(http, "step");

    /// <summary>
    /// Who signs in from a browser that they signed in from before has a counter of their own for wrong passwords: nobody else can use up their tries. It ends
    /// with any change of a credential, except in the browser that made it.
    /// </summary>
    public bool Knows(HttpContext http, User user) => Read(http, "known")?.Contains(Entry(user)) == true;

    /// <summary>The browser's own random name; null where it has none yet.</summary>
    public string? Id(HttpContext http) => Read(http, "known")?[0];

    public void Know(HttpContext http, User user)
    {
        var kept = Read(http, "known") ?? [Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))];
        // The last few people who share the browser.
        Put(http, "known", KnownLife, [kept[0], Entry(user), .. kept.Skip(1).Where(e => !e.StartsWith(user.Id + ":", StringComparison.Ordinal)).Take(4)]);
    }

    private static string Entry(User user) => $"{user.Id}:{Mark(user)}";

    // Tells one stamp from another without being it.
    private static string Mark(User user) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(user.SecurityStamp ?? "")))[..16];

    private void Put(HttpContext http, string name, TimeSpan life, params string[] parts)
    {
        var text = string.Join('\n', [(time.GetUtcNow() + life).ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture), .. parts]);
        http.Response.Cookies.Append(Name(http, name), Protector(name).Protect(text), Options(http, life));
    }

    private string[]? Read(HttpContext http, string name)
    {
        if (http.Request.Cookies[Name(http, name)] is not { } kept)
            return null;
        try
        {
            var parts = Protector(name).Unprotect(kept).Split('\n');
            return long.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture) > time.GetUtcNow().ToUnixTimeSeconds() ? parts[1..] : null;
        }
        catch (CryptographicException)
        {
            return null; // forged, or of another installation
        }
    }

    private static void Take(HttpContext http, string name) => http.Response.Cookies.Delete(Name(http, name), Options(http, TimeSpan.Zero));

    private IDataProtector Protector(string name) => protection.CreateProtector("Tokonomics.Users.Browser", name);

    private static string Name(HttpContext http, string name) => (Secure(http) ? "__Host-" : "") + name;

    private static bool Secure(HttpContext http) => http.Request.IsHttps || PortalOptions.IsLocal(http.Request.Host.Host);

    private static CookieOptions Options(HttpContext http, TimeSpan life) => new() { HttpOnly = true, Secure = Secure(http), SameSite = SameSiteMode.Lax, Path = "/", MaxAge = life == TimeSpan.Zero ? null : life };
}
