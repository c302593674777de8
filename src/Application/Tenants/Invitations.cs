using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>Invites somebody by e-mail. Nobody gives more than they have themselves.</summary>
public sealed record InviteMember(Caller Caller, string TenantId, string Email, Role Role) : IUseCase<InvitationMade>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => $"{Email} ({Role})";
}

/// <summary>An invitation that was just made or sent again. <see cref="Token"/> is shown and mailed once, and kept nowhere.</summary>
public sealed record InvitationMade(string Id, string Email, Role Role, DateTimeOffset ExpiresAt, string Token) : IAuditSubject
{
    public string AuditSubject => Id;

    public override string ToString() => $"invitation {Id}";
}

internal sealed class InviteMemberRules : AbstractValidator<InviteMember>
{
    public InviteMemberRules()
    {
        RuleFor(i => i.Email).Must(TenantMaking.IsEmail).WithMessage("The e-mail address must look like name@host.");
        RuleFor(i => i.Role).IsInEnum();
    }
}

internal sealed class InviteMemberHandler(TokonomicsDbContext db, IKeyHasher hasher, PlansInForce plans, TimeProvider time) : IRequestHandler<InviteMember, Outcome<InvitationMade>>
{
    // Enough for any team; a bound on mails that one account can have us send.
    private const int MostOpen = 200;

    public async Task<Outcome<InvitationMade>> Handle(InviteMember request, CancellationToken cancellationToken)
    {
        if (MemberRules.Beyond(request.Caller, request.Role) is { } beyond)
            return beyond;
        var (tenant, email, now) = (request.TenantId, request.Email.ToLowerInvariant(), time.GetUtcNow());
        if (await db.Members.AnyAsync(m => m.TenantId == tenant && m.Email == email, cancellationToken))
            return Taken("already_member", $"{email} is a member already.");
        var open = await db.Invitations.Where(i => i.TenantId == tenant && i.AcceptedAt == null && i.WithdrawnAt == null).Select(i => i.Email).ToListAsync(cancellationToken);
        if (open.Contains(email))
            return Taken("already_invited", $"{email} is invited already: send that invitation again, or withdraw it.");
        if (open.Count >= MostOpen)
            return new Refusal(RefusalKind.Conflict, "too_many_invitations", $"{MostOpen} invitations are open: withdraw those that nobody will accept.");
        if (await plans.FullAsync(tenant, accepting: false, cancellationToken) is { } full)
            return full;
        var token = InvitationToken.Generate();
        var row = new Invitation
        {
            TenantId = tenant,
            Id = SortableId.New("inv", now),
            Email = email,
            Role = request.Role,
            TokenHash = InvitationHash.Of(hasher, token.Reveal()),
            CreatedAt = now,
            CreatedBy = request.Caller.Actor,
            SentAt = now,
            ExpiresAt = now + Invitation.Lifetime,
        };
        db.Invitations.Add(row);
        return new InvitationMade(row.Id, email, row.Role, row.ExpiresAt, token.Reveal());

        static Refusal Taken(string code, string message) => new(RefusalKind.Conflict, code, message) { Fields = [new FieldProblem(nameof(InviteMember.Email), message)] };
    }
}

internal static class InvitationHash
{
    public static byte[] Of(IKeyHasher hasher, string token)
    {
        var hash = new byte[32];
        hasher.Hash(token, hash);
        return hash;
    }
}

/// <summary>Sends an invitation again: with a new token for another seven days. The one before is worth nothing then.</summary>
public sealed record ResendInvitation(Caller Caller, string TenantId, string InvitationId) : IUseCase<InvitationMade>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => "";
}

internal sealed class ResendInvitationHandler(TokonomicsDbContext db, IKeyHasher hasher, TimeProvider time) : IRequestHandler<ResendInvitation, Outcome<InvitationMade>>
{
    public async Task<Outcome<InvitationMade>> Handle(ResendInvitation request, CancellationToken cancellationToken)
    {
        var row = await db.Invitations.FirstOrDefaultAsync(i => i.TenantId == request.TenantId && i.Id == request.InvitationId && i.AcceptedAt == null && i.WithdrawnAt == null, cancellationToken);
        if (row is null)
            return Refusal.NotFound("invitation");
        if (MemberRules.Beyond(request.Caller, row.Role) is { } beyond)
            return beyond;
        var (token, now) = (InvitationToken.Generate(), time.GetUtcNow());
        (row.TokenHash, row.SentAt, row.ExpiresAt) = (InvitationHash.Of(hasher, token.Reveal()), now, now + Invitation.Lifetime);
        return new InvitationMade(row.Id, row.Email, row.Role, row.ExpiresAt, token.Reveal());
    }
}

/// <summary>Takes an invitation back; its token is worth nothing from then on.</summary>
public sealed record WithdrawInvitation(Caller Caller, string TenantId, string InvitationId) : IUseCase<InvitationWithdrawn>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => "";
}

public sealed record InvitationWithdrawn(string InvitationId) : IAuditSubject
{
    public string AuditSubject => InvitationId;
}

internal sealed class WithdrawInvitationHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<WithdrawInvitation, Outcome<InvitationWithdrawn>>
{
    public async Task<Outcome<InvitationWithdrawn>> Handle(WithdrawInvitation request, CancellationToken cancellationToken)
    {
        var row = await db.Invitations.FirstOrDefaultAsync(i => i.TenantId == request.TenantId && i.Id == request.InvitationId && i.AcceptedAt == null && i.WithdrawnAt == null, cancellationToken);
        if (row is null)
            return Refusal.NotFound("invitation");
        row.Withdraw(time.GetUtcNow());
        return new InvitationWithdrawn(row.Id);
    }
}

