using MediatR;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Routing;

/// <summary>The tenant's routes by name, or one of them.</summary>
public sealed record ListRoutes(Caller Caller, string TenantId, string? RouteId = null) : IUseCase<RouteList>
{
    public Right Needs => Right.ReadKeys;
}

public sealed record RouteList(IReadOnlyList<RouteLine> Routes);

/// <param name="Route">Null where this version can't read it: then <paramref name="Warnings"/> says so, and calls don't find it.</param>
public sealed record RouteLine(string Id, string Name, ModelRoute? Route, IReadOnlyList<string> Warnings, DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset ChangedAt, string ChangedBy);

internal sealed class ListRoutesHandler(RouteChecks checks) : IRequestHandler<ListRoutes, Outcome<RouteList>>
{
    public async Task<Outcome<RouteList>> Handle(ListRoutes request, CancellationToken cancellationToken)
    {
        var around = await checks.FindAsync(request.TenantId, cancellationToken);
        var rows = around.Routes.Where(r => request.RouteId is null || r.Id == request.RouteId).ToList();
        if (request.RouteId is not null && rows.Count == 0)
            return Refusal.NotFound("route");
        return new RouteList(rows.ConvertAll(row =>
        {
            var (route, problem) = RoutePolicy.Read(row.Id, row.Name, row.Policy);
            return new RouteLine(row.Id, row.Name, route, route is null ? [$"This version can't read the route, and calls don't find it: {problem}"] : around.Warnings(route), row.CreatedAt, row.CreatedBy, row.ChangedAt, row.ChangedBy);
        }));
    }
}
