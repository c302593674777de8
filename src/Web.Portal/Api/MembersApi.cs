using MediatR;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Web.Portal.Api;

/// <summary>The tenant's people, and those who are invited.</summary>
internal static class MembersApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var members = api.MapGroup("/members").WithTags("Members");
        members.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListMembers(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(l => new MemberPage([.. l.Members.Select(m => new MemberShape(m.Id, m.Email, m.Role, m.CreatedAt))])))
            .Produces<MemberPage>().WithSummary("Members by e-mail address");
        members.MapPut("/{id}", async (HttpContext http, IMediator mediator, string id, RoleBody body) =>
            (await mediator.Send(new ChangeMemberRole(http.Caller(), http.Tenant(), id, body.Role), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Changes a member's role; nobody gives or takes more than they have, and the last owner stays one");
        members.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new RemoveMember(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Takes a member out of the tenant, at once");

        var invitations = api.MapGroup("/invitations").WithTags("Members");
        invitations.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListMembers(http.Caller(), http.Tenant()), http.RequestAborted))
                .Answer(l => new InvitationPage([.. l.Invitations.Select(i => new InvitationShape(i.Id, i.Email, i.Role, i.InvitedBy, i.SentAt, i.ExpiresAt))])))
            .Produces<InvitationPage>().WithSummary("Invitations that are neither accepted nor withdrawn");
        invitations.MapPost("", async (HttpContext http, IMediator mediator, NewInvitation body) =>
            await SentAsync(http, mediator, await mediator.Send(new InviteMember(http.Caller(), http.Tenant(), body.Email, body.Role), http.RequestAborted)))
            .Produces<InvitationMadeShape>(201).WithSummary("Invites somebody for seven days and mails them the link; its token is in this answer and that mail alone");
        invitations.MapPost("/{id}/resend", async (HttpContext http, IMediator mediator, string id) =>
            await SentAsync(http, mediator, await mediator.Send(new ResendInvitation(http.Caller(), http.Tenant(), id), http.RequestAborted)))
            .Produces<InvitationMadeShape>(201).WithSummary("Mails a new link for another seven days; the one before is worth nothing then");
        invitations.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new WithdrawInvitation(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Takes an invitation back");
    }

    private static async Task<IResult> SentAsync(HttpContext http, IMediator mediator, Outcome<InvitationMade> made)
    {
        if (made.Succeeded)
        {
            var tenant = (await mediator.Send(new GetTenantSettings(http.Caller(), http.Tenant()), http.RequestAborted)).Value.Name;
            http.RequestServices.GetRequiredService<IMailer>().Send(InvitationMail.Of(http.RequestServices.GetRequiredService<IPortalLinks>(), made.Value, tenant, tenant));
        }

        return made.Answer(InvitationMadeShape.Of, 201);
    }

    internal sealed record MemberShape(string Id, string Email, Role Role, DateTimeOffset CreatedAt);

    internal sealed record MemberPage(IReadOnlyList<MemberShape> Data);

    internal sealed record RoleBody(Role Role);

    internal sealed record InvitationShape(string Id, string Email, Role Role, string InvitedBy, DateTimeOffset SentAt, DateTimeOffset ExpiresAt);

    internal sealed record InvitationPage(IReadOnlyList<InvitationShape> Data);

    internal sealed record NewInvitation(string Email, Role Role = Role.Viewer);

    internal sealed record InvitationMadeShape(string Id, string Email, Role Role, DateTimeOffset ExpiresAt, string Token)
    {
        public static InvitationMadeShape Of(InvitationMade made) => new(made.Id, made.Email, made.Role, made.ExpiresAt, made.Token);
    }
}
