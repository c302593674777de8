using Tokonomics.Domain.Billing;

namespace Tokonomics.Application.Billing;

/// <summary>
/// The payment provider. Every POST names what it does by a key: asking twice does it once, for a day at least. What can't be done is a
/// <see cref="PaymentsException"/>.
/// </summary>
public interface IPayments
{
    /// <summary>Real money moves; otherwise it is the provider's test mode. What belongs to the other mode is refused.</summary>
    bool Live { get; }

    /// <param name="onceKey">Asked again with the same key it is the same customer.</param>
    /// <returns>The customer's id.</returns>
    Task<string> CreateCustomerAsync(NewCustomer customer, string onceKey, CancellationToken cancellationToken);

    /// <summary>Null where there is none, or it was deleted.</summary>
    Task<PayingCustomer?> FindCustomerAsync(string customerId, CancellationToken cancellationToken);

    /// <summary>The prices that have these lookup keys and can be bought; those that aren't there are left out.</summary>
    Task<IReadOnlyList<SoldPrice>> FindPricesAsync(IReadOnlyCollection<string> lookupKeys, CancellationToken cancellationToken);

    Task<CheckoutSession> OpenCheckoutAsync(NewCheckout checkout, string onceKey, CancellationToken cancellationToken);

    Task<CheckoutSession> ReadCheckoutAsync(string sessionId, CancellationToken cancellationToken);

    /// <summary>Ends an open session: nobody can pay in it any more.</summary>
    Task<CheckoutSession> ExpireCheckoutAsync(string sessionId, CancellationToken cancellationToken);

    /// <summary>The provider's own pages for a customer: cards, invoices, cancelling. The address works for some minutes.</summary>
    Task<Uri> OpenPortalAsync(string customerId, Uri returnTo, CancellationToken cancellationToken);

    /// <summary>All of a customer's, over ones too.</summary>
    Task<IReadOnlyList<Subscription>> ListSubscriptionsAsync(string customerId, CancellationToken cancellationToken);

    /// <summary>Ends a subscription at once, without paying anything back.</summary>
    Task CancelSubscriptionAsync(string subscriptionId, CancellationToken cancellationToken);

    /// <summary>The newest first.</summary>
    /// <param name="limit">1 to 100.</param>
    Task<IReadOnlyList<PayInvoice>> ListInvoicesAsync(string customerId, int limit, CancellationToken cancellationToken);

    /// <summary>What the next invoice of a subscription will say; null where none comes.</summary>
    Task<PayInvoice?> PreviewInvoiceAsync(string customerId, string subscriptionId, CancellationToken cancellationToken);

    /// <summary>Who paid what is disputed; null where that is no customer, or there is no such dispute.</summary>
    Task<string?> FindPayerAsync(string disputeId, CancellationToken cancellationToken);

    /// <summary>A customer's payments that were disputed or paid back, as they stand; the newest hundred payments are looked at.</summary>
    Task<IReadOnlyList<PaymentTrouble>> ListTroublesAsync(string customerId, CancellationToken cancellationToken);

    /// <summary>Events that could not be delivered to every webhook, the newest first; the provider keeps thirty days of them.</summary>
    /// <param name="since">Those made at or after.</param>
    Task<IReadOnlyList<PaymentEvent>> ListUndeliveredAsync(IReadOnlyCollection<string> types, DateTimeOffset since, CancellationToken cancellationToken);
}

/// <param name="Name">The organization's, as it stands on invoices.</param>
public sealed record NewCustomer(string TenantId, string Name, string Email);

/// <param name="TenantId">From its metadata; null where it was made elsewhere.</param>
public sealed record PayingCustomer(string Id, string? TenantId, bool Delinquent);

/// <summary>A price that can be bought.</summary>
/// <param name="Amount">In the currency's smallest unit: cents of a dollar.</param>
public sealed record SoldPrice(string Id, string LookupKey, string ProductId, long? Amount, string Currency);

