using MediatR;
using Tokonomics.Application.Caching;

namespace Tokonomics.Web.Portal.Api;

/// <summary>The answers that are kept for exact repeats, all keys together.</summary>
internal static class CacheApi
{
    public static void Map(RouteGroupBuilder api) =>
        api.MapGroup("/cache").WithTags("Cache").MapDelete("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new EmptyCache(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Empties the cache of answers: none that was kept before is given to any call, on every proxy within a second");
}
