using System.Text.Json;
using MediatR;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Api;

/// <summary>Models' names of the tenant's own, and where calls that ask for them go.</summary>
internal static class RoutesApi
{
    private const int MostBytes = 512 * 1024;

    public static void Map(RouteGroupBuilder api)
    {
        var routes = api.MapGroup("/routes").WithTags("Routes");
        routes.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListRoutes(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(l => new RoutePage([.. l.Routes.Select(RouteShape.Of)])))
            .Produces<RoutePage>().WithSummary("All routes by name, with what is odd about each");
        routes.MapGet("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new ListRoutes(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(l => RouteShape.Of(l.Routes[0])))
            .Produces<RouteShape>().WithSummary("One route");
        routes.MapGet("/savings", (HttpContext http, IMediator mediator, string? environment) => SavingsAsync(http, mediator, null, environment))
            .Produces<SavingsApi.ReportShape>().WithSummary("What quality groups could save at each threshold, by the comparisons of the tenant's own calls, and what they have saved");
        routes.MapGet("/{id}/savings", (HttpContext http, IMediator mediator, string id, string? environment) => SavingsAsync(http, mediator, id, environment))
            .Produces<SavingsApi.ReportShape>().WithSummary("The same of one route");
        routes.MapPost("", async (HttpContext http, IMediator mediator) =>
        {
            var (form, refused) = await ReadAsync(http);
            return refused ?? (await mediator.Send(new SaveRoute(http.Caller(), http.Tenant(), form!), http.RequestAborted)).Answer(r => new RouteSavedShape(r.Id, r.Warnings), 201);
        }).Accepts<RouteForm>("application/json").Produces<RouteSavedShape>(201).WithSummary("Makes a route: calls that ask for its name as their model go by the first of its rules that applies");
        routes.MapPut("/{id}", async (HttpContext http, IMediator mediator, string id) =>
        {
            var (form, refused) = await ReadAsync(http);
            return refused ?? (await mediator.Send(new UpdateRoute(http.Caller(), http.Tenant(), id, form!), http.RequestAborted)).Answer(r => new RouteSavedShape(r.Id, r.Warnings));
        }).Accepts<RouteForm>("application/json").Produces<RouteSavedShape>().WithSummary("Sets a route's name and all of its rules; what is left out of a rule takes its default");
        routes.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new DeleteRoute(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Takes a route away: its name is then a model's again, or nothing's");
    }

    private static async Task<IResult> SavingsAsync(HttpContext http, IMediator mediator, string? id, string? environment) => QueryWord.TryRead<KeyEnvironment>(environment, out var known)
        ? (await mediator.Send(new GetSavings(http.Caller(), http.Tenant(), known ?? KeyEnvironment.Live, id), http.RequestAborted)).Answer(r => SavingsApi.ReportShape.Of(r, known ?? KeyEnvironment.Live))
        : QueryWord.Unknown<KeyEnvironment>("environment", environment!);

    // By hand: what is wrong in a rule is told in a sentence that says which, a field that there isn't by its name.
    private static async Task<(RouteForm? Form, IResult? Refused)> ReadAsync(HttpContext http)
    {
        if (await BoundedBody.ReadAsync(http.Request, MostBytes) is not { } body)
            return (null, ApiHost.Problem(413, "too_large", $"A route has {MostBytes / 1024} KiB at most."));
        try
        {
            using var json = JsonDocument.Parse(body);
            var (form, problem) = RoutePolicy.Read(json.RootElement);
            return form is null ? (null, ApiHost.Problem(422, "invalid", problem!, new Dictionary<string, string[]> { ["rules"] = [problem!] })) : (form, null);
        }
        catch (JsonException)
        {
            return (null, ApiHost.Problem(400, "bad_json", "The body is no JSON."));
        }
    }

    internal sealed record RouteSavedShape(string Id, IReadOnlyList<string> Warnings);

    internal sealed record RoutePage(IReadOnlyList<RouteShape> Data);

    /// <param name="Rules">In their order; empty where this version can't read them, which a warning says.</param>
    /// <param name="Warnings">What is odd: a target that is gone, a provider whose key isn't stored, a model without a price.</param>
    internal sealed record RouteShape(string Id, string Name, IReadOnlyList<RuleForm> Rules, IReadOnlyList<string> Warnings, DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset ChangedAt, string ChangedBy)
    {
        public static RouteShape Of(RouteLine r) => new(r.Id, r.Name, r.Route is null ? [] : RoutePolicy.Form(r.Route).Rules, r.Warnings, r.CreatedAt, r.CreatedBy, r.ChangedAt, r.ChangedBy);
    }
}
