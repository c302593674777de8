using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Routing;

/// <summary>Makes a route: calls that ask for its name go by its rules, on this process before the answer is given, on others within a second.</summary>
public sealed record SaveRoute(Caller Caller, string TenantId, RouteForm Route) : IUseCase<RouteSaved>, IChange
{
    // Whoever wires applications chooses their models; which providers there are is decided by those who store their keys.
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => RouteChecks.Describe(Route);
}

/// <param name="Warnings">Sentences about what is odd: no key for a target's provider is stored, a model has no price.</param>
public sealed record RouteSaved(string Id, IReadOnlyList<string> Warnings) : IAuditSubject
{
    public string AuditSubject => Id;
}

internal sealed class SaveRouteRules : AbstractValidator<SaveRoute>
{
    public SaveRouteRules() => RuleFor(r => r.Route).SetValidator(new RouteFormRules());
}

/// <summary>What is wrong with a route by itself, for a new one and a changed one alike.</summary>
internal sealed class RouteFormRules : AbstractValidator<RouteForm>
{
    public RouteFormRules() => RuleFor(r => r).Custom((route, context) =>
    {
        if (RoutePolicy.Of("", route).Problem is { } problem)
            context.AddFailure(new FluentValidation.Results.ValidationFailure(RoutePolicy.IsOfName(route) ? "name" : "rules", problem));
    });
}

internal sealed class SaveRouteHandler(TokonomicsDbContext db, RouteChecks checks, ModelRouteOptions options, TimeProvider time) : IRequestHandler<SaveRoute, Outcome<RouteSaved>>
{
    public async Task<Outcome<RouteSaved>> Handle(SaveRoute request, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var route = RoutePolicy.Of(SortableId.New("route", now), request.Route).Route!;
        var around = await checks.FindAsync(request.TenantId, cancellationToken);
        if (around.Routes.Count >= options.MaxPerTenant)
            return new Refusal(RefusalKind.Conflict, "too_many_routes", $"A tenant may have {options.MaxPerTenant} routes (Routes:MaxPerTenant).");
        if (await checks.ProblemAsync(request.TenantId, route, around, cancellationToken) is { } problem)
            return problem;
        db.Routes.Add(new StoredRoute
        {
            TenantId = request.TenantId,
            Id = route.Id,
            Name = route.Name,
            Policy = RoutePolicy.Write(route),
            CreatedAt = now,
            CreatedBy = request.Caller.Actor,
            ChangedAt = now,
            ChangedBy = request.Caller.Actor,
        });
        await SampleBudgets.SetAsync(db, request.TenantId, route, now, cancellationToken);
        return new RouteSaved(route.Id, around.Warnings(route));
    }
}

/// <summary>Sets a route's name and all of its rules.</summary>
public sealed record UpdateRoute(Caller Caller, string TenantId, string RouteId, RouteForm Route) : IUseCase<RouteSaved>, IChange
{
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => RouteChecks.Describe(Route);
}

internal sealed class UpdateRouteRules : AbstractValidator<UpdateRoute>
{
    public UpdateRouteRules() => RuleFor(r => r.Route).SetValidator(new RouteFormRules());
}

internal sealed class UpdateRouteHandler(TokonomicsDbContext db, RouteChecks checks, TimeProvider time) : IRequestHandler<UpdateRoute, Outcome<RouteSaved>>
{
    public async Task<Outcome<RouteSaved>> Handle(UpdateRoute request, CancellationToken cancellationToken)
    {
        var row = await db.Routes.FirstOrDefaultAsync(r => r.TenantId == request.TenantId && r.Id == request.RouteId, cancellationToken);
        if (row is null)
            return Refusal.NotFound("route");
        var route = RoutePolicy.Of(row.Id, request.Route).Route!;
        var around = await checks.FindAsync(request.TenantId, cancellationToken);
        if (await checks.ProblemAsync(request.TenantId, route, around, cancellationToken) is { } problem)
            return problem;
        if (row.Name != route.Name && await checks.InUseAsync(request.TenantId, row.Name, cancellationToken) is { } inUse)
            return inUse;
        (row.Name, row.Policy, row.ChangedAt, row.ChangedBy) = (route.Name, RoutePolicy.Write(route), time.GetUtcNow(), request.Caller.Actor);
        await SampleBudgets.SetAsync(db, request.TenantId, route, row.ChangedAt, cancellationToken);
        return new RouteSaved(row.Id, around.Warnings(route));
    }
}

/// <summary>Takes a route away, and all that its quality groups have learned: its name is then that of a model again, or of nothing.</summary>
public sealed record DeleteRoute(Caller Caller, string TenantId, string RouteId) : IUseCase<RouteDeleted>, IChange
{
    public Right Needs => Right.ManageKeys;

    public string AuditDetail => "";
}

public sealed record RouteDeleted(string Id) : IAuditSubject
{
    public string AuditSubject => Id;
}

internal sealed class DeleteRouteHandler(TokonomicsDbContext db, RouteChecks checks, TimeProvider time) : IRequestHandler<DeleteRoute, Outcome<RouteDeleted>>
{
    private static readonly string[] Learned = [.. new[] { "sums", "classes", "daily", "weeks", "signals", "events" }.Select(table => $"DELETE FROM routing_{table} WHERE tenant_id = {{0}} AND route_id = {{1}}")];

    public async Task<Outcome<RouteDeleted>> Handle(DeleteRoute request, CancellationToken cancellationToken)
    {
        var row = await db.Routes.FirstOrDefaultAsync(r => r.TenantId == request.TenantId && r.Id == request.RouteId, cancellationToken);
        if (row is null)
            return Refusal.NotFound("route");
        if (await checks.InUseAsync(request.TenantId, row.Name, cancellationToken) is { } inUse)
            return inUse;
        // The route first: whoever is bringing a label holds its row until that is written, and who comes later finds no route.
        db.Routes.Remove(row);
        await db.SaveChangesAsync(cancellationToken);
        foreach (var deletion in Learned)
            await db.Database.ExecuteSqlRawAsync(deletion, [request.TenantId, row.Id], cancellationToken);
        await SampleBudgets.EndAsync(db, request.TenantId, row.Id, time.GetUtcNow(), cancellationToken);
        return new RouteDeleted(row.Id);
    }
}
