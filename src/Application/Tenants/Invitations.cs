using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
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

internal sealed class InviteMemberHandler(TokonomicsDbContext db, IKeyHasher hasher, TimeProvider time) : IRequestHandler<InviteMember, Outcome<InvitationMade>>
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
