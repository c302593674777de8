using MediatR;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Web.Portal.Api;

/// <summary>Teams and projects.</summary>
internal static class TeamsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var teams = api.MapGroup("/teams").WithTags("Teams and projects");
        teams.MapGet("", async (HttpContext http, IMediator mediator, bool archived = false) =>
            (await mediator.Send(new ListTeams(http.Caller(), http.Tenant(), archived), http.RequestAborted)).Answer(l => new TeamPage([.. l.Teams.Select(TeamShape.Of)])))
            .Produces<TeamPage>().WithSummary("Teams by name, with how many keys, projects and budgets they have; archived ones where asked");
        teams.MapPost("", async (HttpContext http, IMediator mediator, TeamBody body) =>
            (await mediator.Send(new CreateTeam(http.Caller(), http.Tenant(), body.Name), http.RequestAborted)).Answer(t => new MadeShape(t.TeamId), 201))
            .Produces<MadeShape>(201).WithSummary("Makes a team");
        teams.MapPut("/{id}", async (HttpContext http, IMediator mediator, string id, TeamBody body) =>
            (await mediator.Send(new RenameTeam(http.Caller(), http.Tenant(), id, body.Name), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Gives a team another name");
        teams.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new ArchiveTeam(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Archives a team that no key, project or budget uses; it stays for the names in reports");
        teams.MapPost("/{id}/restore", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new RestoreTeam(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Takes a team out of the archive");

        var projects = api.MapGroup("/projects").WithTags("Teams and projects");
        projects.MapGet("", async (HttpContext http, IMediator mediator, bool archived = false) =>
            (await mediator.Send(new ListTeams(http.Caller(), http.Tenant(), archived), http.RequestAborted)).Answer(l => new ProjectPage([.. l.Projects.Select(ProjectShape.Of)])))
            .Produces<ProjectPage>().WithSummary("Projects by name; archived ones where asked");
        projects.MapPost("", async (HttpContext http, IMediator mediator, ProjectBody body) =>
            (await mediator.Send(new CreateProject(http.Caller(), http.Tenant(), body.Name, body.TeamId), http.RequestAborted)).Answer(p => new MadeShape(p.ProjectId), 201))
            .Produces<MadeShape>(201).WithSummary("Makes a project, in a team or in none");
        projects.MapPut("/{id}", async (HttpContext http, IMediator mediator, string id, ProjectBody body) =>
            (await mediator.Send(new UpdateProject(http.Caller(), http.Tenant(), id, body.Name, body.TeamId), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Sets a project's name and team, both; its keys move with it where they were of the team that it leaves");
        projects.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new ArchiveProject(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Archives a project that no key and no budget uses; it stays for the names in reports");
        projects.MapPost("/{id}/restore", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new RestoreProject(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Takes a project out of the archive");
    }

    internal sealed record TeamBody(string Name);

    /// <param name="TeamId">Left out for none.</param>
    internal sealed record ProjectBody(string Name, string? TeamId = null);

    internal sealed record MadeShape(string Id);

    internal sealed record TeamShape(string Id, string Name, DateTimeOffset CreatedAt, DateTimeOffset? ArchivedAt, int Keys, int Projects, int Budgets)
    {
        public static TeamShape Of(TeamLine t) => new(t.Id, t.Name, t.CreatedAt, t.ArchivedAt, t.Keys, t.Projects, t.Budgets);
    }

    internal sealed record TeamPage(IReadOnlyList<TeamShape> Data);

    internal sealed record ProjectShape(string Id, string Name, string? TeamId, DateTimeOffset CreatedAt, DateTimeOffset? ArchivedAt, int Keys, int Budgets)
    {
        public static ProjectShape Of(ProjectLine p) => new(p.Id, p.Name, p.TeamId, p.CreatedAt, p.ArchivedAt, p.Keys, p.Budgets);
    }

    internal sealed record ProjectPage(IReadOnlyList<ProjectShape> Data);
}
