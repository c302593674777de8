using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Billing;
using Tokonomics.Testing;
using Tokonomics.Testing.FakeStripe;

namespace Tokonomics.Tests.Billing;

/// <summary>What is bought, and what that gives, on every store.</summary>
public abstract class BillingTests : IAsyncLifetime
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private protected abstract Task<BillingStore> NewAsync();

    private BillingStore _billing = null!;
    private string _price = "";

    public async ValueTask InitializeAsync()
    {
        _billing = await NewAsync();
        _price = _billing.Stripe.AddPrice("tokonomics_pro_monthly", 4900);
    }

    public async ValueTask DisposeAsync()
    {
        await _billing.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private (long Limit, string Action) Quota(string tenant) =>
        (_billing.Store.Count($"SELECT limit_nano FROM budgets WHERE id = 'quota_{tenant}' AND ended_at IS NULL"), _billing.Store.Count($"SELECT count(*) FROM budgets WHERE id = 'quota_{tenant}' AND action = 'block'") == 1 ? "block" : "alert");

    [Fact]
    public async Task A_new_tenant_has_a_hundred_calls_and_one_that_was_given_pro_any_number()
    {
        var (free, _) = await _billing.TenantAsync();
        var (pro, _) = await _billing.TenantAsync("Given", TenantPlan.Pro);
        Quota(free).ShouldBe((100, "block"));
        Quota(pro).ShouldBe((Budget.MaxLimit.Value, "alert"));
        var given = await _billing.AccountAsync(pro);
        (given.Plan, given.Reason).ShouldBe(("pro", EntitlementReason.Granted));
        // What the operator gave is not taken back by asking Stripe.
        await _billing.WithAsync<BillingSync, BillingNow?>(s => s.RunAsync(pro, Cancel));
        (await _billing.AccountAsync(pro)).Plan.ShouldBe("pro");
    }

    [Fact]
    public async Task A_dispute_and_a_refund_are_flags_and_the_plan_stays()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        _billing.Stripe.Complete(await _billing.CheckoutAsync(owner));
        await _billing.SettleAsync();
        var customer = (await _billing.AccountAsync(tenant)).CustomerId!;
        var (first, second) = (_billing.Stripe.Charge(customer, 4900), _billing.Stripe.Charge(customer, 4900));
        var dispute = _billing.Stripe.Dispute(first);
        await _billing.SettleAsync();
        async Task<IReadOnlyList<PaymentTrouble>> Troubles() => (await _billing.Store.SendAsync(new ListTenants(Caller.Operator) { Search = tenant })).Value.Lines.Single().Troubles;
        (await Troubles()).Select(t => (t.Id, t.Kind, t.Amount, t.Status, t.Reason, t.Open)).ShouldBe([(dispute, PaymentTroubleKind.Dispute, 4900L, "needs_response", "fraudulent", true)]);
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("pro");

        // Closed without an event that arrives: the hourly look finds it.
        _billing.Stripe.Close(dispute, "lost");
        _billing.Stripe.Events.Clear();
        await _billing.ReconcileAsync();
        (await Troubles()).Select(t => (t.Status, t.Open)).ShouldBe([("lost", false)]);
        _billing.Stripe.Refund(second, 900);
        _billing.Stripe.Refund(second, 4000);
        await _billing.SettleAsync();
        await _billing.SettleAsync();
        (await Troubles()).Select(t => (t.Kind, t.Amount, t.Status)).ShouldBe([(PaymentTroubleKind.Dispute, 4900L, "lost"), (PaymentTroubleKind.Refund, 4900L, "full")], ignoreOrder: true);
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("pro");
        // Each change once, in the tenant's log and in the operator's.
        foreach (var log in new[] { tenant, AuditEntry.SystemTenant })
            (_billing.Store.Count($"SELECT count(*) FROM audit_log WHERE tenant_id = '{log}' AND action = 'payment_dispute'"), _billing.Store.Count($"SELECT count(*) FROM audit_log WHERE tenant_id = '{log}' AND action = 'payment_refund'")).ShouldBe((2, 1));
    }

    [Fact]
    public async Task From_free_to_pro_and_back()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        var session = await _billing.CheckoutAsync(owner);
        _billing.Stripe.Complete(session);
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("free"); // nobody has told yet
        await _billing.SettleAsync();
        Quota(tenant).ShouldBe((Budget.MaxLimit.Value, "alert"));
        var id = (await _billing.AccountAsync(tenant)).SubscriptionId!;

        // Ends with the period, undone, and done again: the plan stays until the period is over.
        _billing.Stripe.EndAtPeriod(id, true);
        await _billing.SettleAsync();
        var ending = await _billing.AccountAsync(tenant);
        (ending.Plan, ending.EndsAt).ShouldBe(("pro", ending.PeriodEnd));
        _billing.Stripe.EndAtPeriod(id, false);
        await _billing.SettleAsync();
        (await _billing.AccountAsync(tenant)).EndsAt.ShouldBeNull();
        _billing.Stripe.CancelNow(id);
        await _billing.SettleAsync();
        var over = await _billing.AccountAsync(tenant);
        (over.Plan, over.Reason).ShouldBe(("free", EntitlementReason.Canceled));
        Quota(tenant).ShouldBe((100, "block"));
        _billing.Store.Count($"SELECT count(*) FROM audit_log WHERE tenant_id = '{tenant}' AND action = 'change_plan'").ShouldBe(2);
    }

    [Fact]
    public async Task However_many_press_at_once_there_is_one_customer_one_checkout_and_one_subscription()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        var urls = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () => (await _billing.Store.SendAsync(new StartCheckout(owner, tenant, "pro"))).Value.Url)));
        urls.Distinct().Count().ShouldBe(1);
        _billing.Stripe.All("cus").Count.ShouldBe(1);
        _billing.Stripe.All("cs_test").Count.ShouldBe(1);

        // Paid; pressed again before and after the event: to what there is, never to a second one.
        _billing.Stripe.Complete(urls[0].Segments[^1]);
        var again = (await _billing.Store.SendAsync(new StartCheckout(owner, tenant, "pro"))).Value;
        (again.Subscribed, again.Url.AbsolutePath.StartsWith("/p/session/", StringComparison.Ordinal)).ShouldBe((true, true));
        await _billing.SettleAsync();
        (await _billing.Store.SendAsync(new StartCheckout(owner, tenant, "pro"))).Value.Subscribed.ShouldBeTrue();
        _billing.Stripe.All("sub").Count.ShouldBe(1);
        _billing.Stripe.All("cs_test").Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_checkout_that_expired_makes_room_for_one_that_can_be_paid()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        var first = await _billing.CheckoutAsync(owner);
        (await _billing.CheckoutAsync(owner)).ShouldBe(first);
        _billing.Stripe.Ahead = TimeSpan.FromHours(25);
        var second = await _billing.CheckoutAsync(owner);
        second.ShouldNotBe(first);
        _billing.Stripe.All("cs_test").Count(s => s["status"]!.GetValue<string>() == "open").ShouldBe(1);
        _billing.Stripe.Complete(second);
        await _billing.SettleAsync();
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("pro");
    }

    [Fact]
    public async Task Whoever_comes_back_sees_the_plan_whether_the_event_was_here_or_not()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        var session = await _billing.CheckoutAsync(owner);
        var before = (await _billing.Store.SendAsync(new ConfirmCheckout(owner, tenant, session))).Value;
        (before.State, before.Plan.Name).ShouldBe((CheckoutState.Open, "free"));
        _billing.Stripe.Complete(session);
        var first = (await _billing.Store.SendAsync(new ConfirmCheckout(owner, tenant, session))).Value; // no event yet
        (first.State, first.Paid, first.Plan.Name).ShouldBe((CheckoutState.Complete, true, "pro"));
        await _billing.SettleAsync();
        (await _billing.Store.SendAsync(new ConfirmCheckout(owner, tenant, session))).Value.Plan.Name.ShouldBe("pro");

        // Somebody else's session is none.
        var (other, stranger) = await _billing.TenantAsync("Other");
        (await _billing.Store.SendAsync(new ConfirmCheckout(stranger, other, session))).Refusal!.Code.ShouldBe("checkout_not_found");
        (await _billing.Store.SendAsync(new ConfirmCheckout(owner, tenant, "cs_../../v1/customers"))).Refusal!.Code.ShouldBe("checkout_not_found");
    }

    [Fact]
    public async Task A_payment_that_takes_days_gives_the_plan_when_it_has_arrived()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        var session = await _billing.CheckoutAsync(owner);
        _billing.Stripe.Complete(session, Pays.Later);
        await _billing.SettleAsync();
        var waiting = (await _billing.Store.SendAsync(new ConfirmCheckout(owner, tenant, session))).Value;
        (waiting.Paid, waiting.Plan.Name, waiting.Reason).ShouldBe((false, "free", EntitlementReason.Incomplete));
        _billing.Stripe.Arrive(session);
        await _billing.SettleAsync();
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("pro");
    }

    [Fact]
    public async Task A_coupon_over_the_whole_price_gives_the_plan_without_a_payment()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        var session = await _billing.CheckoutAsync(owner);
        _billing.Stripe.Complete(session, Pays.Nothing);
        await _billing.SettleAsync();
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("pro");
        (await _billing.Store.SendAsync(new GetBilling(owner, tenant))).Value.Paying!.Invoices.Single().Total.ShouldBe(0);
    }

    [Fact]
    public async Task A_webhook_that_never_came_is_found_by_the_hourly_look()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        _billing.Stripe.Complete(await _billing.CheckoutAsync(owner));
        _billing.Stripe.Events.Clear(); // lost
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("free");
        (await _billing.ReconcileAsync()).ShouldBe(1);
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("pro");
        // What Stripe lists as undelivered is known now, and is not taken twice.
        _billing.Store.Count("SELECT count(*) FROM payment_events WHERE type = 'checkout.session.completed'").ShouldBe(1);
        await _billing.ReconcileAsync();
        _billing.Store.Count("SELECT count(*) FROM payment_events WHERE type = 'checkout.session.completed'").ShouldBe(1);
    }

    [Fact]
    public async Task Grace_ends_by_the_hourly_look_alone_and_paying_brings_the_plan_back()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        var id = _billing.Stripe.Complete(await _billing.CheckoutAsync(owner));
        _billing.Stripe.Renew(id, pays: false);
        await _billing.SettleAsync();
        var due = await _billing.AccountAsync(tenant);
        (due.Plan, due.Reason).ShouldBe(("pro", EntitlementReason.PaymentDue));
        due.EndsAt.ShouldNotBeNull();
        _billing.Store.Clock.Ahead = TimeSpan.FromDays(8);
        await _billing.ReconcileAsync();
        var over = await _billing.AccountAsync(tenant);
        (over.Plan, over.Reason).ShouldBe(("free", EntitlementReason.GraceOver));
        _billing.Stripe.PayOpen(id);
        await _billing.SettleAsync();
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("pro");
    }

    [Fact]
    public async Task A_customer_that_was_deleted_at_Stripe_can_buy_again_as_another()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        _billing.Stripe.Complete(await _billing.CheckoutAsync(owner));
        await _billing.SettleAsync();
        var customer = (await _billing.AccountAsync(tenant)).CustomerId!;
        _billing.Stripe.DeleteCustomer(customer);
        await _billing.SettleAsync();
        var gone = await _billing.AccountAsync(tenant);
        (gone.Plan, gone.Reason, gone.CustomerId).ShouldBe(("free", EntitlementReason.CustomerDeleted, null));
        _billing.Stripe.Complete(await _billing.CheckoutAsync(owner));
        await _billing.SettleAsync();
        var back = await _billing.AccountAsync(tenant);
        back.Plan.ShouldBe("pro");
        back.CustomerId.ShouldNotBe(customer);
    }

    [Fact]
    public async Task The_subscription_of_a_tenant_that_is_to_be_deleted_ends_and_the_deletion_waits_for_that()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        var id = _billing.Stripe.Complete(await _billing.CheckoutAsync(owner));
        await _billing.SettleAsync();
        var name = (await _billing.Store.SendAsync(new GetTenantSettings(owner, tenant))).Value.Name;
        (await _billing.Store.SendAsync(new RequestTenantDeletion(owner, tenant, name))).Succeeded.ShouldBeTrue();
        _billing.Store.Clock.Ahead = TimeSpan.FromDays(31);
        (await _billing.Store.Get<ITenantData>().EraseDueAsync(Cancel)).ShouldBeEmpty(); // it would be charged for ever
        await _billing.ReconcileAsync();
        _billing.Stripe.Find(id)["status"]!.GetValue<string>().ShouldBe("canceled");
        var account = await _billing.AccountAsync(tenant);
        (account.Plan, account.SubscriptionStatus).ShouldBe(("free", SubscriptionStatus.Canceled));
        (await _billing.Store.Get<ITenantData>().EraseDueAsync(Cancel)).ShouldBe([tenant]);
    }

    [Fact]
    public async Task While_Stripe_is_away_nothing_is_lost_and_the_person_is_told()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        var session = await _billing.CheckoutAsync(owner);
        _billing.Stripe.Complete(session);
        _billing.Stripe.Down = true;
        var refusal = (await _billing.Store.SendAsync(new ConfirmCheckout(owner, tenant, session))).Refusal!;
        (refusal.Code, refusal.Message.Contains("can't be reached", StringComparison.Ordinal)).ShouldBe(("payments_away", true));
        await _billing.SettleAsync();
        _billing.Store.Count("SELECT count(*) FROM payment_events WHERE processed_at IS NULL").ShouldBeGreaterThan(0);
        var state = (await _billing.Store.SendAsync(new GetBilling(owner, tenant))).Value;
        (state.Plan.Name, state.Paying!.Problem!.Contains("can't be reached", StringComparison.Ordinal)).ShouldBe(("free", true));
        (await _billing.Store.SendAsync(new StartCheckout(owner, tenant, "pro"))).Refusal!.Code.ShouldBe("payments_away");

        _billing.Stripe.Down = false;
        await _billing.ProcessAsync(); // not yet: it waits a little between tries
        _billing.Store.Clock.Ahead = TimeSpan.FromMinutes(1);
        await _billing.ProcessAsync();
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("pro");
        _billing.Store.Count("SELECT count(*) FROM payment_events WHERE processed_at IS NULL").ShouldBe(0);
    }

    [Fact]
    public async Task Events_of_strangers_and_of_the_other_mode_change_nothing()
    {
        var (tenant, _) = await _billing.TenantAsync();
        var e = new PaymentEvent("evt_x", "customer.subscription.updated", false, DateTimeOffset.UtcNow, "sub_x", "cus_stranger");
        (await _billing.WithAsync<PaymentEvents, bool>(p => p.TakeAsync(e, Cancel))).ShouldBeTrue();
        (await _billing.WithAsync<PaymentEvents, bool>(p => p.TakeAsync(e, Cancel))).ShouldBeFalse();
        (await _billing.WithAsync<PaymentEvents, bool>(p => p.TakeAsync(e with { Id = "evt_live", Live = true }, Cancel))).ShouldBeFalse();
        (await _billing.WithAsync<PaymentEvents, bool>(p => p.TakeAsync(e with { Id = "evt_other", Type = "payout.paid" }, Cancel))).ShouldBeFalse();
        await _billing.ProcessAsync();
        _billing.Store.Count("SELECT count(*) FROM payment_events WHERE outcome = 'parked'").ShouldBe(1);
        _billing.Store.Count("SELECT count(*) FROM payment_events").ShouldBe(1);
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("free");
    }

    [Fact]
    public async Task A_customer_that_a_restored_database_has_forgotten_is_known_by_what_it_says_of_itself()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        _billing.Stripe.Complete(await _billing.CheckoutAsync(owner));
        _billing.Store.Execute($"UPDATE billing_accounts SET customer_id = NULL, checkout_id = NULL WHERE tenant_id = '{tenant}'");
        await _billing.SettleAsync();
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("pro");
    }

    [Fact]
    public async Task An_older_state_that_was_read_before_and_is_written_after_a_newer_one_is_not_written()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        var id = _billing.Stripe.Complete(await _billing.CheckoutAsync(owner));
        for (var seed = 0; seed < 20; seed++)
        {
            // Many ask at once while the state changes: whoever wins last has the newest.
            var asking = Enumerable.Range(0, 4).Select(_ => Task.Run(() => _billing.WithAsync<BillingSync, BillingNow?>(s => s.RunAsync(tenant, Cancel)))).ToList();
            _billing.Stripe.EndAtPeriod(id, seed % 2 == 0);
            asking.Add(Task.Run(() => _billing.WithAsync<BillingSync, BillingNow?>(s => s.RunAsync(tenant, Cancel))));
            await Task.WhenAll(asking);
            ((await _billing.AccountAsync(tenant)).EndsAt is not null).ShouldBe(seed % 2 == 0, $"round {seed}");
        }
    }

    [Fact]
    public async Task The_free_plan_has_one_member_no_teams_and_a_cap_for_the_organization_alone()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        var ten = new BudgetTerms { Limit = NanoUsd.Round(10) };
        (await _billing.Store.SendAsync(new InviteMember(owner, tenant, "two@example.com", Role.Developer))).Refusal!.Message.ShouldBe("The plan Free has 1 member, and there is 1 with those invited: get a bigger plan under Billing.");
        (await _billing.Store.SendAsync(new CreateTeam(owner, tenant, "Search"))).Refusal!.Code.ShouldBe("plan_exceeded");
        (await _billing.Store.SendAsync(new CreateProject(owner, tenant, "Ranking"))).Refusal!.Code.ShouldBe("plan_exceeded");
        (await _billing.Store.SendAsync(new CreateBudget(owner, tenant, BudgetScope.Tag("customer", null), BudgetPeriod.Month, ten))).Refusal!.Code.ShouldBe("plan_exceeded");
        (await _billing.Store.SendAsync(new CreateBudget(owner, tenant, BudgetScope.Tenant, BudgetPeriod.Month, ten))).Succeeded.ShouldBeTrue();

        _billing.Stripe.Complete(await _billing.CheckoutAsync(owner));
        await _billing.SettleAsync();
        (await _billing.Store.SendAsync(new InviteMember(owner, tenant, "two@example.com", Role.Developer))).Succeeded.ShouldBeTrue();
        (await _billing.Store.SendAsync(new CreateTeam(owner, tenant, "Search"))).Succeeded.ShouldBeTrue();
        (await _billing.Store.SendAsync(new CreateBudget(owner, tenant, BudgetScope.Tag("customer", null), BudgetPeriod.Month, ten))).Succeeded.ShouldBeTrue();
    }

    [Fact]
    public async Task A_quota_is_no_budget_that_anybody_sees_or_changes()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        (await _billing.Store.SendAsync(new ListBudgets(owner, tenant))).Value.Budgets.ShouldBeEmpty();
        (await _billing.Store.SendAsync(new DeleteBudget(owner, tenant, CallQuota.BudgetId(tenant)))).Refusal!.Code.ShouldBe("budget_not_found");
        (await _billing.Store.SendAsync(new UpdateBudget(owner, tenant, CallQuota.BudgetId(tenant), new BudgetTerms { Limit = NanoUsd.Round(1) }))).Refusal!.Code.ShouldBe("budget_not_found");
        (await _billing.Store.SendAsync(new CreateBudget(owner, tenant, BudgetScope.Calls, BudgetPeriod.Day, new BudgetTerms { Limit = NanoUsd.Round(1) }))).Refusal!.Kind.ShouldBe(RefusalKind.Invalid);
    }

    [Fact]
    public async Task Who_may_not_pay_is_told_nothing_of_payments_and_can_buy_nothing()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        var developer = new Caller(tenant, "mem_dev", Role.Developer);
        (await _billing.Store.SendAsync(new StartCheckout(developer, tenant, "pro"))).Refusal!.Code.ShouldBe("role_forbids");
        (await _billing.Store.SendAsync(new OpenPaymentPages(developer, tenant))).Refusal!.Code.ShouldBe("role_forbids");
        var seen = (await _billing.Store.SendAsync(new GetBilling(developer, tenant))).Value;
        (seen.Plan.Name, seen.Paying).ShouldBe(("free", null));
        (await _billing.Store.SendAsync(new StartCheckout(owner, tenant, "free"))).Refusal!.Code.ShouldBe("plan_not_found");
        (await _billing.Store.SendAsync(new OpenPaymentPages(owner, tenant))).Refusal!.Code.ShouldBe("no_customer");
    }

    [Fact]
    public async Task A_price_that_nobody_made_is_named()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        _billing.Stripe.AddPrice("x", 1); // the only one with the key is gone
        var other = new FakeStripe();
        await using var empty = new BillingStore(stripe: other);
        var (t, o) = await empty.TenantAsync();
        (await empty.Store.SendAsync(new StartCheckout(o, t, "pro"))).Refusal!.Message.ShouldContain("no active price has the lookup key tokonomics_pro_monthly");
    }

    [Fact]
    public async Task A_dearer_price_for_new_customers_takes_nothing_from_those_who_pay_the_old_one()
    {
        var (tenant, owner) = await _billing.TenantAsync();
        _billing.Stripe.Complete(await _billing.CheckoutAsync(owner));
        await _billing.SettleAsync();
        _billing.Stripe.AddPrice("tokonomics_pro_monthly", 5900, _billing.Stripe.Find(_price)["product"]!.GetValue<string>());
        var id = (await _billing.AccountAsync(tenant)).SubscriptionId!;
        _billing.Stripe.Switch(id, _price); // rendered anew: its price has no lookup key any more
        await _billing.SettleAsync();
        (await _billing.AccountAsync(tenant)).Plan.ShouldBe("pro");
    }

    [Fact]
    public async Task Tenants_from_before_billing_get_their_plan_and_lose_the_quota_when_it_is_switched_off()
    {
        var (tenant, _) = await _billing.TenantAsync();
        _billing.Store.Execute($"DELETE FROM billing_accounts WHERE tenant_id = '{tenant}'");
        _billing.Store.Execute($"DELETE FROM budgets WHERE id = 'quota_{tenant}'");
        await _billing.ReconcileAsync();
        Quota(tenant).ShouldBe((100, "block"));
        _billing.Store.Execute($"UPDATE budgets SET limit_nano = 7 WHERE id = 'quota_{tenant}'"); // as if the price list had changed
        await _billing.ReconcileAsync();
        Quota(tenant).ShouldBe((100, "block"));

        var options = _billing.Store.Get<BillingOptions>();
        options.SecretKey = "";
        await _billing.ReconcileAsync();
        _billing.Store.Count($"SELECT count(*) FROM budgets WHERE id = 'quota_{tenant}' AND ended_at IS NULL").ShouldBe(0);
        options.SecretKey = FakeStripe.Key;
        await _billing.ReconcileAsync();
        Quota(tenant).ShouldBe((100, "block"));
    }

    [Fact]
    public async Task Without_a_secret_key_everything_is_included_and_nothing_is_sold()
    {
        await using var store = new TempStore(withDirectory: false);
        var made = await store.ProvisionAsync();
        var owner = new Caller(made.TenantId, made.OwnerId, Role.Owner);
        store.Count("SELECT count(*) FROM budgets").ShouldBe(0);
        (await store.SendAsync(new InviteMember(owner, made.TenantId, "two@example.com", Role.Developer))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new StartCheckout(owner, made.TenantId, "pro"))).Refusal!.Code.ShouldBe("billing_off");
        (await store.SendAsync(new GetBilling(owner, made.TenantId))).Value.Sold.ShouldBeFalse();
    }
}

