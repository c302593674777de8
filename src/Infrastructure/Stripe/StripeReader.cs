using System.Globalization;
using System.Text.Json;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;

namespace Tokonomics.Infrastructure.Stripe;

/// <summary>
/// Stripe's objects as ours, in the form of two versions of its API: an event is rendered in the version of its endpoint, and since 2025-03-31 periods stand on
/// a subscription's items and an invoice's subscription under its parent. What is neither is refused, never guessed.
/// </summary>
internal static class StripeReader
{
    public static Subscription Subscription(JsonElement s)
    {
        var items = s.TryGetProperty("items", out var list) && list.TryGetProperty("data", out var data) ? data.EnumerateArray().ToList() : [];
        return new Subscription
        {
            Id = Id(s),
            CustomerId = Reference(s, "customer") ?? throw Unreadable("a subscription without a customer"),
            Status = Status(Text(s, "status")),
            Prices = items.ConvertAll(i => new SubscribedPrice(i.TryGetProperty("price", out var price) ? Text(price, "lookup_key") : null, i.TryGetProperty("price", out price) ? Reference(price, "product") ?? "" : "")),
            CreatedAt = Time(s, "created") ?? throw Unreadable("a subscription without a date"),
            PeriodStart = Time(s, "current_period_start") ?? items.Select(i => Time(i, "current_period_start")).Max(),
            PeriodEnd = Time(s, "current_period_end") ?? items.Select(i => Time(i, "current_period_end")).Max(),
            CancelAtPeriodEnd = Flag(s, "cancel_at_period_end"),
            CancelAt = Time(s, "cancel_at"),
            InvoicedAt = s.TryGetProperty("latest_invoice", out var invoice) && invoice.ValueKind == JsonValueKind.Object ? Time(invoice, "created") : null,
        };
    }

    public static SubscriptionStatus Status(string? status) => status switch
    {
        "incomplete" => SubscriptionStatus.Incomplete,
        "incomplete_expired" => SubscriptionStatus.IncompleteExpired,
        "trialing" => SubscriptionStatus.Trialing,
        "active" => SubscriptionStatus.Active,
        "past_due" => SubscriptionStatus.PastDue,
        "unpaid" => SubscriptionStatus.Unpaid,
        "paused" => SubscriptionStatus.Paused,
        "canceled" => SubscriptionStatus.Canceled,
        _ => throw Unreadable($"a subscription in the state '{status}', which this program doesn't know"),
    };

    public static CheckoutSession Checkout(JsonElement s) => new(
        Id(s),
        Text(s, "status") switch
        {
            "open" => CheckoutState.Open,
            "complete" => CheckoutState.Complete,
            "expired" => CheckoutState.Expired,
            var other => throw Unreadable($"a checkout in the state '{other}', which this program doesn't know"),
        },
        Link(s, "url"), Text(s, "payment_status") is "paid" or "no_payment_required", Reference(s, "customer"), Text(s, "client_reference_id"), Reference(s, "subscription"));

    public static PayInvoice Invoice(JsonElement i) => new(
        Text(i, "id"), Text(i, "number"), Text(i, "status") ?? "draft", Number(i, "total"), Number(i, "amount_due"), Text(i, "currency") ?? "usd",
        (Text(i, "status") is null or "draft" ? Time(i, "next_payment_attempt") : null) ?? Time(i, "created") ?? default,
        Time(i, "next_payment_attempt"), (int)Number(i, "attempt_count"), Link(i, "hosted_invoice_url"), Link(i, "invoice_pdf"), InvoiceSubscription(i));

    public static string? InvoiceSubscription(JsonElement i) =>
        Reference(i, "subscription")
        ?? (i.TryGetProperty("parent", out var parent) && parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty("subscription_details", out var details) && details.ValueKind == JsonValueKind.Object
            ? Reference(details, "subscription") : null);

    public static SoldPrice Price(JsonElement p) => new(
        Id(p), Text(p, "lookup_key") ?? "", Reference(p, "product") ?? "", p.TryGetProperty("unit_amount", out var amount) && amount.ValueKind == JsonValueKind.Number ? amount.GetInt64() : null, Text(p, "currency") ?? "usd");

    public static string? Customer(JsonElement o) => Reference(o, "customer");

    public static PaymentTrouble Dispute(JsonElement d)
    {
        var status = Text(d, "status") ?? throw Unreadable("a dispute without a state");
        return new PaymentTrouble(
            Id(d), PaymentTroubleKind.Dispute, Number(d, "amount"), Text(d, "currency") ?? "usd", status, Text(d, "reason") ?? "",
            status is not ("won" or "lost" or "warning_closed" or "prevented"), Time(d, "created") ?? throw Unreadable("a dispute without a date"));
    }

    /// <summary>Null where nothing was paid back.</summary>
    public static PaymentTrouble? Refund(JsonElement charge) => Number(charge, "amount_refunded") is > 0 and var back
        ? new PaymentTrouble(Id(charge), PaymentTroubleKind.Refund, back, Text(charge, "currency") ?? "usd", Flag(charge, "refunded") ? "full" : "partial", "", false, Time(charge, "created") ?? throw Unreadable("a payment without a date"))
        : null;

    /// <summary>The envelope alone: which object of whose. What it says of the object is not read.</summary>
    /// <exception cref="PaymentsException">It is none.</exception>
    public static PaymentEvent Event(JsonElement e)
    {
        if (e.ValueKind != JsonValueKind.Object || Text(e, "object") != "event")
            throw Unreadable("a body that is no event");
        var about = e.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Object && data.TryGetProperty("object", out var o) && o.ValueKind == JsonValueKind.Object ? o : throw Unreadable("an event about nothing");
        var customer = Text(about, "object") == "customer" ? Text(about, "id") : Reference(about, "customer");
        return new PaymentEvent(Id(e), Text(e, "type") ?? throw Unreadable("an event without a type"), Flag(e, "livemode"), Time(e, "created") ?? throw Unreadable("an event without a date"), Text(about, "id"), customer);
    }

    public static string? Text(JsonElement e, string name) => e.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    public static bool Flag(JsonElement e, string name) => e.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    /// <summary>An id, or the id of the object that stands in its place.</summary>
    private static string? Reference(JsonElement e, string name) => !e.TryGetProperty(name, out var value) ? null : value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Object => Text(value, "id"),
        _ => null,
    };

    private static string Id(JsonElement e) => Text(e, "id") is { Length: > 0 and <= 255 } id ? id : throw Unreadable("an object without an id");

    private static long Number(JsonElement e, string name) => e.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt64() : 0;

    private static Uri? Link(JsonElement e, string name) => Uri.TryCreate(Text(e, name), UriKind.Absolute, out var uri) && uri.Scheme is "https" or "http" ? uri : null;

    private static DateTimeOffset? Time(JsonElement e, string name) =>
        e.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var seconds) && seconds is > 0 and < 253402300800 ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;

    public static PaymentsException Unreadable(string what) => new(PaymentsFault.Unreadable, string.Create(CultureInfo.InvariantCulture, $"Stripe sent {what}."));
}
