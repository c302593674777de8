using Tokonomics.Domain.Billing;

namespace Tokonomics.Application.Billing;

/// <summary>What a tenant's plan is, and what was last heard of its customer at the payment provider. Written from what was read there, never from what an event says.</summary>
public sealed class BillingAccount
{
    public required string TenantId { get; init; }

    /// <summary>The plan in force: a name of the price list.</summary>
    public required string Plan { get; set; }

    public required DateTimeOffset PlanSince { get; set; }

    public EntitlementReason Reason { get; set; }

    /// <summary>When the plan ends as things are.</summary>
    public DateTimeOffset? EndsAt { get; set; }

    /// <summary>The plan that the operator gave; null for none.</summary>
    public string? GrantedPlan { get; set; }

    /// <summary>Null before the first upgrade, and after the customer was deleted.</summary>
    public string? CustomerId { get; set; }

    /// <summary>Grows with each customer that was deleted at the provider: the next one is asked for by another key.</summary>
    public int CustomerSerial { get; set; }

    public string? SubscriptionId { get; set; }

    /// <summary>In the provider's words; null without a subscription.</summary>
    public SubscriptionStatus? SubscriptionStatus { get; set; }

    public DateTimeOffset? PeriodEnd { get; set; }

    /// <summary>The checkout that was opened last: at most one is open, so that nobody can pay twice.</summary>
    public string? CheckoutId { get; set; }

    public string? CheckoutPlan { get; set; }

    /// <summary>Grows with each checkout that ended: the next one is asked for by another key.</summary>
    public int CheckoutSerial { get; set; }

    /// <summary>When the provider was last asked.</summary>
    public DateTimeOffset? SyncedAt { get; set; }

    /// <summary>Grows with each change: whoever read an older one writes nothing.</summary>
    public long Version { get; set; }
}

/// <summary>A payment of a tenant's that was disputed or paid back, as it was last found at the payment provider. A flag for the operator: the plan is another matter.</summary>
public sealed class StoredPaymentTrouble
{
    public required string TenantId { get; init; }

    /// <inheritdoc cref="PaymentTrouble.Id"/>
    public required string Id { get; init; }

    public required PaymentTroubleKind Kind { get; init; }

    public long Amount { get; set; }

    public required string Currency { get; set; }

    public required string Status { get; set; }

    public required string Reason { get; set; }

    public bool IsOpen { get; set; }

    public required DateTimeOffset At { get; init; }

    /// <summary>When the provider was asked: what was asked before writes nothing over it.</summary>
    public required DateTimeOffset AskedAt { get; set; }
}

/// <summary>An event of the payment provider, kept once by its id. Nothing of what it says is kept.</summary>
public sealed class StoredPaymentEvent
{
    public required string Id { get; init; }

    public required string Type { get; init; }

    public string? ObjectId { get; init; }

    public string? CustomerId { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required DateTimeOffset ReceivedAt { get; init; }

    /// <summary>Null while it waits.</summary>
    public DateTimeOffset? ProcessedAt { get; set; }

    public int Tries { get; set; }

    /// <summary>Not before then.</summary>
    public DateTimeOffset NextTryAt { get; set; }

    /// <summary>What became of it: <c>synced</c>, <c>parked</c>, <c>ignored</c>; or why the last try failed.</summary>
    public string Outcome { get; set; } = "";
}
