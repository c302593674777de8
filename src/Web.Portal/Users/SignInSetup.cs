using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Users;
using Tokonomics.Infrastructure.Users;

namespace Tokonomics.Web.Portal.Users;

/// <summary>How people sign in, and how every cookie of the portal is kept.</summary>
internal static class SignInSetup
{
    public static void AddSignIn(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddHttpContextAccessor();
        services.AddScoped<CurrentUser>();
        services.AddSingleton<Browser>();
        services.AddSingleton<Tries>();
        services.AddScoped<SessionRenewal>();
        services.AddScoped<SignInSteps>();
        services.AddScoped<Passkeys>();
        services.AddAddressLimits();
        services.AddUsers().AddSignInManager();
        services.RemoveAll<IPasswordValidator<User>>();
        services.AddScoped<IPasswordValidator<User>, PasswordRules>();
        // A ticket's stamp is compared with the user's at each request, in SessionTickets.
        services.Configure<SecurityStampValidatorOptions>(o => o.ValidationInterval = ISessions.Longest);
        services.AddOptions<IdentityPasskeyOptions>().Configure<IOptions<PortalOptions>>((o, portal) =>
        {
            o.ServerDomain = portal.Value.PublicUrl.Host;
            o.UserVerificationRequirement = "required";
            o.ResidentKeyRequirement = "required";
            var origin = portal.Value.PublicUrl.GetLeftPart(UriPartial.Authority);
            o.ValidateOrigin = context => ValueTask.FromResult(context.Origin == origin && !context.CrossOrigin);
        });
        services.AddAuthentication(IdentityConstants.ApplicationScheme).AddIdentityCookies();
        services.AddAuthorization();
        services.AddSingleton<SessionTickets>();
        // Without TLS, and not on this machine, a browser keeps no Secure cookie: then the name can't have the prefix that asks for it.
        var insecure = configuration.GetValue<bool>("Portal:AllowInsecureSignIn");
        services.AddOptions<CookieAuthenticationOptions>(IdentityConstants.ApplicationScheme).Configure<SessionTickets>((o, tickets) =>
        {
            Keep(o.Cookie, "session", insecure);
            o.SessionStore = tickets;
            o.ExpireTimeSpan = ISessions.Longest;
            o.SlidingExpiration = false;
            o.LoginPath = "/login";
            o.LogoutPath = "/logout";
            o.AccessDeniedPath = "/forbidden";
            o.ReturnUrlParameter = "returnUrl";
        });
        foreach (var (scheme, name) in new[] { (IdentityConstants.TwoFactorUserIdScheme, "second"), (IdentityConstants.TwoFactorRememberMeScheme, "trusted"), (IdentityConstants.ExternalScheme, "external") })
            services.Configure<CookieAuthenticationOptions>(scheme, o => Keep(o.Cookie, name, insecure));
        services.AddAntiforgery(o =>
        {
            Keep(o.Cookie, "form", insecure);
            o.Cookie.SameSite = SameSiteMode.Strict;
            o.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest; // it would refuse http on this machine, where browsers keep Secure cookies; the policy below makes it Secure
            o.FormFieldName = "form_token";
        });
        services.Configure<CookiePolicyOptions>(o => o.Secure = insecure ? CookieSecurePolicy.SameAsRequest : CookieSecurePolicy.Always);
        services.Configure<CookieTempDataProviderOptions>(o => Keep(o.Cookie, "said", insecure));
    }

    private static void Keep(CookieBuilder cookie, string name, bool insecure)
    {
        cookie.Name = (insecure ? "" : "__Host-") + name;
        cookie.HttpOnly = true;
        cookie.SameSite = SameSiteMode.Lax;
        cookie.SecurePolicy = insecure ? CookieSecurePolicy.SameAsRequest : CookieSecurePolicy.Always;
        cookie.Path = "/";
        cookie.IsEssential = true;
    }
}
