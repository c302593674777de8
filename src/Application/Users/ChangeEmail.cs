using MediatR;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Application.Users;

/// <summary>Mails a link to the new address, and word of it to the old one. Where the new address has an account already, that is told to its mailbox alone.</summary>
public sealed record RequestEmailChange(string UserId, string Email, CameFrom From) : IRequest<Outcome<EmailChangeRequested>>;

public sealed record EmailChangeRequested;

internal sealed class RequestEmailChangeHandler(UserManager<User> users, IMailer mailer, IPortalLinks links, AccountLog log) : IRequestHandler<RequestEmailChange, Outcome<EmailChangeRequested>>
{
    public async Task<Outcome<EmailChangeRequested>> Handle(RequestEmailChange request, CancellationToken cancellationToken)
    {
        if (!TenantMaking.IsEmail(request.Email))
            return Refusal.Invalid(nameof(RequestEmailChange.Email), "That doesn't look like an e-mail address: it should be name@host, in plain letters.");
        var email = request.Email.ToLowerInvariant();
        if (await users.FindByIdAsync(request.UserId) is not { } user)
            return Refusal.NotFound("user");
        if (email == user.Email)
            return Refusal.Invalid(nameof(RequestEmailChange.Email), "That is your address already.");
        var token = await users.GenerateChangeEmailTokenAsync(user, email);
        mailer.Send(await users.FindByEmailAsync(email) is null
            ? new Mail(email, "Verify your new address for Tokonomics", $"Open this link to use this address for your Tokonomics account from now on. It works for one hour.\n\n{links.Link("/verify/email", ("user", user.Id), ("email", email), ("token", token))}\n\nIf you didn't ask for it, ignore this mail.")
            : new Mail(email, "You have a Tokonomics account already", "Somebody, probably you, wanted to use this address for another Tokonomics account. It has an account already, so nothing was changed."));
        await log.WriteAsync(user, "request_email_change", AuditResult.Done, request.From, $"to {email}", cancellationToken);
        log.Tell(user, "Your e-mail address is about to change", $"Somebody asked to use {email} for your Tokonomics account in place of this address. It changes once the link that was mailed there is opened.", request.From);
        return new EmailChangeRequested();
    }
}

/// <summary>Where that link leads.</summary>
public sealed record ConfirmEmailChange(string UserId, string Email, string Token, CameFrom From) : IRequest<Outcome<EmailChanged>>
{
    public override string ToString() => $"confirm e-mail address of {UserId}";
}

public sealed record EmailChanged(User User);

internal sealed class ConfirmEmailChangeHandler(UserManager<User> users, TokonomicsDbContext db, AccountLog log) : IRequestHandler<ConfirmEmailChange, Outcome<EmailChanged>>
{
    public async Task<Outcome<EmailChanged>> Handle(ConfirmEmailChange request, CancellationToken cancellationToken)
    {
        var expired = new Refusal(RefusalKind.Conflict, "link_expired", "This link was used already, or is too old.");
        if (await users.FindByIdAsync(request.UserId) is not { } user
            || !await users.VerifyUserTokenAsync(user, users.Options.Tokens.ChangeEmailTokenProvider, UserManager<User>.GetChangeEmailTokenPurpose(request.Email), request.Token)
            || await users.FindByEmailAsync(request.Email) is not null)
            return expired;
        var old = user.Email!;
        (user.Email, user.UserName, user.EmailConfirmed) = (request.Email, request.Email, true);
        await using (var transaction = await db.Database.BeginTransactionAsync(cancellationToken))
        {
            if (!(await users.UpdateSecurityStampAsync(user)).Succeeded)
                return expired;
            // As a member too, but for tenants where somebody else was invited under that address.
            await db.Members.Where(m => m.UserId == user.Id && !db.Members.Any(o => o.TenantId == m.TenantId && o.Email == request.Email))
                .ExecuteUpdateAsync(m => m.SetProperty(x => x.Email, request.Email), cancellationToken);
            await log.WriteAsync(user, "change_email", AuditResult.Done, request.From, $"{old} to {request.Email}", cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }

        log.Tell(user, "Your e-mail address was changed", $"Your Tokonomics account now has the address {request.Email}; this one no longer signs in, and gets no further mails. All other browsers were signed out. Whoever runs this installation can help if it wasn't you.", request.From, to: old);
        return new EmailChanged(user);
    }
}
