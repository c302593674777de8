using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;

namespace Tokonomics.Infrastructure.Stripe;

/// <summary>Stripe as the payment provider.</summary>
public sealed class StripePayments(StripeClient stripe, bool live) : IPayments
{
    // Up to twenty in one question.
    private const int TypesAtOnce = 20;

    private const int MostSubscriptions = 1000;

    private const int MostEvents = 10_000;

    public bool Live => live;

    public async Task<string> CreateCustomerAsync(NewCustomer customer, string onceKey, CancellationToken cancellationToken)
    {
        // What never changes first: asked again by the same key with another name, it would be refused instead of found.
        var made = await stripe.PostAsync("/v1/customers", StripeForm.Empty.And("metadata[tenant_id]", customer.TenantId), onceKey, cancellationToken);
        var id = Mine(made).GetProperty("id").GetString()!;
        var form = StripeForm.Empty.And("name", customer.Name);
        if (customer.Email.Length > 0)
            form = form.And("email", customer.Email);
        await stripe.PostAsync($"/v1/customers/{id}", form, $"{onceKey}-named-{Hash(form.ToString())}", cancellationToken);
        return id;
    }

    public async Task<PayingCustomer?> FindCustomerAsync(string customerId, CancellationToken cancellationToken)
    {
        try
        {
            var found = await stripe.GetAsync($"/v1/customers/{Uri.EscapeDataString(customerId)}", StripeForm.Empty, cancellationToken);
            return StripeReader.Flag(found, "deleted") ? null
                : new PayingCustomer(customerId, Mine(found).TryGetProperty("metadata", out var metadata) ? StripeReader.Text(metadata, "tenant_id") : null, StripeReader.Flag(found, "delinquent"));
        }
        catch (PaymentsException e) when (e.Fault == PaymentsFault.NotFound)
        {
            return null;
        }
    }

    public async Task<IReadOnlyList<SoldPrice>> FindPricesAsync(IReadOnlyCollection<string> lookupKeys, CancellationToken cancellationToken)
    {
        var found = await stripe.ListAsync("/v1/prices", StripeForm.Empty.And("active", true).And("limit", 100).AndEach("lookup_keys", lookupKeys), 100, cancellationToken);
        return found.ConvertAll(p => StripeReader.Price(Mine(p)));
    }

    public async Task<CheckoutSession> OpenCheckoutAsync(NewCheckout checkout, string onceKey, CancellationToken cancellationToken)
    {
        var form = StripeForm.Empty
            .And("mode", "subscription").And("customer", checkout.CustomerId).And("client_reference_id", checkout.TenantId)
            .And("line_items[0][price]", checkout.PriceId).And("line_items[0][quantity]", 1)
            .And("success_url", checkout.Done).And("cancel_url", checkout.Left)
            .And("metadata[tenant_id]", checkout.TenantId).And("metadata[plan]", checkout.PlanName).And("subscription_data[metadata][tenant_id]", checkout.TenantId)
            // A coupon over the whole price asks for no card.
            .And("allow_promotion_codes", true).And("payment_method_collection", "if_required");
        if (checkout.AutomaticTax)
            form = form.And("automatic_tax[enabled]", true).And("customer_update[address]", "auto").And("customer_update[name]", "auto").And("tax_id_collection[enabled]", true);
        return StripeReader.Checkout(Mine(await stripe.PostAsync("/v1/checkout/sessions", form, onceKey, cancellationToken)));
    }

    public async Task<CheckoutSession> ReadCheckoutAsync(string sessionId, CancellationToken cancellationToken) =>
        StripeReader.Checkout(Mine(await stripe.GetAsync($"/v1/checkout/sessions/{Uri.EscapeDataString(sessionId)}", StripeForm.Empty, cancellationToken)));

    public async Task<CheckoutSession> ExpireCheckoutAsync(string sessionId, CancellationToken cancellationToken)
    {
        try
        {
            return StripeReader.Checkout(Mine(await stripe.PostAsync($"/v1/checkout/sessions/{Uri.EscapeDataString(sessionId)}/expire", StripeForm.Empty, $"tokonomics-expire-{sessionId}", cancellationToken)));
        }
        catch (PaymentsException e) when (e.Fault == PaymentsFault.Refused)
        {
            return await ReadCheckoutAsync(sessionId, cancellationToken); // it ended in this moment
        }
    }

    public async Task<Uri> OpenPortalAsync(string customerId, Uri returnTo, CancellationToken cancellationToken)
    {
        // By a key of this moment: an address that was given out before doesn't work any more.
        var made = await stripe.PostAsync("/v1/billing_portal/sessions", StripeForm.Empty.And("customer", customerId).And("return_url", returnTo.ToString()), $"tokonomics-portal-{Guid.NewGuid():n}", cancellationToken);
        return new Uri(StripeReader.Text(Mine(made), "url") ?? throw StripeReader.Unreadable("a session of its portal without an address"));
    }

