using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>Makes a team: keys and projects belong to it, and budgets can be set on it.</summary>
public sealed record CreateTeam(Caller Caller, string TenantId, string Name) : IUseCase<TeamChanged>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => Name;
}

public sealed record TeamChanged(string TeamId) : IAuditSubject
{
    public string AuditSubject => TeamId;
}

internal sealed class CreateTeamRules : AbstractValidator<CreateTeam>
{
    public CreateTeamRules() => RuleFor(c => c.Name).IsName();
}

internal sealed class CreateTeamHandler(TokonomicsDbContext db, PlansInForce plans, TimeProvider time) : IRequestHandler<CreateTeam, Outcome<TeamChanged>>
{
    public async Task<Outcome<TeamChanged>> Handle(CreateTeam request, CancellationToken cancellationToken)
    {
        if (await plans.LacksAsync(request.TenantId, PlanFeatures.Teams, "teams", cancellationToken) is { } lacks)
            return lacks;
        if (await TeamNames.TakenAsync(db, request.TenantId, request.Name, null, cancellationToken) is { } taken)
            return taken;
        var now = time.GetUtcNow();
        var team = new Team { TenantId = request.TenantId, Id = SortableId.New("team", now), Name = request.Name, CreatedAt = now };
        db.Teams.Add(team);
        return new TeamChanged(team.Id);
    }
}

internal static class TeamNames
{
    public static async Task<Refusal?> TakenAsync(TokonomicsDbContext db, string tenantId, string name, string? by, CancellationToken cancellationToken) =>
        await db.Teams.AsNoTracking().FirstOrDefaultAsync(t => t.TenantId == tenantId && t.Name == name && t.Id != by, cancellationToken) is { } other ? NameTaken(name, "team", other.ArchivedAt) : null;

    public static async Task<Refusal?> ProjectTakenAsync(TokonomicsDbContext db, string tenantId, string name, string? by, CancellationToken cancellationToken) =>
        await db.Projects.AsNoTracking().FirstOrDefaultAsync(p => p.TenantId == tenantId && p.Name == name && p.Id != by, cancellationToken) is { } other ? NameTaken(name, "project", other.ArchivedAt) : null;

    private static Refusal NameTaken(string name, string what, DateTimeOffset? archived)
    {
        var message = archived is null ? $"There is a {what} '{name}' already." : $"An archived {what} is called '{name}': restore it, or choose another name.";
        return new Refusal(RefusalKind.Conflict, "name_taken", message) { Fields = [new FieldProblem("Name", message)] };
    }

    /// <summary>What stands in the way, by name: three of each kind at most.</summary>
    public static Refusal InUse(string what, params (string Kind, IReadOnlyList<string> Names)[] uses) => new(
        RefusalKind.Conflict, $"{what}_in_use",
        $"The {what} is in use: {string.Join("; ", uses.Where(u => u.Names.Count > 0).Select(u => $"{u.Kind} {string.Join(", ", u.Names.Take(3))}{(u.Names.Count > 3 ? $" and {u.Names.Count - 3} more" : "")}"))}. Move or end these first.");
}

/// <summary>Gives a team another name; reports show it for earlier calls too.</summary>
public sealed record RenameTeam(Caller Caller, string TenantId, string TeamId, string Name) : IUseCase<TeamChanged>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => Name;
}

internal sealed class RenameTeamRules : AbstractValidator<RenameTeam>
{
    public RenameTeamRules() => RuleFor(c => c.Name).IsName();
}

internal sealed class RenameTeamHandler(TokonomicsDbContext db) : IRequestHandler<RenameTeam, Outcome<TeamChanged>>
{
    public async Task<Outcome<TeamChanged>> Handle(RenameTeam request, CancellationToken cancellationToken)
    {
        var team = await db.Teams.FirstOrDefaultAsync(t => t.TenantId == request.TenantId && t.Id == request.TeamId, cancellationToken);
        if (team is null)
            return Refusal.NotFound("team");
        if (await TeamNames.TakenAsync(db, request.TenantId, request.Name, team.Id, cancellationToken) is { } taken)
            return taken;
        team.Name = request.Name;
        return new TeamChanged(team.Id);
    }
}

/// <summary>
/// Ends a team that nothing uses any more: no key that is accepted, no project, no budget. It stays for the names in reports, and can be restored.
/// </summary>
public sealed record ArchiveTeam(Caller Caller, string TenantId, string TeamId) : IUseCase<TeamChanged>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => "";
}

