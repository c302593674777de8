using MediatR;
using Microsoft.AspNetCore.Identity;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Application.Users;

/// <summary>A new password in place of the one that is known. The user's sessions end, but for the one that the host renews.</summary>
public sealed record ChangePassword(string UserId, string Current, string Password, CameFrom From) : IRequest<Outcome<PasswordSet>>
{
    public override string ToString() => $"change password of {UserId}";
}

public sealed record PasswordSet(User User);

internal sealed class ChangePasswordHandler(UserManager<User> users, TokonomicsDbContext db, AccountLog log) : IRequestHandler<ChangePassword, Outcome<PasswordSet>>
{
    public async Task<Outcome<PasswordSet>> Handle(ChangePassword request, CancellationToken cancellationToken)
    {
        if (await users.FindByIdAsync(request.UserId) is not { } user)
            return Refusal.NotFound("user");
        if (!await users.CheckPasswordAsync(user, request.Current))
        {
            await log.WriteAsync(user, "change_password", AuditResult.Denied, request.From, "the current password is wrong", cancellationToken);
            return Refusal.Invalid(nameof(ChangePassword.Current), "That isn't your current password.");
        }

        if (await users.ProblemAsync(user, request.Password) is { } problem)
            return Refusal.Invalid(nameof(ChangePassword.Password), problem);
        if (request.Password == request.Current)
            return Refusal.Invalid(nameof(ChangePassword.Password), "That is the password that you have. Choose another.");
        if (!await users.SetAsync(db, log, user, request.Password, "change_password", request.From, cancellationToken))
            return new Refusal(RefusalKind.Conflict, "changed_meanwhile", "Your account was changed in another window at the same moment. Try again.");
        log.Tell(user, "Your password was changed", "The password of your Tokonomics account was changed. All other browsers were signed out.", request.From);
        return new PasswordSet(user);
    }
}

internal static class Passwords
{
    /// <summary>Why a password is no good for that user; null where it is good.</summary>
    public static async Task<string?> ProblemAsync(this UserManager<User> users, User user, string password)
    {
        foreach (var validator in users.PasswordValidators)
            if (await validator.ValidateAsync(users, user, password) is { Succeeded: false } weak)
                return string.Join(" ", weak.Errors.Select(e => e.Description));
        return null;
    }

    /// <summary>Sets it, with a new stamp and the audit line, in one transaction.</summary>
    /// <returns>False where the user was changed meanwhile.</returns>
    public static async Task<bool> SetAsync(this UserManager<User> users, TokonomicsDbContext db, AccountLog log, User user, string password, string action, CameFrom from, CancellationToken cancellationToken)
    {
        user.PasswordHash = users.PasswordHasher.HashPassword(user, password); // before the transaction: it takes its time on purpose
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        if (!(await users.UpdateSecurityStampAsync(user)).Succeeded)
            return false;
        await log.WriteAsync(user, action, AuditResult.Done, from, "", cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return true;
    }
}
