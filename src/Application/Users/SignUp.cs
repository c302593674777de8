using MediatR;
using Microsoft.AspNetCore.Identity;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Users;

/// <summary>
/// Makes an account and mails the link that verifies its address; where the address has an account already, that is mailed instead. Both succeed alike, after
/// the same work: whoever asks learns nothing about others. Asked before there is a caller, so the pipeline doesn't apply.
/// </summary>
public sealed record SignUp(string Email, string Password, CameFrom From) : IRequest<Outcome<SignedUp>>
{
    public override string ToString() => nameof(SignUp);
}

public sealed record SignedUp;

internal sealed class SignUpHandler(UserManager<User> users, IMailer mailer, IPortalLinks links, VerificationMail verification, AccountLog log, TimeProvider time) : IRequestHandler<SignUp, Outcome<SignedUp>>
{
    public async Task<Outcome<SignedUp>> Handle(SignUp request, CancellationToken cancellationToken)
    {
        if (!TenantMaking.IsEmail(request.Email))
            return Refusal.Invalid(nameof(SignUp.Email), "That doesn't look like an e-mail address: it should be name@host, in plain letters.");
        var now = time.GetUtcNow();
        var email = request.Email.ToLowerInvariant();
        var user = new User { Id = SortableId.New("usr", now), UserName = email, Email = email, CreatedAt = now };
        if (await users.ProblemAsync(user, request.Password) is { } problem)
            return Refusal.Invalid(nameof(SignUp.Password), problem);

        if (await users.FindByEmailAsync(email) is { } known)
        {
            users.PasswordHasher.HashPassword(user, request.Password); // takes as long as making one
            await MailAsync(known, email, again: true);
            await log.WriteAsync(known, "sign_up", AuditResult.Denied, request.From, "has an account", cancellationToken);
            return new SignedUp();
        }

        var made = await users.CreateAsync(user, request.Password);
        if (made.Succeeded)
        {
            await MailAsync(user, email, again: false);
            await log.WriteAsync(user, "sign_up", AuditResult.Done, request.From, "", cancellationToken);
        }
        else if (!made.Errors.Any(e => e.Code is nameof(IdentityErrorDescriber.DuplicateEmail) or nameof(IdentityErrorDescriber.DuplicateUserName))) // two forms at once: the other one mailed
            return Refusal.Invalid(nameof(SignUp.Email), string.Join(" ", made.Errors.Select(e => e.Description)));
        return new SignedUp();
    }

    private async Task MailAsync(User user, string email, bool again)
    {
        if (user.EmailConfirmed)
        {
            mailer.Send(new Mail(email, "You have a Tokonomics account already", $"Somebody, probably you, signed up for Tokonomics with this address. It has an account already: sign in with it.\n\n{links.Link("/login")}\n\nForgotten the password? The page to sign in has a link to reset it. If it wasn't you, nothing has changed and there is nothing to do."));
            return;
        }

        await verification.SendAsync(user, again);
    }
}
