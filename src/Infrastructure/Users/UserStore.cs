using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Identity.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;

namespace Tokonomics.Infrastructure.Users;

/// <summary>
/// Identity's store over the tenants' database. What it keeps differently: the seed of one-time codes is sealed, of recovery codes there are hashes
/// alone, and users carry no claims, since what a person may do is their member's role.
/// </summary>
internal sealed class UserStore(TokonomicsDbContext db, IDataProtectionProvider protection, IdentityErrorDescriber describer)
    : UserOnlyStore<User, TokonomicsDbContext, string, IdentityUserClaim<string>, IdentityUserLogin<string>, IdentityUserToken<string>, IdentityUserPasskey<string>>(db, describer)
{
    private readonly IDataProtector _seeds = protection.CreateProtector("Tokonomics.Users.TotpSeed");

    public override Task<IList<Claim>> GetClaimsAsync(User user, CancellationToken cancellationToken = default) => Task.FromResult<IList<Claim>>([]);

    public override Task SetAuthenticatorKeyAsync(User user, string key, CancellationToken cancellationToken) =>
        base.SetAuthenticatorKeyAsync(user, _seeds.Protect(key), cancellationToken);

    public override async Task<string?> GetAuthenticatorKeyAsync(User user, CancellationToken cancellationToken) =>
        await base.GetAuthenticatorKeyAsync(user, cancellationToken) is { } kept ? _seeds.Unprotect(kept) : null;

    // Random codes of 50 bits and more need no salt and no slow hash.
    public override Task ReplaceCodesAsync(User user, IEnumerable<string> recoveryCodes, CancellationToken cancellationToken) =>
        base.ReplaceCodesAsync(user, recoveryCodes.Select(Hash), cancellationToken);

    public override Task<bool> RedeemCodeAsync(User user, string code, CancellationToken cancellationToken) =>
        base.RedeemCodeAsync(user, Hash(code), cancellationToken);

    // What the store itself writes back of codes that are left is hashed already.
    private static string Hash(string code) => code.Length == 64 && code.All(char.IsAsciiHexDigitLower) ? code : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(code.Trim().ToUpperInvariant())));
}
