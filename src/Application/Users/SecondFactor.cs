using Microsoft.AspNetCore.Identity;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Application.Users;

/// <summary>What a code turned out to be.</summary>
public enum CodeKind
{
    Wrong,
    OneTime,
    Recovery,
}

/// <summary>One-time codes of an authenticator app, and the recovery codes for the day on which it is lost. Each code works once.</summary>
public sealed class SecondFactor(UserManager<User> users, IUserStore<User> store, TokonomicsDbContext db, AccountLog log, TimeProvider time)
{
    /// <summary>How many recovery codes there are at once.</summary>
    public const int RecoveryCodes = 10;

    /// <summary>Takes a code of the app, or a recovery code; spaces and dashes don't matter.</summary>
    public async Task<CodeKind> TakeAsync(User user, string typed, CameFrom from, CancellationToken cancellationToken)
    {
        var code = Plain(typed);
        if (code.Length == 6)
        {
            if (await users.GetAuthenticatorKeyAsync(user) is not { } seed || Totp.Match(seed, code, time.GetUtcNow(), user.TotpStep) is not { } step)
                return CodeKind.Wrong;
            user.TotpStep = step;
            // The same code twice at once: the row was changed by the other one meanwhile, so this one fails.
            return (await users.UpdateAsync(user)).Succeeded ? CodeKind.OneTime : CodeKind.Wrong;
        }

        if (code.Length != 10 || !(await users.RedeemTwoFactorRecoveryCodeAsync(user, $"{code[..5]}-{code[5..]}")).Succeeded)
            return CodeKind.Wrong;
        var left = await users.CountRecoveryCodesAsync(user);
        await log.WriteAsync(user, "use_recovery_code", AuditResult.Done, from, $"{left} left", cancellationToken);
        log.Tell(user, "A recovery code was used", $"One of the recovery codes of your Tokonomics account was used in place of the authenticator app. {left} are left; make new ones under Account, Security before they run out.", from);
        return CodeKind.Recovery;
    }

    /// <summary>Turns one-time codes on, once a code proves that the app has the seed.</summary>
    /// <returns>The recovery codes, to be shown this once; null where the code is wrong or they are on already.</returns>
    public async Task<IReadOnlyList<string>?> TurnOnAsync(User user, string seed, string typed, CameFrom from, CancellationToken cancellationToken)
    {
        if (user.TwoFactorEnabled || Totp.Match(seed, Plain(typed), time.GetUtcNow(), user.TotpStep) is not { } step)
            return null;
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await ((IUserAuthenticatorKeyStore<User>)store).SetAuthenticatorKeyAsync(user, seed, cancellationToken);
        user.TotpStep = step;
        if (!(await users.SetTwoFactorEnabledAsync(user, true)).Succeeded)
            return null;
        var codes = await users.GenerateNewTwoFactorRecoveryCodesAsync(user, RecoveryCodes);
        await log.WriteAsync(user, "turn_on_one_time_codes", AuditResult.Done, from, "", cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        log.Tell(user, "One-time codes are on", "From now on signing in to your Tokonomics account asks for a code of your authenticator app after the password.", from);
        return [.. codes!];
    }

    public async Task TurnOffAsync(User user, CameFrom from, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await users.SetTwoFactorEnabledAsync(user, false);
        await ((IUserTwoFactorRecoveryCodeStore<User>)store).ReplaceCodesAsync(user, [], cancellationToken);
        await users.ResetAuthenticatorKeyAsync(user); // what the app has is worth nothing from now on
        await log.WriteAsync(user, "turn_off_one_time_codes", AuditResult.Done, from, "", cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        log.Tell(user, "One-time codes are off", "Signing in to your Tokonomics account no longer asks for a code of your authenticator app: the password alone opens it.", from);
    }

    /// <summary>New recovery codes in place of those that are left.</summary>
    public async Task<IReadOnlyList<string>> NewRecoveryCodesAsync(User user, CameFrom from, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var codes = await users.GenerateNewTwoFactorRecoveryCodesAsync(user, RecoveryCodes);
        await log.WriteAsync(user, "make_recovery_codes", AuditResult.Done, from, "", cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        log.Tell(user, "New recovery codes were made", "New recovery codes were made for your Tokonomics account; the old ones no longer work.", from);
        return [.. codes!];
    }

    private static string Plain(string typed) => new(typed.Where(char.IsAsciiLetterOrDigit).Select(char.ToUpperInvariant).ToArray());
}