/// <param name="Done">Where whoever paid is sent; has <c>{CHECKOUT_SESSION_ID}</c> in it.</param>
public sealed record NewCheckout(string TenantId, string CustomerId, string PlanName, string PriceId, string Done, string Left, bool AutomaticTax);

public enum CheckoutState
{
    Open,
    Complete,
    Expired,
}

/// <param name="Url">Where to pay; null where it isn't open.</param>
/// <param name="Paid">The first payment is made, or none is needed. False for a complete session whose payment takes days.</param>
public sealed record CheckoutSession(string Id, CheckoutState State, Uri? Url, bool Paid, string? CustomerId, string? TenantId, string? SubscriptionId);

/// <summary>An invoice, made or to come.</summary>
/// <param name="Number">Null for one that is not made yet.</param>
/// <param name="Status"><c>draft</c>, <c>open</c>, <c>paid</c>, <c>void</c>, <c>uncollectible</c>, in the provider's words.</param>
/// <param name="Total">In the currency's smallest unit, tax included.</param>
/// <param name="AmountDue">What of it is left to be paid when it is made: credit and the like are taken off.</param>
/// <param name="At">When it was made, or will be.</param>
/// <param name="NextAttemptAt">When it is tried to be paid again; null where it isn't.</param>
/// <param name="Page">Where it can be looked at and paid.</param>
public sealed record PayInvoice(
    string? Id, string? Number, string Status, long Total, long AmountDue, string Currency, DateTimeOffset At, DateTimeOffset? NextAttemptAt, int Attempts, Uri? Page, Uri? Pdf, string? SubscriptionId);

public enum PaymentTroubleKind
{
    /// <summary>Whoever paid has asked their bank for the money.</summary>
    Dispute,

    /// <summary>All or a part was paid back.</summary>
    Refund,
}

/// <param name="Id">The dispute's; of a refund, the payment's.</param>
/// <param name="Amount">In the currency's smallest unit.</param>
/// <param name="Status">In the provider's words; of a refund <c>full</c> or <c>partial</c>.</param>
/// <param name="Reason">In the provider's words: <c>fraudulent</c>; empty for a refund.</param>
/// <param name="Open">Nothing is decided yet.</param>
/// <param name="At">When the dispute began; of a refund, when it was paid.</param>
public sealed record PaymentTrouble(string Id, PaymentTroubleKind Kind, long Amount, string Currency, string Status, string Reason, bool Open, DateTimeOffset At);

/// <summary>That something happened at the payment provider. What it was is asked there: an event may come late, twice, or before an older one.</summary>
/// <param name="ObjectId">What it is about; null where that has no id.</param>
/// <param name="CustomerId">Whom it concerns; null where it is no customer.</param>
public sealed record PaymentEvent(string Id, string Type, bool Live, DateTimeOffset At, string? ObjectId, string? CustomerId);

public enum PaymentsFault
{
    /// <summary>It can't be reached, or fails on its side. Asking again later helps.</summary>
    Away,

    /// <summary>It asks for patience.</summary>
    Busy,

    /// <summary>The secret key is wrong, or may not do this.</summary>
    KeyRefused,

    /// <summary>There is no such thing.</summary>
    NotFound,

    /// <summary>A card was declined.</summary>
    Declined,

    /// <summary>The request is wrong: a fault of this program, or of what is set up at the provider.</summary>
    Refused,

    /// <summary>The answer is none that this program knows.</summary>
    Unreadable,
}

/// <summary>The payment provider did not do what was asked.</summary>
/// <param name="code">Its own, for programs: <c>resource_missing</c>.</param>
/// <param name="param">The parameter that it names.</param>
/// <param name="requestId">Under which its support finds it.</param>
public sealed class PaymentsException(PaymentsFault fault, string message, string? code = null, string? param = null, string? requestId = null, Exception? inner = null) : Exception(message, inner)
{
    public PaymentsFault Fault { get; } = fault;

    public string? Code { get; } = code;

    public string? Param { get; } = param;

    public string? RequestId { get; } = requestId;

    /// <summary>Asking again later may help.</summary>
    public bool Passes => Fault is PaymentsFault.Away or PaymentsFault.Busy;
}
