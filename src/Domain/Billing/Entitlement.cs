namespace Tokonomics.Domain.Billing;

/// <summary>Why a tenant has the plan it has.</summary>
public enum EntitlementReason
{
    /// <summary>There is no subscription.</summary>
    NoSubscription,

    /// <summary>The operator of the installation gave it.</summary>
    Granted,
    Paid,
    Trial,

    /// <summary>A payment is due, and the days of grace run.</summary>
    PaymentDue,

    /// <summary>A payment is due, and the days of grace are over.</summary>
    GraceOver,

    /// <summary>All tries to be paid have failed.</summary>
    Unpaid,

    /// <summary>The trial ended without a means of payment.</summary>
    Paused,

    /// <summary>The first payment is not made yet.</summary>
    Incomplete,

    /// <summary>The first payment was never made.</summary>
    Expired,
    Canceled,

    /// <summary>The customer was deleted at the payment provider.</summary>
    CustomerDeleted,

    /// <summary>A price was bought that belongs to no plan.</summary>
    UnknownPrice,
}

/// <summary>What the payment provider says of one customer at one moment, and what the installation says besides.</summary>
public sealed record BillingFacts
{
    public bool CustomerDeleted { get; init; }

    public IReadOnlyList<Subscription> Subscriptions { get; init; } = [];

    /// <summary>The plan that the operator gave; null for none.</summary>
    public string? Granted { get; init; }

    /// <summary>The products behind the plans' prices: for prices that have given their lookup key away.</summary>
    public IReadOnlyDictionary<string, string> PlanByProduct { get; init; } = new Dictionary<string, string>();
}

/// <summary>The plan that a tenant has, why, and until when as things are.</summary>
/// <param name="Subscription">The one that decides; null where none does.</param>
/// <param name="EndsAt">When the plan ends if nobody does anything; null where it goes on.</param>
public sealed record Entitlement(Plan Plan, EntitlementReason Reason, Subscription? Subscription, DateTimeOffset? EndsAt)
{
    /// <summary>
    /// A function of the present state and the clock alone: how often and in which order one hears of changes can't matter. Of several subscriptions the best
    /// plan counts; of several that give none, the youngest says why.
    /// </summary>
    /// <param name="grace">How long a plan is kept while a payment is due.</param>
    public static Entitlement Of(PlanBook plans, BillingFacts facts, DateTimeOffset now, TimeSpan grace)
    {
        var granted = plans.Find(facts.Granted) is { } given && plans.Compare(given, plans.Free) > 0 ? new Entitlement(given, EntitlementReason.Granted, null, null) : null;
        var best = new Entitlement(plans.Free, EntitlementReason.NoSubscription, null, null);
        if (facts.CustomerDeleted)
            best = best with { Reason = EntitlementReason.CustomerDeleted };
        else
            foreach (var subscription in facts.Subscriptions.OrderByDescending(s => s.CreatedAt).ThenBy(s => s.Id, StringComparer.Ordinal))
            {
                var one = Judge(plans, facts, subscription, now, grace);
                if (best.Reason == EntitlementReason.NoSubscription || plans.Compare(one.Plan, best.Plan) > 0)
                    best = one;
            }

        return granted is not null && plans.Compare(granted.Plan, best.Plan) >= 0 ? granted : best;
    }

    private static Entitlement Judge(PlanBook plans, BillingFacts facts, Subscription s, DateTimeOffset now, TimeSpan grace)
    {
        switch (s.Status)
        {
            case SubscriptionStatus.Incomplete:
                return Nothing(EntitlementReason.Incomplete);
            case SubscriptionStatus.IncompleteExpired:
                return Nothing(EntitlementReason.Expired);
            case SubscriptionStatus.Unpaid:
                return Nothing(EntitlementReason.Unpaid);
            case SubscriptionStatus.Paused:
                return Nothing(EntitlementReason.Paused);
            case SubscriptionStatus.Canceled:
                return Nothing(EntitlementReason.Canceled);
        }

        Plan? plan = null;
        foreach (var price in s.Prices)
            if ((plans.FindByLookupKey(price.LookupKey) ?? plans.Find(facts.PlanByProduct.GetValueOrDefault(price.ProductId))) is { } sold)
                plan = plan is null ? sold : plans.Better(plan, sold);
        if (plan is null)
            return Nothing(EntitlementReason.UnknownPrice);
        if (s.Status != SubscriptionStatus.PastDue)
            return new Entitlement(plan, s.Status == SubscriptionStatus.Trialing ? EntitlementReason.Trial : EntitlementReason.Paid, s, s.EndsAt);
        var over = (s.InvoicedAt ?? s.PeriodStart ?? s.CreatedAt) + grace;
        return now < over ? new Entitlement(plan, EntitlementReason.PaymentDue, s, s.EndsAt is { } end && end < over ? end : over) : Nothing(EntitlementReason.GraceOver);

        Entitlement Nothing(EntitlementReason why) => new(plans.Free, why, s, null);
    }
}
