using MediatR;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;

namespace Tokonomics.Web.Portal.Api;

/// <summary>The plan, and what of it is used.</summary>
internal static class BillingApi
{
    public static void Map(RouteGroupBuilder api) =>
        api.MapGet("/billing", async (HttpContext http, IMediator mediator) => (await mediator.Send(new GetBilling(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(BillingShape.Of))
            .Produces<BillingShape>().WithTags("Billing").WithSummary("The plan, its quota, and what of it is used this month");

    /// <param name="Sold">False in an installation that sells nothing.</param>
    /// <param name="CallsLimit">Null for any number.</param>
    /// <param name="CallsHeld">Set aside for calls that run.</param>
    internal sealed record BillingShape(
        bool Sold, string Plan, EntitlementReason Reason, DateTimeOffset? EndsAt, long CallsUsed, long CallsHeld, long? CallsLimit, DateTimeOffset PeriodStart, DateTimeOffset PeriodEnd, int Members, int? MembersLimit, int? HistoryDays)
    {
        public static BillingShape Of(BillingState s) => new(
            s.Sold, s.Plan.Name, s.Reason, s.EndsAt, s.Calls, s.Held, s.Plan.CallsPerMonth, s.Window.Start, s.Window.End, s.Members, s.Plan.Members, s.Plan.HistoryDays);
    }
}
