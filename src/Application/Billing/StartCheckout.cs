using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Billing;

/// <summary>
/// Opens the way to pay for a plan. However often and by how many people at once it is asked, there is one customer, one session in which anybody can pay, and
/// so one subscription. Its steps hold no transaction while the provider is asked; each is repeatable, since it asks by a key that says what it is for.
/// </summary>
public sealed record StartCheckout(Caller Caller, string TenantId, string PlanName) : IUseCase<CheckoutStarted>
{
    public Right Needs => Right.ManageBilling;
}

/// <param name="Url">Where to pay, or, with <paramref name="Subscribed"/>, where to change what is paid for already.</param>
/// <param name="Subscribed">There is a subscription already: a second one would charge twice.</param>
public sealed record CheckoutStarted(Uri Url, bool Subscribed);

internal sealed class StartCheckoutHandler(TokonomicsDbContext db, BillingSync sync, IPayments payments, PlanBook plans, BillingOptions options, IPortalLinks links, AuditLog audit)
    : IRequestHandler<StartCheckout, Outcome<CheckoutStarted>>
{
    private const int Tries = 10;

    public async Task<Outcome<CheckoutStarted>> Handle(StartCheckout request, CancellationToken cancellationToken)
    {
        if (!options.Enabled)
            return BillingRefusals.Off;
        if (plans.Find(request.PlanName) is not { LookupKey: { } lookupKey } plan)
            return Refusal.NotFound("plan");
        if (await db.Tenants.AnyAsync(t => t.Id == request.TenantId && (t.DeleteAt != null || t.Status == TenantStatus.Suspended), cancellationToken))
            return new Refusal(RefusalKind.Conflict, "tenant_closing", "This organization is suspended or will be deleted: it can't buy a plan.");
        try
        {
            for (var tries = 0; tries < Tries; tries++)
            {
                // 1. How things are. A subscription that is open, in whichever state, is changed where it is.
                if (await sync.RunAsync(request.TenantId, cancellationToken) is not { } now)
                    return Refusal.NotFound("tenant");
                var account = now.Account;
                var open = now.Subscriptions.Where(s => s.IsOpen).ToList();
                if (open.Any(s => s.Status != SubscriptionStatus.Incomplete))
                    return new CheckoutStarted(await payments.OpenPortalAsync(account.CustomerId!, new Uri(links.Link("/billing")), cancellationToken), Subscribed: true);
                // One whose first payment was never made could still be paid beside the new one.
                foreach (var half in open)
                    await payments.CancelSubscriptionAsync(half.Id, cancellationToken);

                // 2. The customer.
                if (account.CustomerId is null)
                {
                    var tenant = await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == request.TenantId, cancellationToken);
                    var owner = await db.Members.AsNoTracking().Where(m => m.TenantId == request.TenantId && m.Role == Role.Owner).OrderBy(m => m.CreatedAt).Select(m => m.Email).FirstOrDefaultAsync(cancellationToken);
                    var customer = await payments.CreateCustomerAsync(new NewCustomer(tenant.Id, tenant.Name, owner ?? ""), $"tokonomics-{tenant.Id}-customer-{account.CustomerSerial}", cancellationToken);
                    await sync.ChangeAsync(account, customer, account.CheckoutId, account.CheckoutPlan, account.CheckoutSerial, cancellationToken);
                    continue; // with the row as it is now, whoever wrote it
                }

                // 3. The session that is open, or the end of the one before.
                if (account.CheckoutId is { } id)
                {
                    var before = await payments.ReadCheckoutAsync(id, cancellationToken);
                    if (before.State == CheckoutState.Open && account.CheckoutPlan == plan.Name)
                        return new CheckoutStarted(before.Url!, Subscribed: false);
                    if (before.State == CheckoutState.Open)
                        await payments.ExpireCheckoutAsync(id, cancellationToken);
                    await sync.ChangeAsync(account, account.CustomerId, null, null, account.CheckoutSerial + 1, cancellationToken);
                    continue; // it may have been paid a moment ago
                }

                // 4. A new one. Whoever presses twice gets the same, by its key.
                if (await payments.FindPricesAsync([lookupKey], cancellationToken) is not [var price, ..])
                    return new Refusal(RefusalKind.Conflict, "price_missing", $"The plan {plan.Title} can't be bought at the moment: at Stripe no active price has the lookup key {lookupKey}. Whoever runs this installation has to make one.");
                var session = await payments.OpenCheckoutAsync(
                    new NewCheckout(request.TenantId, account.CustomerId, plan.Name, price.Id, links.Link("/billing/done") + "?session_id={CHECKOUT_SESSION_ID}", links.Link("/billing"), options.AutomaticTax),
                    $"tokonomics-{request.TenantId}-checkout-{account.CheckoutSerial}-{plan.Name}", cancellationToken);
                if (await sync.ChangeAsync(account, account.CustomerId, session.Id, plan.Name, account.CheckoutSerial, cancellationToken) == 1)
                {
                    await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
                    await audit.AppendAsync(request.TenantId, request.Caller.Actor, "start_checkout", session.Id, AuditResult.Done, plan.Name, cancellationToken);
                    await transaction.CommitAsync(cancellationToken);
                    db.ChangeTracker.Clear();
                }
            }
        }
        catch (PaymentsException e)
        {
            return BillingRefusals.Of(e);
        }

        return new Refusal(RefusalKind.Conflict, "busy", "Somebody else is changing the plan at this moment: try again.");
    }
}

