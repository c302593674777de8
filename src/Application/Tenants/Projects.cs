using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>Makes a project, in a team or in none.</summary>
public sealed record CreateProject(Caller Caller, string TenantId, string Name, string? TeamId = null) : IUseCase<ProjectChanged>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => $"{Name}; team {TeamId ?? "none"}";
}

public sealed record ProjectChanged(string ProjectId) : IAuditSubject
{
    public string AuditSubject => ProjectId;
}

internal sealed class CreateProjectRules : AbstractValidator<CreateProject>
{
    public CreateProjectRules() => RuleFor(c => c.Name).IsName();
}

internal sealed class CreateProjectHandler(TokonomicsDbContext db, PlansInForce plans, TimeProvider time) : IRequestHandler<CreateProject, Outcome<ProjectChanged>>
{
    public async Task<Outcome<ProjectChanged>> Handle(CreateProject request, CancellationToken cancellationToken)
    {
        if (await plans.LacksAsync(request.TenantId, PlanFeatures.Teams, "projects", cancellationToken) is { } lacks)
            return lacks;
        if (request.TeamId is { } team && !await db.Teams.AnyAsync(t => t.TenantId == request.TenantId && t.Id == team && t.ArchivedAt == null, cancellationToken))
            return Refusal.NotFound("team");
        if (await TeamNames.ProjectTakenAsync(db, request.TenantId, request.Name, null, cancellationToken) is { } taken)
            return taken;
        var now = time.GetUtcNow();
        var project = new Project { TenantId = request.TenantId, Id = SortableId.New("prj", now), TeamId = request.TeamId, Name = request.Name, CreatedAt = now };
        db.Projects.Add(project);
        return new ProjectChanged(project.Id);
    }
}

/// <summary>
/// Sets a project's name and team, both. Its keys go with it where they were of the team that it leaves: their calls count on the other team's budgets
/// from then on. Calls that are recorded stay where they were made.
/// </summary>
public sealed record UpdateProject(Caller Caller, string TenantId, string ProjectId, string Name, string? TeamId) : IUseCase<ProjectChanged>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => $"{Name}; team {TeamId ?? "none"}";
}

internal sealed class UpdateProjectRules : AbstractValidator<UpdateProject>
{
    public UpdateProjectRules() => RuleFor(c => c.Name).IsName();
}

internal sealed class UpdateProjectHandler(TokonomicsDbContext db) : IRequestHandler<UpdateProject, Outcome<ProjectChanged>>
{
    public async Task<Outcome<ProjectChanged>> Handle(UpdateProject request, CancellationToken cancellationToken)
    {
        var (tenant, to) = (request.TenantId, request.TeamId);
        var project = await db.Projects.FirstOrDefaultAsync(p => p.TenantId == tenant && p.Id == request.ProjectId, cancellationToken);
        if (project is null)
            return Refusal.NotFound("project");
        if (to is not null && to != project.TeamId && !await db.Teams.AnyAsync(t => t.TenantId == tenant && t.Id == to && t.ArchivedAt == null, cancellationToken))
            return Refusal.NotFound("team");
        if (await TeamNames.ProjectTakenAsync(db, tenant, request.Name, project.Id, cancellationToken) is { } taken)
            return taken;
        if (to != project.TeamId)
        {
            var from = project.TeamId;
            await db.Keys.Where(k => k.TenantId == tenant && k.ProjectId == project.Id && k.TeamId == from && k.RevokedAt == null)
                .ExecuteUpdateAsync(set => set.SetProperty(k => k.TeamId, to), cancellationToken);
        }

        (project.Name, project.TeamId) = (request.Name, to);
        return new ProjectChanged(project.Id);
    }
}

/// <summary>Ends a project that no key and no budget uses any more. It stays for the names in reports, and can be restored.</summary>
public sealed record ArchiveProject(Caller Caller, string TenantId, string ProjectId) : IUseCase<ProjectChanged>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => "";
}

internal sealed class ArchiveProjectHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<ArchiveProject, Outcome<ProjectChanged>>
{
    public async Task<Outcome<ProjectChanged>> Handle(ArchiveProject request, CancellationToken cancellationToken)
    {
        var (tenant, id, now) = (request.TenantId, request.ProjectId, time.GetUtcNow());
        var project = await db.Projects.FirstOrDefaultAsync(p => p.TenantId == tenant && p.Id == id && p.ArchivedAt == null, cancellationToken);
        if (project is null)
            return Refusal.NotFound("project");
        var keys = await db.Keys.Where(k => k.TenantId == tenant && k.ProjectId == id && k.RevokedAt == null && (k.ExpiresAt == null || k.ExpiresAt > now)).OrderBy(k => k.Name).Select(k => "'" + k.Name + "'").ToListAsync(cancellationToken);
        var budgets = await db.Budgets.Where(b => b.TenantId == tenant && b.EndedAt == null && b.Scope == "project" && b.ScopeValue == id).OrderBy(b => b.Id).Select(b => b.Id).ToListAsync(cancellationToken);
        if (keys.Count + budgets.Count > 0)
            return TeamNames.InUse("project", ("keys", keys), ("budgets", budgets));
        project.ArchivedAt = now;
        return new ProjectChanged(id);
    }
}

/// <summary>Takes a project out of the archive. Where its team is archived, it belongs to none.</summary>
public sealed record RestoreProject(Caller Caller, string TenantId, string ProjectId) : IUseCase<ProjectChanged>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => "";
}

internal sealed class RestoreProjectHandler(TokonomicsDbContext db) : IRequestHandler<RestoreProject, Outcome<ProjectChanged>>
{
    public async Task<Outcome<ProjectChanged>> Handle(RestoreProject request, CancellationToken cancellationToken)
    {
        var project = await db.Projects.FirstOrDefaultAsync(p => p.TenantId == request.TenantId && p.Id == request.ProjectId, cancellationToken);
        if (project is null)
            return Refusal.NotFound("project");
        project.ArchivedAt = null;
        if (project.TeamId is { } team && !await db.Teams.AnyAsync(t => t.TenantId == request.TenantId && t.Id == team && t.ArchivedAt == null, cancellationToken))
            project.TeamId = null;
        return new ProjectChanged(project.Id);
    }
}
