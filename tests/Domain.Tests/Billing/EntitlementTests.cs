using FsCheck;
using FsCheck.Fluent;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Tests.Billing;

public sealed class EntitlementTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 15, 12, 0, 0, TimeSpan.Zero);

    private static readonly TimeSpan Grace = TimeSpan.FromDays(7);

    private static readonly PlanBook Plans = new(
    [
        new Plan { Name = "free", Title = "Free", CallsPerMonth = 100, Members = 1, HistoryDays = 7 },
        new Plan { Name = "pro", Title = "Pro", MonthlyPrice = new NanoUsd(49 * NanoUsd.PerUsd), LookupKey = "pro_monthly", Features = PlanFeatures.All },
        new Plan { Name = "team", Title = "Team", MonthlyPrice = new NanoUsd(199 * NanoUsd.PerUsd), LookupKey = "team_monthly", Features = PlanFeatures.All },
    ]);

    private static Subscription Pro(SubscriptionStatus status, string key = "pro_monthly", int age = 10) => new()
    {
        Id = $"sub_{status}_{key}_{age}",
        CustomerId = "cus_1",
        Status = status,
        Prices = [new SubscribedPrice(key, "prod_" + key)],
        CreatedAt = Now.AddDays(-age),
        PeriodStart = Now.AddDays(-3),
        PeriodEnd = Now.AddDays(27),
        InvoicedAt = Now.AddDays(-3),
    };

    private static Entitlement Of(params Subscription[] subscriptions) => Entitlement.Of(Plans, new BillingFacts { Subscriptions = subscriptions }, Now, Grace);

    private static Arbitrary<Subscription[]> Any() => (
        from count in Gen.Choose(0, 4)
        from all in (
            from status in Gen.Elements(Enum.GetValues<SubscriptionStatus>())
            from key in Gen.Elements("pro_monthly", "team_monthly", "unknown")
            from age in Gen.Choose(1, 400)
            from ends in Gen.Elements(false, true)
            select Pro(status, key, age) with { CancelAtPeriodEnd = ends, InvoicedAt = Now.AddDays(-(age % 12)) }).ArrayOf(count)
        select all.DistinctBy(s => s.Id).ToArray()).ToArbitrary();

    [Theory]
    [InlineData(SubscriptionStatus.Trialing, "pro", EntitlementReason.Trial)]
    [InlineData(SubscriptionStatus.Active, "pro", EntitlementReason.Paid)]
    [InlineData(SubscriptionStatus.PastDue, "pro", EntitlementReason.PaymentDue)]
    [InlineData(SubscriptionStatus.Unpaid, "free", EntitlementReason.Unpaid)]
    [InlineData(SubscriptionStatus.Paused, "free", EntitlementReason.Paused)]
    [InlineData(SubscriptionStatus.Canceled, "free", EntitlementReason.Canceled)]
    [InlineData(SubscriptionStatus.Incomplete, "free", EntitlementReason.Incomplete)]
    [InlineData(SubscriptionStatus.IncompleteExpired, "free", EntitlementReason.Expired)]
    public void Each_state_gives_its_plan_and_says_why(SubscriptionStatus status, string plan, EntitlementReason reason)
    {
        var got = Of(Pro(status));
        (got.Plan.Name, got.Reason).ShouldBe((plan, reason));
    }

    [Fact]
    public void A_payment_that_is_due_takes_the_plan_away_when_the_grace_is_over_and_not_before()
    {
        var due = Pro(SubscriptionStatus.PastDue);
        var facts = new BillingFacts { Subscriptions = [due] };
        var over = due.InvoicedAt!.Value + Grace;
        var last = Entitlement.Of(Plans, facts, over.AddTicks(-1), Grace);
        (last.Plan.Name, last.EndsAt).ShouldBe(("pro", over));
        var first = Entitlement.Of(Plans, facts, over, Grace);
        (first.Plan.Name, first.Reason).ShouldBe(("free", EntitlementReason.GraceOver));
        // Paid in the end: back at once.
        Of(due with { Status = SubscriptionStatus.Active }).Plan.Name.ShouldBe("pro");
    }

    [Fact]
    public void Cancelled_at_the_period_s_end_keeps_the_plan_until_then_and_says_when_and_undone_is_as_if_never_said()
    {
        var active = Pro(SubscriptionStatus.Active);
        var ending = Of(active with { CancelAtPeriodEnd = true });
        (ending.Plan.Name, ending.EndsAt).ShouldBe(("pro", active.PeriodEnd));
        Of(active with { CancelAt = Now.AddDays(2) }).EndsAt.ShouldBe(Now.AddDays(2));
        var undone = Of(active);
        (undone.Plan.Name, undone.EndsAt).ShouldBe(("pro", null));
        Of(active with { Status = SubscriptionStatus.Canceled, CancelAtPeriodEnd = true }).Plan.Name.ShouldBe("free");
    }

    [Fact]
    public void A_customer_that_was_deleted_and_a_price_of_no_plan_give_nothing_and_say_so()
    {
        Entitlement.Of(Plans, new BillingFacts { Subscriptions = [Pro(SubscriptionStatus.Active)], CustomerDeleted = true }, Now, Grace).ShouldBe(new Entitlement(Plans.Free, EntitlementReason.CustomerDeleted, null, null));
        Of(Pro(SubscriptionStatus.Active, "unknown")).Reason.ShouldBe(EntitlementReason.UnknownPrice);
        Of().Reason.ShouldBe(EntitlementReason.NoSubscription);
    }

    [Fact]
    public void A_price_that_gave_its_lookup_key_to_its_successor_is_known_by_its_product()
    {
        var old = Pro(SubscriptionStatus.Active) with { Prices = [new SubscribedPrice(null, "prod_1")] };
        Of(old).Plan.Name.ShouldBe("free");
        Entitlement.Of(Plans, new BillingFacts { Subscriptions = [old], PlanByProduct = new Dictionary<string, string> { ["prod_1"] = "pro" } }, Now, Grace).Plan.Name.ShouldBe("pro");
    }

    [Fact]
    public void What_the_operator_gave_stays_whatever_happens_to_a_subscription_and_a_better_one_that_is_paid_counts()
    {
        Entitlement Given(string? plan, params Subscription[] subscriptions) => Entitlement.Of(Plans, new BillingFacts { Granted = plan, Subscriptions = subscriptions }, Now, Grace);
        (Given("pro").Plan.Name, Given("pro").Reason).ShouldBe(("pro", EntitlementReason.Granted));
        Given("pro", Pro(SubscriptionStatus.Canceled)).Reason.ShouldBe(EntitlementReason.Granted);
        Given("pro", Pro(SubscriptionStatus.Active, "team_monthly")).Plan.Name.ShouldBe("team");
        Given("free", Pro(SubscriptionStatus.Canceled)).Reason.ShouldBe(EntitlementReason.Canceled);
        Given("no such plan").Reason.ShouldBe(EntitlementReason.NoSubscription);
    }

    [Fact]
    public void The_order_in_which_subscriptions_are_listed_decides_nothing() => Prop.ForAll(Any(), s => Of(s) == Of([.. s.Reverse()])).QuickCheckThrowOnFailure();

    [Fact]
    public void The_plan_is_the_best_of_what_each_subscription_gives_by_itself() =>
        Prop.ForAll(Any(), s => Of(s).Plan.Name == s.Select(one => Of(one).Plan).Append(Plans.Free).Aggregate(Plans.Better).Name).QuickCheckThrowOnFailure();

    [Fact]
    public void A_further_subscription_never_takes_away_and_one_that_is_over_never_gives() =>
        Prop.ForAll(Any(), s =>
        {
            var before = Of(s).Plan;
            return Plans.Compare(Of([.. s, Pro(SubscriptionStatus.Active, "pro_monthly", 999)]).Plan, before) >= 0
                && Of([.. s, Pro(SubscriptionStatus.Canceled, "team_monthly", 999)]).Plan.Name == before.Name;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Time_alone_never_gives_a_plan() =>
        Prop.ForAll(Any(), s => Plans.Compare(Entitlement.Of(Plans, new BillingFacts { Subscriptions = s }, Now.AddDays(5), Grace).Plan, Of(s).Plan) <= 0).QuickCheckThrowOnFailure();

    [Fact]
    public void A_price_list_that_can_t_be_one_is_refused_with_all_that_is_wrong()
    {
        PlanBook.Problems([]).Single().ShouldContain("there is no plan");
        var problems = PlanBook.Problems(
        [
            new Plan { Name = "free", Title = "Free", LookupKey = "k" },
            new Plan { Name = "Pro!", Title = "", LookupKey = "k", Members = 0, HistoryDays = 0, CallsPerMonth = -1, MonthlyPrice = new NanoUsd(-1) },
            new Plan { Name = "free", Title = "Again" },
        ]);
        problems.Count.ShouldBe(9);
        foreach (var word in new[] { "has a lookup key: the first", "'Pro!' is no name", "no title", "-0.000000001 USD", "-1 calls", "0 members", "0 days", "'free' is there twice", "belongs to free and Pro!" })
            problems.ShouldContain(p => p.Contains(word, StringComparison.Ordinal), word);
        Should.Throw<ArgumentException>(() => new PlanBook([])).Message.ShouldContain("there is no plan");
    }
}