    public async Task<IReadOnlyList<Subscription>> ListSubscriptionsAsync(string customerId, CancellationToken cancellationToken)
    {
        var found = await stripe.ListAsync("/v1/subscriptions", StripeForm.Empty.And("customer", customerId).And("status", "all").And("limit", 100).And("expand[0]", "data.latest_invoice"), MostSubscriptions, cancellationToken);
        return found.ConvertAll(s => StripeReader.Subscription(Mine(s)));
    }

    public async Task CancelSubscriptionAsync(string subscriptionId, CancellationToken cancellationToken)
    {
        try
        {
            await stripe.DeleteAsync($"/v1/subscriptions/{Uri.EscapeDataString(subscriptionId)}", StripeForm.Empty.And("prorate", false), cancellationToken);
        }
        catch (PaymentsException e) when (e.Fault == PaymentsFault.NotFound)
        {
            // It is over already.
        }
    }

    public async Task<IReadOnlyList<PayInvoice>> ListInvoicesAsync(string customerId, int limit, CancellationToken cancellationToken)
    {
        var page = await stripe.GetAsync("/v1/invoices", StripeForm.Empty.And("customer", customerId).And("limit", limit), cancellationToken);
        return [.. page.GetProperty("data").EnumerateArray().Select(i => StripeReader.Invoice(Mine(i)))];
    }

    public async Task<PayInvoice?> PreviewInvoiceAsync(string customerId, string subscriptionId, CancellationToken cancellationToken)
    {
        try
        {
            // A question, though a POST: an answer to the same one from before would be a wrong one.
            return StripeReader.Invoice(await stripe.PostAsync("/v1/invoices/create_preview", StripeForm.Empty.And("customer", customerId).And("subscription", subscriptionId), $"tokonomics-preview-{Guid.NewGuid():n}", cancellationToken));
        }
        catch (PaymentsException e) when (e.Code == "invoice_upcoming_none" || e.Fault == PaymentsFault.NotFound)
        {
            return null;
        }
    }

    public async Task<string?> FindPayerAsync(string disputeId, CancellationToken cancellationToken)
    {
        try
        {
            var dispute = Mine(await stripe.GetAsync($"/v1/disputes/{Uri.EscapeDataString(disputeId)}", StripeForm.Empty.And("expand[0]", "charge"), cancellationToken));
            return dispute.TryGetProperty("charge", out var charge) && charge.ValueKind == JsonValueKind.Object ? StripeReader.Customer(charge) : null;
        }
        catch (PaymentsException e) when (e.Fault == PaymentsFault.NotFound)
        {
            return null;
        }
    }

    public async Task<IReadOnlyList<PaymentTrouble>> ListTroublesAsync(string customerId, CancellationToken cancellationToken)
    {
        var page = await stripe.GetAsync("/v1/charges", StripeForm.Empty.And("customer", customerId).And("limit", 100), cancellationToken);
        var troubles = new List<PaymentTrouble>();
        foreach (var charge in page.GetProperty("data").EnumerateArray())
        {
            if (StripeReader.Refund(Mine(charge)) is { } refund)
                troubles.Add(refund);
            if (!StripeReader.Flag(charge, "disputed"))
                continue;
            var disputes = await stripe.GetAsync("/v1/disputes", StripeForm.Empty.And("charge", StripeReader.Text(charge, "id") ?? "").And("limit", 100), cancellationToken);
            troubles.AddRange(disputes.GetProperty("data").EnumerateArray().Select(d => StripeReader.Dispute(Mine(d))));
        }

        return troubles;
    }

    public async Task<IReadOnlyList<PaymentEvent>> ListUndeliveredAsync(IReadOnlyCollection<string> types, DateTimeOffset since, CancellationToken cancellationToken)
    {
        var events = new List<PaymentEvent>();
        foreach (var some in types.Chunk(TypesAtOnce))
            events.AddRange((await stripe.ListAsync(
                "/v1/events", StripeForm.Empty.And("delivery_success", false).And("created[gte]", since.ToUnixTimeSeconds()).And("limit", 100).AndEach("types", some), MostEvents, cancellationToken)).Select(StripeReader.Event));
        return [.. events.OrderByDescending(e => e.At).ThenBy(e => e.Id, StringComparer.Ordinal)];
    }

    // An object of the other mode behind this key can't be; should it be, nothing is built on it.
    private JsonElement Mine(JsonElement found) => found.TryGetProperty("livemode", out var mode) && mode.ValueKind is JsonValueKind.True or JsonValueKind.False && StripeReader.Flag(found, "livemode") != live
        ? throw StripeReader.Unreadable($"an object of its {(live ? "test" : "live")} mode, and the secret key is of the other")
        : found;

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 8));
}