/// <summary>What an invitation offers, for the page on which it is accepted. Who has the token may know; no caller, no pipeline.</summary>
public sealed record FindInvitation(string? Token) : IRequest<Outcome<InvitationOffer>>
{
    public override string ToString() => nameof(FindInvitation);
}

public sealed record InvitationOffer(string TenantName, string Email, Role Role, DateTimeOffset ExpiresAt);

internal sealed class FindInvitationHandler(TokonomicsDbContext db, IKeyHasher hasher, TimeProvider time) : IRequestHandler<FindInvitation, Outcome<InvitationOffer>>
{
    public async Task<Outcome<InvitationOffer>> Handle(FindInvitation request, CancellationToken cancellationToken)
    {
        if (await OpenAsync(db, hasher, time, request.Token, cancellationToken) is not { } row)
            return Unusable;
        var tenant = await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == row.TenantId, cancellationToken);
        return new InvitationOffer(tenant.Name, row.Email, row.Role, row.ExpiresAt);
    }

    public static readonly Refusal Unusable = new(RefusalKind.NotFound, "invitation_not_found", "This invitation was withdrawn, accepted, replaced by a newer one, or has expired. Ask whoever invited you to send it again.");

    public static async Task<Invitation?> OpenAsync(TokonomicsDbContext db, IKeyHasher hasher, TimeProvider time, string? token, CancellationToken cancellationToken)
    {
        if (!InvitationToken.IsWellFormed(token))
            return null;
        // Found by its hash under the pepper: nobody can steer how much of it matches.
        var hash = InvitationHash.Of(hasher, token!);
        var row = await db.Invitations.FirstOrDefaultAsync(i => i.TokenHash == hash, cancellationToken);
        return row is { IsOpen: true } && row.ExpiresAt > time.GetUtcNow() ? row : null;
    }
}

/// <summary>The mail that brings an invitation. Sent by the host when the change is committed: a link that leads nowhere is worse than none.</summary>
public static class InvitationMail
{
    public static Mails.Mail Of(Mails.IPortalLinks links, InvitationMade made, string tenant, string from) => new(
        made.Email, $"You are invited to {tenant} on Tokonomics",
        $"{from} invites you to {tenant} as {made.Role.ToString().ToLowerInvariant()}. Open this link within seven days; you sign in, or sign up with this address, on the way.\n\n{Link(links, made)}\n\nIf you don't know what this is, ignore it: nothing happens without you.");

    public static string Link(Mails.IPortalLinks links, InvitationMade made) => links.Link("/invite", ("token", made.Token));
}

/// <summary>
/// A signed-in user takes an invitation and becomes a member. The invitation's address must be theirs, and verified: who has the link alone gets nothing. They
/// may do that before they are a caller in the tenant, so the pipeline doesn't apply; the change stands in the audit log like any other.
/// </summary>
/// <param name="UserId">Of whoever is signed in.</param>
public sealed record AcceptInvitation(string UserId, string? Token) : IRequest<Outcome<InvitationAccepted>>
{
    public override string ToString() => $"accept an invitation for {UserId}";
}

public sealed record InvitationAccepted(string TenantId, string MemberId);

internal sealed class AcceptInvitationHandler(TokonomicsDbContext db, AuditLog audit, IKeyHasher hasher, PlansInForce plans, TimeProvider time) : IRequestHandler<AcceptInvitation, Outcome<InvitationAccepted>>
{
    public async Task<Outcome<InvitationAccepted>> Handle(AcceptInvitation request, CancellationToken cancellationToken)
    {
        try
        {
            await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
            if (await FindInvitationHandler.OpenAsync(db, hasher, time, request.Token, cancellationToken) is not { } invitation)
                return FindInvitationHandler.Unusable;
            var user = await db.Users.AsNoTracking().FirstOrDefaultAsync(u => u.Id == request.UserId, cancellationToken);
            if (user is not { EmailConfirmed: true } || !string.Equals(user.Email, invitation.Email, StringComparison.OrdinalIgnoreCase))
                return new Refusal(RefusalKind.Forbidden, "other_address", $"This invitation is for {invitation.Email}. Sign in with the account of that address, or ask to be invited under yours.");
            if (await db.Tenants.AnyAsync(t => t.Id == invitation.TenantId && t.DeleteAt != null, cancellationToken))
                return FindInvitationHandler.Unusable;
            var now = time.GetUtcNow();
            // Members from before there were accounts have an address and no user: that is the same person.
            var member = await db.Members.FirstOrDefaultAsync(m => m.TenantId == invitation.TenantId && (m.UserId == user.Id || m.Email == invitation.Email), cancellationToken);
            // The plan may have become a smaller one since the invitation was sent.
            if (member is null && await plans.FullAsync(invitation.TenantId, accepting: true, cancellationToken) is { } full)
                return full;
            if (member is null)
                db.Members.Add(member = new Member { TenantId = invitation.TenantId, Id = SortableId.New("mem", now), Email = invitation.Email, Role = invitation.Role, CreatedAt = now, UserId = user.Id });
            else
                member.UserId ??= user.Id;
            invitation.Accept(now, member.Id);
            await db.SaveChangesAsync(cancellationToken);
            await audit.AppendAsync(invitation.TenantId, member.Id, "accept_invitation", invitation.Id, AuditResult.Done, invitation.Role.ToString(), cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            return new InvitationAccepted(invitation.TenantId, member.Id);
        }
        finally
        {
            db.ChangeTracker.Clear();
        }
    }
}