/// <summary>
/// Whoever paid comes back. What they see doesn't depend on whether the provider's event was here first: its state is asked for now.
/// </summary>
public sealed record ConfirmCheckout(Caller Caller, string TenantId, string SessionId) : IUseCase<CheckoutConfirmed>
{
    public Right Needs => Right.ManageBilling;
}

/// <param name="State">Open where they came back without paying.</param>
/// <param name="Paid">False while a payment that takes days is on its way.</param>
public sealed record CheckoutConfirmed(CheckoutState State, bool Paid, Plan Plan, EntitlementReason Reason);

internal sealed class ConfirmCheckoutHandler(BillingSync sync, IPayments payments, BillingOptions options) : IRequestHandler<ConfirmCheckout, Outcome<CheckoutConfirmed>>
{
    public async Task<Outcome<CheckoutConfirmed>> Handle(ConfirmCheckout request, CancellationToken cancellationToken)
    {
        if (!options.Enabled)
            return BillingRefusals.Off;
        if (request.SessionId is not { Length: > 3 and <= 255 } id || !id.StartsWith("cs_", StringComparison.Ordinal) || !id.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
            return Refusal.NotFound("checkout");
        try
        {
            var session = await payments.ReadCheckoutAsync(id, cancellationToken);
            // Of another tenant: there is none.
            if (session.TenantId != request.TenantId || await sync.RunAsync(request.TenantId, cancellationToken) is not { } now)
                return Refusal.NotFound("checkout");
            return new CheckoutConfirmed(session.State, session.Paid, now.Entitlement.Plan, now.Entitlement.Reason);
        }
        catch (PaymentsException e)
        {
            return e.Fault == PaymentsFault.NotFound ? Refusal.NotFound("checkout") : BillingRefusals.Of(e);
        }
    }
}

/// <summary>The way to the provider's own pages: card, invoices, cancelling.</summary>
public sealed record OpenPaymentPages(Caller Caller, string TenantId) : IUseCase<PaymentPages>
{
    public Right Needs => Right.ManageBilling;
}

public sealed record PaymentPages(Uri Url);

internal sealed class OpenPaymentPagesHandler(BillingSync sync, IPayments payments, BillingOptions options, IPortalLinks links) : IRequestHandler<OpenPaymentPages, Outcome<PaymentPages>>
{
    public async Task<Outcome<PaymentPages>> Handle(OpenPaymentPages request, CancellationToken cancellationToken)
    {
        if (!options.Enabled)
            return BillingRefusals.Off;
        try
        {
            if (await sync.FindAsync(request.TenantId, cancellationToken) is not { CustomerId: { } customer })
                return new Refusal(RefusalKind.Conflict, "no_customer", "Nothing was ever bought here: there is nothing to manage yet.");
            return new PaymentPages(await payments.OpenPortalAsync(customer, new Uri(links.Link("/billing")), cancellationToken));
        }
        catch (PaymentsException e)
        {
            return BillingRefusals.Of(e);
        }
    }
}

internal static class BillingRefusals
{
    public static readonly Refusal Off = new(RefusalKind.Conflict, "billing_off", "This installation sells nothing: everything is included.");

    /// <summary>What a person is told. Nothing was bought.</summary>
    public static Refusal Of(PaymentsException e) => new(RefusalKind.Conflict, "payments_" + TokonomicsDbContext.SnakeCase(e.Fault.ToString()), e.Fault switch
    {
        PaymentsFault.Away => "Stripe, which handles payments, can't be reached at the moment. Nothing was bought or changed: try again in a minute.",
        PaymentsFault.Busy => "Stripe, which handles payments, has too much to do at the moment. Nothing was bought or changed: try again in a minute.",
        PaymentsFault.KeyRefused => "Stripe refuses the key of this installation. Nothing was bought or changed: whoever runs it has to look at Billing:SecretKey.",
        PaymentsFault.Declined => $"The payment was declined: {e.Message}",
        _ => $"Stripe refuses: {e.Message} Nothing was bought or changed{(e.RequestId is null ? "" : $" ({e.RequestId})")}.",
    });
}
