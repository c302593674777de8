using MediatR;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Web.Portal.Api;

/// <summary>What the tenant is, and what it decides for all its calls.</summary>
internal static class SettingsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var settings = api.MapGroup("/settings").WithTags("Settings");
        settings.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new GetTenantSettings(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(SettingsShape.Of))
            .Produces<SettingsShape>().WithSummary("The tenant's name, time zone, and what holds for all its calls");
        settings.MapPut("", async (HttpContext http, IMediator mediator, SettingsBody body) =>
            (await mediator.Send(
                new SetTenantSettings(http.Caller(), http.Tenant()) { Name = body.Name, TimeZone = body.TimeZone, OnDisconnect = body.OnDisconnect, Unpriced = body.Unpriced, RetentionDays = body.RetentionDays },
                http.RequestAborted)).Answer(SettingsShape.Of))
            .Produces<SettingsShape>().WithSummary("Sets what is named and leaves the rest. on_disconnect: cancel breaks a call off at the provider when its client leaves, and estimates what it used; read_on reads the answer to its end for its exact usage. unpriced: record or refuse calls whose model has no price. A new time zone holds for budgets from the end of the periods that run");
    }

    /// <param name="RetentionDays">Events older than this are deleted, their hourly sums stay: 35 to 3650 days, 0 for never.</param>
    internal sealed record SettingsBody(string? Name = null, string? TimeZone = null, DisconnectPolicy? OnDisconnect = null, UnpricedPolicy? Unpriced = null, int? RetentionDays = null);

    /// <param name="Plan">The one in force.</param>
    /// <param name="PlanReason">Why it is that.</param>
    /// <param name="PlanEndsAt">When it ends as things are; null where it goes on.</param>
    /// <param name="GrantedPlan">The one that the installation's operator gave; null for none.</param>
    /// <param name="TimeZoneSince">When the time zone was changed last; null where it never was.</param>
    /// <param name="DeleteAt">When the tenant will be deleted; null where nobody asked for that.</param>
    internal sealed record SettingsShape(
        string Id, string Name, string Plan, EntitlementReason PlanReason, DateTimeOffset? PlanEndsAt, string? GrantedPlan, TenantStatus Status, string TimeZone, DateTimeOffset? TimeZoneSince, DisconnectPolicy OnDisconnect, UnpricedPolicy Unpriced, int RetentionDays, DateTimeOffset CreatedAt, DateTimeOffset? DeleteAt)
    {
        public static SettingsShape Of(TenantSettings s) =>
            new(s.TenantId, s.Name, s.Plan.Name, s.Plan.Reason, s.Plan.EndsAt, s.Plan.Granted, s.Status, s.TimeZone, s.ZoneChangedAt, s.OnDisconnect, s.Unpriced, s.RetentionDays ?? 0, s.CreatedAt, s.DeleteAt);
    }
}
