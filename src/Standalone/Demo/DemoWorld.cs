using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Standalone.Demo;

/// <summary>The teams, projects and keys of a demonstration. What the tenant has of them by name is taken as it is.</summary>
internal sealed class DemoWorld(TokonomicsDbContext db, IMediator mediator, TimeProvider time)
{
    public async Task<DemoPlaces> MakeAsync(Tenant tenant, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var teams = await db.Teams.Where(t => t.TenantId == tenant.Id).ToDictionaryAsync(t => t.Name, t => t.Id, cancellationToken);
        var projects = await db.Projects.Where(p => p.TenantId == tenant.Id).ToDictionaryAsync(p => p.Name, p => p.Id, cancellationToken);
        foreach (var (project, team) in DemoFlow.Projects)
        {
            if (!teams.TryGetValue(team, out var teamId))
                db.Add(new Team { TenantId = tenant.Id, Id = teams[team] = teamId = SortableId.New("team", now), Name = team, CreatedAt = now });
            await db.SaveChangesAsync(cancellationToken); // projects refer to teams
            if (!projects.ContainsKey(project))
                db.Add(new Project { TenantId = tenant.Id, Id = projects[project] = SortableId.New("prj", now), TeamId = teamId, Name = project, CreatedAt = now });
        }

        await db.SaveChangesAsync(cancellationToken);
        db.ChangeTracker.Clear();
        var keys = new Dictionary<string, string>();
        foreach (var (name, project) in DemoFlow.All.Select(f => (f.Key, f.Project)).Distinct())
            keys[name] = await KeyAsync(tenant.Id, name, KeyEnvironment.Live, projects[project], cancellationToken);
        return new DemoPlaces(
            tenant.Id, TimeZoneInfo.FindSystemTimeZoneById(tenant.TimeZone), projects, DemoFlow.Projects.ToDictionary(p => p.Name, p => teams[p.Team]), keys,
            await KeyAsync(tenant.Id, "sandbox", KeyEnvironment.Test, null, cancellationToken));
    }

    private async Task<string> KeyAsync(string tenantId, string name, KeyEnvironment environment, string? project, CancellationToken cancellationToken)
    {
        if (await db.Keys.Where(k => k.TenantId == tenantId && k.Name == name && k.Environment == environment).Select(k => k.Id).FirstOrDefaultAsync(cancellationToken) is { } known)
            return known;
        var made = await mediator.Send(new CreateKey(Caller.Operator, tenantId, name, environment) { ProjectId = project }, cancellationToken);
        return made.Value.Id;
    }
}
