using System.Globalization;
using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Identity;
using Tokonomics.Application.Users;

namespace Tokonomics.Infrastructure.Users;

/// <summary>
/// What stands in mailed links: who, what for, until when, and the user's security stamp, which changes with every credential, so that a link is used up by what
/// it does and by whatever else happens meanwhile. Protected by the ring; nothing of it is kept here.
/// </summary>
internal sealed class MailedTokens(IDataProtectionProvider protection, TimeProvider time) : IUserTwoFactorTokenProvider<User>
{
    private readonly IDataProtector _protector = protection.CreateProtector("Tokonomics.Users.MailedTokens");

    public Task<string> GenerateAsync(string purpose, UserManager<User> manager, User user) =>
        Task.FromResult(_protector.Protect(string.Join('\n', (time.GetUtcNow() + Life(purpose)).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture), user.Id, user.SecurityStamp, purpose)));

    public Task<bool> ValidateAsync(string purpose, string token, UserManager<User> manager, User user)
    {
        try
        {
            var parts = _protector.Unprotect(token).Split('\n', 4);
            return Task.FromResult(long.Parse(parts[0], CultureInfo.InvariantCulture) > time.GetUtcNow().ToUnixTimeSeconds() && parts[1] == user.Id && parts[2] == user.SecurityStamp && parts[3] == purpose);
        }
        catch (CryptographicException)
        {
            return Task.FromResult(false); // forged, cut off, or of another installation
        }
    }

    public Task<bool> CanGenerateTwoFactorTokenAsync(UserManager<User> manager, User user) => Task.FromResult(false);

    private static TimeSpan Life(string purpose) =>
        purpose == UserManager<User>.ResetPasswordTokenPurpose ? TimeSpan.FromMinutes(30)
        : purpose == UserManager<User>.ConfirmEmailTokenPurpose ? TimeSpan.FromDays(1)
        : TimeSpan.FromHours(1);
}
