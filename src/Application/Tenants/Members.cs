using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>The people of a tenant, and those who are invited.</summary>
public sealed record ListMembers(Caller Caller, string TenantId) : IUseCase<MemberList>
{
    public Right Needs => Right.ManageTeams;
}

/// <param name="Invitations">Not accepted and not withdrawn; expired ones too, which can be sent again.</param>
public sealed record MemberList(IReadOnlyList<MemberLine> Members, IReadOnlyList<InvitationLine> Invitations);

public sealed record MemberLine(string Id, string Email, Role Role, DateTimeOffset CreatedAt);

public sealed record InvitationLine(string Id, string Email, Role Role, string InvitedBy, DateTimeOffset SentAt, DateTimeOffset ExpiresAt);

internal sealed class ListMembersHandler(TokonomicsDbContext db) : IRequestHandler<ListMembers, Outcome<MemberList>>
{
    public async Task<Outcome<MemberList>> Handle(ListMembers request, CancellationToken cancellationToken)
    {
        var members = await db.Members.AsNoTracking().Where(m => m.TenantId == request.TenantId).OrderBy(m => m.Email).ToListAsync(cancellationToken);
        var invitations = await db.Invitations.AsNoTracking().Where(i => i.TenantId == request.TenantId && i.AcceptedAt == null && i.WithdrawnAt == null).OrderBy(i => i.Email).ToListAsync(cancellationToken);
        return new MemberList(
            members.ConvertAll(m => new MemberLine(m.Id, m.Email, m.Role, m.CreatedAt)),
            invitations.ConvertAll(i => new InvitationLine(i.Id, i.Email, i.Role, i.CreatedBy, i.SentAt, i.ExpiresAt)));
    }
}

/// <summary>Changes what a member may do. Nobody gives, or takes from others, more than they have themselves; the last owner stays one.</summary>
public sealed record ChangeMemberRole(Caller Caller, string TenantId, string MemberId, Role Role) : IUseCase<MemberChanged>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => Role.ToString();
}

public sealed record MemberChanged(string MemberId) : IAuditSubject
{
    public string AuditSubject => MemberId;
}

internal sealed class ChangeMemberRoleRules : AbstractValidator<ChangeMemberRole>
{
    public ChangeMemberRoleRules() => RuleFor(c => c.Role).IsInEnum();
}

internal sealed class ChangeMemberRoleHandler(TokonomicsDbContext db) : IRequestHandler<ChangeMemberRole, Outcome<MemberChanged>>
{
    public async Task<Outcome<MemberChanged>> Handle(ChangeMemberRole request, CancellationToken cancellationToken)
    {
        var member = await db.Members.FirstOrDefaultAsync(m => m.TenantId == request.TenantId && m.Id == request.MemberId, cancellationToken);
        if (member is null)
            return Refusal.NotFound("member");
        if ((MemberRules.Beyond(request.Caller, member.Role) ?? MemberRules.Beyond(request.Caller, request.Role)) is { } beyond)
            return beyond;
        if (member.Role == Role.Owner && request.Role != Role.Owner && await MemberRules.IsLastOwnerAsync(db, member, cancellationToken))
            return MemberRules.LastOwner;
        member.Role = request.Role;
        return new MemberChanged(member.Id);
    }
}

/// <summary>Takes somebody out of the tenant, at once. The account of the person stays, and what they did stays in the audit log.</summary>
public sealed record RemoveMember(Caller Caller, string TenantId, string MemberId) : IUseCase<MemberChanged>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => "";
}

internal sealed class RemoveMemberHandler(TokonomicsDbContext db) : IRequestHandler<RemoveMember, Outcome<MemberChanged>>
{
    public async Task<Outcome<MemberChanged>> Handle(RemoveMember request, CancellationToken cancellationToken)
    {
        var member = await db.Members.FirstOrDefaultAsync(m => m.TenantId == request.TenantId && m.Id == request.MemberId, cancellationToken);
        if (member is null)
            return Refusal.NotFound("member");
        if (MemberRules.Beyond(request.Caller, member.Role) is { } beyond)
            return beyond;
        if (member.Role == Role.Owner && await MemberRules.IsLastOwnerAsync(db, member, cancellationToken))
            return MemberRules.LastOwner;
        db.Members.Remove(member);
        return new MemberChanged(member.Id);
    }
}

internal static class MemberRules
{
    public static readonly Refusal LastOwner = new(RefusalKind.Conflict, "last_owner", "This is the last owner: make somebody else an owner first, or delete the tenant.");

    public static Refusal? Beyond(Caller caller, Role role) => caller.IsOperator || caller.Role.Covers(role)
        ? null
        : new Refusal(RefusalKind.Forbidden, "role_forbids", $"The role {caller.Role} can't give or take the role {role}.");

    // All changes of tenants are made one after the other, so that two owners who remove each other at once don't both succeed.
    public static async Task<bool> IsLastOwnerAsync(TokonomicsDbContext db, Member member, CancellationToken cancellationToken) =>
        !await db.Members.AnyAsync(m => m.TenantId == member.TenantId && m.Id != member.Id && m.Role == Role.Owner, cancellationToken);
}