internal sealed class ArchiveTeamHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<ArchiveTeam, Outcome<TeamChanged>>
{
    public async Task<Outcome<TeamChanged>> Handle(ArchiveTeam request, CancellationToken cancellationToken)
    {
        var (tenant, id, now) = (request.TenantId, request.TeamId, time.GetUtcNow());
        var team = await db.Teams.FirstOrDefaultAsync(t => t.TenantId == tenant && t.Id == id && t.ArchivedAt == null, cancellationToken);
        if (team is null)
            return Refusal.NotFound("team");
        var keys = await db.Keys.Where(k => k.TenantId == tenant && k.TeamId == id && k.RevokedAt == null && (k.ExpiresAt == null || k.ExpiresAt > now)).OrderBy(k => k.Name).Select(k => "'" + k.Name + "'").ToListAsync(cancellationToken);
        var projects = await db.Projects.Where(p => p.TenantId == tenant && p.TeamId == id && p.ArchivedAt == null).OrderBy(p => p.Name).Select(p => "'" + p.Name + "'").ToListAsync(cancellationToken);
        var budgets = await db.Budgets.Where(b => b.TenantId == tenant && b.EndedAt == null && b.Scope == "team" && b.ScopeValue == id).OrderBy(b => b.Id).Select(b => b.Id).ToListAsync(cancellationToken);
        if (keys.Count + projects.Count + budgets.Count > 0)
            return TeamNames.InUse("team", ("keys", keys), ("projects", projects), ("budgets", budgets));
        team.ArchivedAt = now;
        return new TeamChanged(id);
    }
}

/// <summary>Takes a team out of the archive.</summary>
public sealed record RestoreTeam(Caller Caller, string TenantId, string TeamId) : IUseCase<TeamChanged>, IChange
{
    public Right Needs => Right.ManageTeams;

    public string AuditDetail => "";
}

internal sealed class RestoreTeamHandler(TokonomicsDbContext db) : IRequestHandler<RestoreTeam, Outcome<TeamChanged>>
{
    public async Task<Outcome<TeamChanged>> Handle(RestoreTeam request, CancellationToken cancellationToken)
    {
        var team = await db.Teams.FirstOrDefaultAsync(t => t.TenantId == request.TenantId && t.Id == request.TeamId, cancellationToken);
        if (team is null)
            return Refusal.NotFound("team");
        team.ArchivedAt = null;
        return new TeamChanged(team.Id);
    }
}

/// <summary>The teams and projects of a tenant by name, with what belongs to them.</summary>
public sealed record ListTeams(Caller Caller, string TenantId, bool WithArchived = false) : IUseCase<TeamList>
{
    public Right Needs => Right.ReadUsage;
}

public sealed record TeamList(IReadOnlyList<TeamLine> Teams, IReadOnlyList<ProjectLine> Projects);

/// <param name="Keys">That are neither revoked nor expired; those of its projects too.</param>
/// <param name="Budgets">On it.</param>
public sealed record TeamLine(string Id, string Name, DateTimeOffset CreatedAt, DateTimeOffset? ArchivedAt, int Keys, int Projects, int Budgets);

public sealed record ProjectLine(string Id, string Name, string? TeamId, DateTimeOffset CreatedAt, DateTimeOffset? ArchivedAt, int Keys, int Budgets);

internal sealed class ListTeamsHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<ListTeams, Outcome<TeamList>>
{
    public async Task<Outcome<TeamList>> Handle(ListTeams request, CancellationToken cancellationToken)
    {
        var (tenant, now) = (request.TenantId, time.GetUtcNow());
        var teams = await db.Teams.AsNoTracking().Where(t => t.TenantId == tenant && (request.WithArchived || t.ArchivedAt == null)).OrderBy(t => t.Name).ToListAsync(cancellationToken);
        var projects = await db.Projects.AsNoTracking().Where(p => p.TenantId == tenant && (request.WithArchived || p.ArchivedAt == null)).OrderBy(p => p.Name).ToListAsync(cancellationToken);
        var keys = db.Keys.Where(k => k.TenantId == tenant && k.RevokedAt == null && (k.ExpiresAt == null || k.ExpiresAt > now));
        var byTeam = await keys.Where(k => k.TeamId != null).GroupBy(k => k.TeamId!).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, cancellationToken);
        var byProject = await keys.Where(k => k.ProjectId != null).GroupBy(k => k.ProjectId!).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, cancellationToken);
        var budgets = await db.Budgets.Where(b => b.TenantId == tenant && b.EndedAt == null && (b.Scope == "team" || b.Scope == "project"))
            .GroupBy(b => b.ScopeValue).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, cancellationToken);
        return new TeamList(
            teams.ConvertAll(t => new TeamLine(t.Id, t.Name, t.CreatedAt, t.ArchivedAt, byTeam.GetValueOrDefault(t.Id), projects.Count(p => p.TeamId == t.Id && p.ArchivedAt is null), budgets.GetValueOrDefault(t.Id))),
            projects.ConvertAll(p => new ProjectLine(p.Id, p.Name, p.TeamId, p.CreatedAt, p.ArchivedAt, byProject.GetValueOrDefault(p.Id), budgets.GetValueOrDefault(p.Id))));
    }
}
