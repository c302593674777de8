using MediatR;
using Tokonomics.Application.Keys;

namespace Tokonomics.Web.Portal.Api;

/// <summary>Endpoints that the tenant added: providers of its own.</summary>
internal static class EndpointsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var endpoints = api.MapGroup("/endpoints").WithTags("Custom endpoints");
        endpoints.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListCustomEndpoints(http.Caller(), http.Tenant()), http.RequestAborted))
                .Answer(l => new EndpointPage([.. l.Endpoints.Select(e => new EndpointShape(e.Name, e.BaseUrl, e.Surface, e.CreatedAt))])))
            .Produces<EndpointPage>().WithSummary("The endpoints that this tenant added");
        endpoints.MapPost("", async (HttpContext http, IMediator mediator, NewEndpoint body) =>
            (await mediator.Send(new AddCustomEndpoint(http.Caller(), http.Tenant(), body.Name, body.BaseUrl, body.Surface), http.RequestAborted)).Answer(e => new EndpointAddedShape(e.Name), 201))
            .Produces<EndpointAddedShape>(201).WithSummary("Adds an endpoint; its routes are /proxy/{name}/…, its key is a provider credential of that name");
        endpoints.MapDelete("/{name}", async (HttpContext http, IMediator mediator, string name) =>
            (await mediator.Send(new RemoveCustomEndpoint(http.Caller(), http.Tenant(), name), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Removes an endpoint");
    }

    internal sealed record NewEndpoint(string Name, string BaseUrl, string Surface = "openai");

    internal sealed record EndpointAddedShape(string Name);

    internal sealed record EndpointShape(string Name, string BaseUrl, string Surface, DateTimeOffset CreatedAt);

    internal sealed record EndpointPage(IReadOnlyList<EndpointShape> Data);
}