public sealed class BillingOnSqlite : BillingTests
{
    private protected override Task<BillingStore> NewAsync() => Task.FromResult(new BillingStore());
}

public sealed class BillingOnPostgres : BillingTests
{
    private protected override async Task<BillingStore> NewAsync()
    {
        var server = await PostgresServer.SharedAsync();
        var database = await server.CreateDatabaseAsync();
        var billing = new BillingStore(postgres: database);
        billing.Store.Gone = () => server.DropAsync(database);
        return billing;
    }
}

public sealed class PlanListTests
{
    [Fact]
    public void The_built_in_list_is_free_and_pro()
    {
        var plans = PlanList.Read("");
        plans.Plans.Select(p => (p.Name, p.MonthlyPrice.Usd, p.CallsPerMonth, p.Members)).ShouldBe([("free", 0m, 100L, 1), ("pro", 49m, null, null)]);
        (plans.Free.HistoryDays, plans.Find("pro")!.Features).ShouldBe((7, PlanFeatures.All));
    }

    [Fact]
    public void A_third_plan_is_a_row_and_a_list_that_can_t_be_read_says_where()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, """{"plans":[{"name":"free","title":"Free","calls_per_month":100},{"name":"pro","title":"Pro","monthly_usd":"49","lookup_key":"p"},{"name":"team","title":"Team","monthly_usd":"199.50","lookup_key":"t","features":["teams"]}]}""");
            PlanList.Read(file).Find("team")!.MonthlyPrice.Usd.ShouldBe(199.5m);
            Fails("""{"plans":[{"name":"free","title":"Free","calls":100}]}""", "calls");
            Fails("""{"plans":[{"name":"free","title":"Free","monthly_usd":"ten"}]}""", "monthly_usd of free is 'ten'");
            Fails("""{"plans":[{"name":"free","title":"Free"},{"name":"x","title":"X","features":["flying"]}]}""", "features");
            Fails("""{"plans":[]}""", "there is no plan");
            Fails("{}", "no list");
        }
        finally
        {
            File.Delete(file);
        }

        Should.Throw<InvalidOperationException>(() => PlanList.Read("/no/such/file.json")).Message.ShouldContain("/no/such/file.json");

        void Fails(string text, string why)
        {
            File.WriteAllText(file, text);
            var message = Should.Throw<InvalidOperationException>(() => PlanList.Read(file)).Message;
            message.ShouldContain(file);
            message.ShouldContain(why);
        }
    }

    [Theory]
    [InlineData("pk_test_1", "whsec_00000000", "no secret key")]
    [InlineData("sk_test_1 ", "whsec_00000000", "a space or a line end")]
    [InlineData("sk_test_1", "", "WebhookSecrets is empty")]
    [InlineData("sk_test_1", "abc", "no signing secret")]
    [InlineData("sk_test_1", "whsec_00000000", null)]
    [InlineData("", "", null)]
    public void Settings_that_can_t_be_are_named_without_their_secrets(string key, string secrets, string? why)
    {
        var problem = new BillingOptions { SecretKey = key, WebhookSecrets = secrets }.Problem();
        if (why is null)
            problem.ShouldBeNull();
        else
            problem!.ShouldContain(why);
        new BillingOptions { Grace = TimeSpan.FromDays(61) }.Problem()!.ShouldContain("0 to 60 days");
        new BillingOptions { StripeUrl = new Uri("http://stripe.example") }.Problem()!.ShouldContain("must be https");
    }
}
