using MediatR;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Web.Portal.Api;

/// <summary>What the tenant decides for all its calls.</summary>
internal static class SettingsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var settings = api.MapGroup("/settings").WithTags("Settings");
        settings.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new GetTenantSettings(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(s => new SettingsShape(s.OnDisconnect)))
            .Produces<SettingsShape>().WithSummary("What holds for all calls of the tenant");
        settings.MapPut("", async (HttpContext http, IMediator mediator, SettingsShape body) =>
            (await mediator.Send(new SetTenantSettings(http.Caller(), http.Tenant(), body.OnDisconnect), http.RequestAborted)).Answer(s => new SettingsShape(s.OnDisconnect)))
            .Produces<SettingsShape>().WithSummary("on_disconnect: cancel breaks a call off at the provider when its client leaves, and estimates what it used; read_on reads the answer to its end for its exact usage");
    }

    internal sealed record SettingsShape(DisconnectPolicy OnDisconnect);
}
