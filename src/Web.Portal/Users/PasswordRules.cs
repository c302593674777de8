using System.Collections.Frozen;
using System.Text.Json;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Users;

namespace Tokonomics.Web.Portal.Users;

/// <summary>
/// Length, and not what is tried first: no rules of composition, which only make people write passwords down (ASVS 6.2.5). The common ones come from the lists of
/// breached passwords that zxcvbn is built on, embedded by the build.
/// </summary>
public sealed class PasswordRules(IOptions<PortalOptions> options) : IPasswordValidator<User>
{
    public const int MaxLength = 256;

    private static readonly Lazy<FrozenSet<string>> Common = new(Read);

    public Task<IdentityResult> ValidateAsync(UserManager<User> manager, User user, string? password) =>
        Task.FromResult(Problem(user.Email ?? "", password ?? "", options.Value.MinPasswordLength) is { } problem ? IdentityResult.Failed(new IdentityError { Code = "Password", Description = problem }) : IdentityResult.Success);

    internal static int CommonOfAtLeast(int length) => Common.Value.Count(p => p.Length >= length);

    internal static string? Problem(string email, string password, int least)
    {
        if (password.Length < least)
            return $"Use at least {least} characters: a few words in a row are easy to keep.";
        if (password.Length > MaxLength)
            return $"Use at most {MaxLength} characters.";
        var small = password.ToLowerInvariant();
        var name = email[..Math.Max(email.IndexOf('@', StringComparison.Ordinal), 0)].ToLowerInvariant();
        if ((name.Length >= 4 && small.Contains(name, StringComparison.Ordinal)) || small.Contains("tokonomics", StringComparison.Ordinal))
            return "Leave your e-mail address and the name Tokonomics out of it: they are tried first.";
        // "Password2026!" is "password" to whoever guesses.
        var bare = small.TrimEnd("0123456789!?.,-_*#$%&+ ".ToCharArray());
        if (Common.Value.Contains(small) || (bare.Length >= 5 && small.Length - bare.Length <= 6 && Common.Value.Contains(bare)) || small.Distinct().Count() < 5)
            return "This password is among those that are tried first. Take a few words that don't belong together, or let your password manager make one.";
        return null;
    }

    private static FrozenSet<string> Read()
    {
        using var stream = typeof(PasswordRules).Assembly.GetManifestResourceStream("common-passwords.json")!;
        return JsonSerializer.Deserialize<string[]>(stream)!.Select(p => p.ToLowerInvariant()).ToFrozenSet(StringComparer.Ordinal);
    }
}
