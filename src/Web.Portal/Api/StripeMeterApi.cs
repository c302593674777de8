using MediatR;
using Tokonomics.Application.Billing;

namespace Tokonomics.Web.Portal.Api;

/// <summary>The meter in the tenant's own account at Stripe to which statements are reported. Its key goes in and is never shown again.</summary>
internal static class StripeMeterApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var meter = api.MapGroup("/statements/meter").WithTags("Billing");
        meter.MapGet("", async (HttpContext http, IMediator mediator) => (await mediator.Send(new GetStripeMeter(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(MeterShape.Of))
            .Produces<MeterShape>().WithSummary("What of this month's statements is reported to your own Stripe account, and what is in the way");
        meter.MapPut("", async (HttpContext http, IMediator mediator, MeterBody body) =>
            (await mediator.Send(new SetStripeMeter(http.Caller(), http.Tenant(), body.SecretKey, body.EventName ?? ""), http.RequestAborted)).Answer(m => new MeterSetShape(m.MaskedKey, m.Live, m.EventName)))
            .Produces<MeterSetShape>().WithSummary("Stores the key of your own Stripe account and the event name of the meter; without a key the one that is stored stays");
        meter.MapDelete("", async (HttpContext http, IMediator mediator) => (await mediator.Send(new RemoveStripeMeter(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Ends reporting and deletes the key");
        meter.MapPost("/check", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new CheckStripeMeter(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(c => new MeterCheckShape(c.Problem.Length == 0 && c.Customers == 0, c.Problem, c.Customers)))
            .Produces<MeterCheckShape>().WithSummary("Asks Stripe whether key, meter and customers are as they must be");
        meter.MapPut("/customers", async (HttpContext http, IMediator mediator, CustomerBody body) =>
            (await mediator.Send(new ConnectMeteredCustomer(http.Caller(), http.Tenant(), body.Customer ?? "", body.StripeCustomer ?? ""), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Says which customer at Stripe (cus_…) a customer is: from this month on its statements are reported there");
        meter.MapDelete("/customers", async (HttpContext http, IMediator mediator, string? customer = null) =>
            (await mediator.Send(new DisconnectMeteredCustomer(http.Caller(), http.Tenant(), customer ?? ""), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Nothing more of that customer is reported");
        meter.MapPost("/settle", async (HttpContext http, IMediator mediator, SettleBody body) =>
            (await mediator.Send(new SettleMeterReport(http.Caller(), http.Tenant(), body.Identifier ?? "", body.Arrived), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Settles a report of which nobody knows whether Stripe has it: arrived, or to be sent again");
    }

    internal sealed record MeterBody(string? SecretKey, string? EventName)
    {
        // A record prints its members; this one must not.
        public override string ToString() => $"meter {EventName}";
    }

    internal sealed record CustomerBody(string? Customer, string? StripeCustomer);

    internal sealed record SettleBody(string? Identifier, bool Arrived);

    internal sealed record MeterSetShape(string Key, bool Live, string EventName);

    /// <param name="UnknownCustomers">How many customers Stripe doesn't have.</param>
    internal sealed record MeterCheckShape(bool Passed, string Problem, int UnknownCustomers);

    /// <param name="Key">Masked; null where none is stored.</param>
    /// <param name="Problem">Why nothing is reported; empty where all is well.</param>
    /// <param name="NotConnected">Customers of the month who are nobody at Stripe yet.</param>
    internal sealed record MeterShape(
        string Month, string? Key, bool Live, string? EventName, DateTimeOffset? RanAt, string Problem, IReadOnlyList<CustomerShape> Customers, IReadOnlyList<string> NotConnected, IReadOnlyList<UnclearShape> Unclear)
    {
        public static MeterShape Of(StripeMeterView v) => new(
            v.Month.ToString(), v.Meter?.MaskedKey, v.Meter?.Live ?? false, v.Meter?.EventName, v.Meter?.RanAt, v.Meter?.Problem ?? "",
            [.. v.Customers.Select(c => new CustomerShape(c.Customer, c.StripeCustomer, c.From.ToString(), c.StatementCents, c.ReportedCents, c.WaitingCents, c.MissedCents, c.Problem))],
            v.Others, [.. v.Unclear.Select(u => new UnclearShape(u.Identifier, u.Customer, u.StripeCustomer, u.At, u.Cents, u.Problem))]);
    }

    /// <param name="StatementCents">What the month's statement says so far.</param>
    /// <param name="MissedCents">What had become too old for Stripe, in this month and all before.</param>
    internal sealed record CustomerShape(string Customer, string StripeCustomer, string From, long StatementCents, long ReportedCents, long WaitingCents, long MissedCents, string Problem);

    internal sealed record UnclearShape(string Identifier, string Customer, string StripeCustomer, DateTimeOffset At, long Cents, string Problem);
}
