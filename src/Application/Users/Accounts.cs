using MediatR;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Users;

/// <summary>The people who have an account. What is searched is in the address.</summary>
public sealed record ListAccounts(Caller Caller) : OperatorList<AccountLine>(Caller);

/// <param name="Tenants">Of how many it is a member.</param>
/// <param name="Disputes">Payments of those of them that it owns or pays for which are disputed now.</param>
public sealed record AccountLine(string Id, string Email, bool Verified, bool OneTimeCodes, DateTimeOffset CreatedAt, int Tenants, int Disputes);

internal sealed class ListAccountsRules() : OperatorListRules<ListAccounts, AccountLine>("accounts");

internal sealed class ListAccountsHandler(TokonomicsDbContext db) : IRequestHandler<ListAccounts, Outcome<ListPage<AccountLine>>>
{
    public async Task<Outcome<ListPage<AccountLine>>> Handle(ListAccounts request, CancellationToken cancellationToken)
    {
        var users = db.Users.AsNoTracking();
        if (request.Search?.Trim().ToLowerInvariant() is { Length: > 0 } part)
            users = users.Where(u => u.NormalizedEmail!.Contains(part));
        if (request.After is { } after)
            users = users.Where(u => u.Id.CompareTo(after) < 0);
        var lines = await users.OrderByDescending(u => u.Id).Take(request.Limit + 1)
            .Select(u => new AccountLine(u.Id, u.Email!, u.EmailConfirmed, u.TwoFactorEnabled, u.CreatedAt, db.Members.Count(m => m.UserId == u.Id),
                db.PaymentTroubles.Count(t => t.IsOpen && db.Members.Any(m => m.UserId == u.Id && m.TenantId == t.TenantId && (m.Role == Role.Owner || m.Role == Role.Billing)))))
            .ToListAsync(cancellationToken);
        return request.Cut(lines, l => l.Id);
    }
}

/// <summary>Mails the link that verifies an account's address once more, to that address alone. Links that were mailed before go on working for their day.</summary>
public sealed record ResendVerification(Caller Caller, string UserId) : IUseCase<VerificationSent>, IChange
{
    public string TenantId => AuditEntry.SystemTenant;

    public Right Needs => Right.Operate;

    public string AuditDetail => "";
}

public sealed record VerificationSent(string UserId, string Email) : IAuditSubject
{
    public string AuditSubject => UserId;
}

internal sealed class ResendVerificationHandler(UserManager<User> users, VerificationMail mail) : IRequestHandler<ResendVerification, Outcome<VerificationSent>>
{
    public async Task<Outcome<VerificationSent>> Handle(ResendVerification request, CancellationToken cancellationToken)
    {
        if (await users.FindByIdAsync(request.UserId) is not { } user)
            return Refusal.NotFound("account");
        if (user.EmailConfirmed)
            return new Refusal(RefusalKind.Conflict, "email_verified", "That address is verified already.");
        await mail.SendAsync(user, again: true);
        return new VerificationSent(user.Id, user.Email!);
    }
}

/// <summary>The mail with the link that verifies the address of a new account.</summary>
public sealed class VerificationMail(UserManager<User> users, IMailer mailer, IPortalLinks links)
{
    /// <param name="again">Not the first one that it gets.</param>
    public async Task SendAsync(User user, bool again)
    {
        var token = await users.GenerateEmailConfirmationTokenAsync(user);
        mailer.Send(new Mail(user.Email!, "Verify your address for Tokonomics", $"Open this link to verify your address{(again ? "" : " and go on")}. It works for one day.\n\n{links.Link("/verify", ("user", user.Id), ("token", token))}\n\nIf you didn't sign up, ignore this mail: without the link nobody can use the account."));
    }
}
