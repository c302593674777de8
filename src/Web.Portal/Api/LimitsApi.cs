using System.Text.Json.Serialization;
using MediatR;
using Tokonomics.Application.RateLimits;
using Tokonomics.Domain.RateLimits;

namespace Tokonomics.Web.Portal.Api;

/// <summary>The rate limits over all keys of the tenant; those of a key are the key's.</summary>
internal static class LimitsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var limits = api.MapGroup("/limits").WithTags("Rate limits");
        limits.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new GetTenantLimits(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(l => LimitsShape.Of(l.Limits)))
            .Produces<LimitsShape>().WithSummary("The limits over all keys together, live and test apart; null is no limit");
        limits.MapPut("", async (HttpContext http, IMediator mediator, LimitsShape body) =>
            (await mediator.Send(new SetTenantLimits(http.Caller(), http.Tenant(), body.Limits), http.RequestAborted)).Answer(l => LimitsShape.Of(l.Limits)))
            .Produces<LimitsShape>().WithSummary("Sets the limits over all keys, all three; one that is left out is none");
    }
}

internal sealed record LimitsShape(long? RequestsPerMinute = null, long? TokensPerMinute = null, int? ConcurrentRequests = null)
{
    [JsonIgnore]
    public CallLimits Limits => new(RequestsPerMinute, TokensPerMinute, ConcurrentRequests);

    public static LimitsShape Of(CallLimits limits) => new(limits.RequestsPerMinute, limits.TokensPerMinute, limits.ConcurrentRequests);
}
