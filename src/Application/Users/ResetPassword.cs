using MediatR;
using Microsoft.AspNetCore.Identity;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Application.Users;

/// <summary>
/// Mails a link that sets a new password, where the address has an account. It always succeeds, after the same work: whoever asks learns nothing.
/// </summary>
public sealed record RequestPasswordReset(string Email, CameFrom From) : IRequest<Outcome<ResetRequested>>
{
    public override string ToString() => nameof(RequestPasswordReset);
}

public sealed record ResetRequested;

internal sealed class RequestPasswordResetHandler(UserManager<User> users, IMailer mailer, IPortalLinks links, AccountLog log) : IRequestHandler<RequestPasswordReset, Outcome<ResetRequested>>
{
    private static readonly User Nobody = new() { Id = "nobody", SecurityStamp = "none" };

    public async Task<Outcome<ResetRequested>> Handle(RequestPasswordReset request, CancellationToken cancellationToken)
    {
        if (!TenantMaking.IsEmail(request.Email))
            return Refusal.Invalid(nameof(RequestPasswordReset.Email), "That doesn't look like an e-mail address: it should be name@host, in plain letters.");
        var user = await users.FindByEmailAsync(request.Email);
        var token = await users.GeneratePasswordResetTokenAsync(user ?? Nobody);
        var link = links.Link("/reset", ("user", (user ?? Nobody).Id), ("token", token));
        await log.WriteAsync(user, "request_password_reset", user is null ? AuditResult.Denied : AuditResult.Done, request.From, "", cancellationToken);
        if (user is not null)
            mailer.Send(new Mail(user.Email!, "Set a new password", $"Somebody, probably you, asked for a new password for your Tokonomics account, from {request.From.Address} ({request.From.Device}). Open this link to set one. It works once, and for 30 minutes.\n\n{link}\n\nIf it wasn't you, ignore this mail: nothing changes without the link."));
        return new ResetRequested();
    }
}

/// <summary>Where that link leads. It ends all of the user's sessions and signs nobody in: a second factor is asked for at the door as ever.</summary>
public sealed record ResetPassword(string UserId, string Token, string Password, CameFrom From) : IRequest<Outcome<PasswordSet>>
{
    public override string ToString() => $"reset password of {UserId}";
}

internal sealed class ResetPasswordHandler(UserManager<User> users, TokonomicsDbContext db, ISessions sessions, AccountLog log) : IRequestHandler<ResetPassword, Outcome<PasswordSet>>
{
    public async Task<Outcome<PasswordSet>> Handle(ResetPassword request, CancellationToken cancellationToken)
    {
        var expired = new Refusal(RefusalKind.Conflict, "link_expired", "This link was used already, or is too old.");
        if (await users.FindByIdAsync(request.UserId) is not { } user
            || !await users.VerifyUserTokenAsync(user, users.Options.Tokens.PasswordResetTokenProvider, UserManager<User>.ResetPasswordTokenPurpose, request.Token))
            return expired;
        if (await users.ProblemAsync(user, request.Password) is { } problem)
            return Refusal.Invalid(nameof(ResetPassword.Password), problem);
        user.EmailConfirmed = true; // the mail arrived
        // The link carries the stamp of before: with the new one it is used up. Of two at the same moment the row lets one through.
        if (!await users.SetAsync(db, log, user, request.Password, "reset_password", request.From, cancellationToken))
            return expired;
        await sessions.EndAsync(user.Id, null, null, cancellationToken);
        log.Tell(user, "Your password was reset", "A new password was set for your Tokonomics account, by the link that was mailed to this address. All browsers were signed out.", request.From);
        return new PasswordSet(user);
    }
}
