using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;

namespace Tokonomics.Infrastructure.Users;

public static class UsersSetup
{
    /// <summary>Users, their credentials and sessions, for a host that signs people in.</summary>
    public static IdentityBuilder AddUsers(this IServiceCollection services)
    {
        services.AddUserUseCases();
        services.AddSingleton<ISessions, SqlSessions>();
        services.AddSingleton<ISentForms, SentForms>();
        services.AddDataProtection().SetApplicationName("Tokonomics");
        services.AddSingleton<IXmlRepository, DataProtectionRing>();
        services.AddOptions<KeyManagementOptions>().Configure<IXmlRepository>((o, ring) => o.XmlRepository = ring);
        services.Configure<PasswordHasherOptions>(o => o.IterationCount = 600_000); // PBKDF2-HMAC-SHA512; OWASP asks for 210,000 (read 2026-11-29)
        services.AddSingleton<ILookupNormalizer, LowerCase>();
        services.AddScoped<IUserStore<User>, UserStore>();
        services.AddScoped<AccountLog>();
        services.AddScoped<VerificationMail>();
        services.AddScoped<SecondFactor>();
        return services.AddIdentityCore<User>(o =>
        {
            o.User.RequireUniqueEmail = true;
            o.SignIn.RequireConfirmedEmail = true;
            // Length is what counts; rules of composition only make people write them down (ASVS 6.2.5). The portal has rules of its own besides.
            o.Password.RequiredLength = 10;
            o.Password.RequireDigit = o.Password.RequireLowercase = o.Password.RequireUppercase = o.Password.RequireNonAlphanumeric = false;
            // Wrong tries are counted by the portal, where one person's can't lock out another.
            o.Lockout.AllowedForNewUsers = false;
        }).AddTokenProvider<MailedTokens>(TokenOptions.DefaultProvider);
    }

    private sealed class LowerCase : ILookupNormalizer
    {
        public string? NormalizeName(string? name) => name?.ToLowerInvariant();

        public string? NormalizeEmail(string? email) => email?.ToLowerInvariant();
    }
}
