namespace Tokonomics.Domain.Billing;

/// <summary>A subscription's state, in the payment provider's words.</summary>
public enum SubscriptionStatus
{
    /// <summary>The first payment failed or waits for the payer, for 23 hours at most.</summary>
    Incomplete,

    /// <summary>Those hours are over.</summary>
    IncompleteExpired,
    Trialing,
    Active,

    /// <summary>The payment of a renewal failed; it is tried again.</summary>
    PastDue,

    /// <summary>All tries failed; invoices stay open and are not tried any more.</summary>
    Unpaid,

    /// <summary>The trial ended without a means of payment.</summary>
    Paused,
    Canceled,
}

/// <summary>What was bought: a price may have given its lookup key to its successor, and is then known by its product.</summary>
public sealed record SubscribedPrice(string? LookupKey, string ProductId);

/// <summary>One subscription as the payment provider has it at the moment of reading.</summary>
public sealed record Subscription
{
    public required string Id { get; init; }

    public required string CustomerId { get; init; }

    public required SubscriptionStatus Status { get; init; }

    public IReadOnlyList<SubscribedPrice> Prices { get; init; } = [];

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? PeriodStart { get; init; }

    public DateTimeOffset? PeriodEnd { get; init; }

    /// <summary>It ends with the period that runs, unless that is undone before.</summary>
    public bool CancelAtPeriodEnd { get; init; }

    /// <summary>It ends then; null where nobody has said when.</summary>
    public DateTimeOffset? CancelAt { get; init; }

    /// <summary>When the newest invoice was made: while a payment is due, since when. Null where there is none.</summary>
    public DateTimeOffset? InvoicedAt { get; init; }

    /// <summary>It can still take money, or come back to life by itself: a second one beside it would charge twice.</summary>
    public bool IsOpen => !Over.Contains(Status);

    /// <summary>The states that nothing leads out of.</summary>
    public static IReadOnlyList<SubscriptionStatus> Over { get; } = [SubscriptionStatus.Canceled, SubscriptionStatus.IncompleteExpired];

    /// <summary>When it ends as things are; null where it goes on.</summary>
    public DateTimeOffset? EndsAt => CancelAt ?? (CancelAtPeriodEnd ? PeriodEnd : null);
}
