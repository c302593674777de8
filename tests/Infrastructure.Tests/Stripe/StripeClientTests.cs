using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;
using Tokonomics.Infrastructure.Stripe;
using Tokonomics.Testing.FakeStripe;

namespace Tokonomics.Tests.Stripe;

public sealed class StripeClientTests
{
    private readonly FakeStripe _stripe = new();

    private readonly StripePayments _payments;

    public StripeClientTests() => _payments = new StripePayments(new StripeClient(_stripe.Client(), FakeStripe.Key, new Quick()), live: false);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static NewCheckout Checkout(string customer, string price) => new("ten_a", customer, "pro", price, "https://t.example/billing/done?session_id={CHECKOUT_SESSION_ID}", "https://t.example/billing", false);

    [Fact]
    public void A_form_is_written_as_Stripe_s_libraries_write_it() =>
        StripeForm.Empty.And("line_items[0][price]", "price_1").And("success_url", "https://t.example/?s={CHECKOUT_SESSION_ID}&x=ä b").And("on", true).And("n", 5L).AndEach("expand", ["a.b", "c"]).ToString()
            .ShouldBe("line_items[0][price]=price_1&success_url=https%3A%2F%2Ft.example%2F%3Fs%3D%7BCHECKOUT_SESSION_ID%7D%26x%3D%C3%A4%20b&on=true&n=5&expand[0]=a.b&expand[1]=c");

    [Fact]
    public async Task Every_request_names_the_version_and_every_POST_what_it_does()
    {
        var price = _stripe.AddPrice("pro", 4900);
        var customer = await _payments.CreateCustomerAsync(new NewCustomer("ten_a", "Acme & Söhne", "a@acme.example"), "once-1", Cancel);
        await _payments.OpenCheckoutAsync(Checkout(customer, price), "once-2", Cancel);
        await _payments.OpenPortalAsync(customer, new Uri("https://t.example/billing"), Cancel);
        await _payments.ListSubscriptionsAsync(customer, Cancel);

        _stripe.Calls.ShouldAllBe(c => c.Version == "2026-10-28.endive");
        _stripe.Calls.Where(c => c.Method == "POST").ShouldAllBe(c => c.OnceKey != null && c.OnceKey.Length <= 255);
        _stripe.Calls.Where(c => c.Method != "POST").ShouldAllBe(c => c.OnceKey == null);
        _stripe.Find(customer)["name"]!.GetValue<string>().ShouldBe("Acme & Söhne");
        _stripe.Find(customer)["metadata"]!["tenant_id"]!.GetValue<string>().ShouldBe("ten_a");
    }

    [Fact]
    public async Task Asked_twice_by_one_key_there_is_one_customer_also_under_another_name()
    {
        var first = await _payments.CreateCustomerAsync(new NewCustomer("ten_a", "Acme", "a@acme.example"), "once-1", Cancel);
        var second = await _payments.CreateCustomerAsync(new NewCustomer("ten_a", "Acme Ltd", "a@acme.example"), "once-1", Cancel);
        second.ShouldBe(first);
        _stripe.All("cus").Count.ShouldBe(1);
        _stripe.Find(first)["name"]!.GetValue<string>().ShouldBe("Acme Ltd");
    }

    [Theory]
    [InlineData(429, "rate_limit")]
    [InlineData(409, "lock_timeout")]
    [InlineData(500, "api_error")]
    [InlineData(503, "api_error")]
    public async Task What_passes_by_itself_is_asked_again_by_the_same_key(int status, string code)
    {
        _stripe.FailNext(status, "api_error", code);
        _stripe.FailNext(status, "api_error", code);
        await _payments.CreateCustomerAsync(new NewCustomer("ten_a", "Acme", ""), "once-1", Cancel);
        _stripe.Calls.Count(c => c.OnceKey == "once-1").ShouldBe(3);
        _stripe.All("cus").Count.ShouldBe(1);
    }

    [Fact]
    public async Task Stripe_s_own_word_goes_before_the_status()
    {
        _stripe.FailNext(500, "api_error", "x", new Dictionary<string, string> { ["Stripe-Should-Retry"] = "false" });
        (await Should.ThrowAsync<PaymentsException>(() => _payments.ListSubscriptionsAsync("cus_1", Cancel))).Fault.ShouldBe(PaymentsFault.Away);
        _stripe.Calls.Count.ShouldBe(1);
        _stripe.FailNext(400, "invalid_request_error", "x", new Dictionary<string, string> { ["Stripe-Should-Retry"] = "true" });
        await _payments.ListSubscriptionsAsync("cus_1", Cancel);
        _stripe.Calls.Count.ShouldBe(3);
    }

    [Fact]
    public async Task Nobody_waits_for_a_minute_and_nobody_asks_for_ever()
    {
        _stripe.FailNext(429, "rate_limit", "x", new Dictionary<string, string> { ["Retry-After"] = "60" });
        (await Should.ThrowAsync<PaymentsException>(() => _payments.ListSubscriptionsAsync("cus_1", Cancel))).Fault.ShouldBe(PaymentsFault.Busy);
        _stripe.Calls.Count.ShouldBe(1);
        _stripe.Down = true;
        var away = await Should.ThrowAsync<PaymentsException>(() => _payments.ListSubscriptionsAsync("cus_1", Cancel));
        (away.Fault, away.Passes).ShouldBe((PaymentsFault.Away, true));
        _stripe.Calls.Count.ShouldBe(5);
    }

    [Theory]
    [InlineData(401, "invalid_request_error", "", PaymentsFault.KeyRefused)]
    [InlineData(402, "card_error", "card_declined", PaymentsFault.Declined)]
    [InlineData(404, "invalid_request_error", "resource_missing", PaymentsFault.NotFound)]
    [InlineData(400, "invalid_request_error", "resource_missing", PaymentsFault.NotFound)]
    [InlineData(400, "invalid_request_error", "parameter_missing", PaymentsFault.Refused)]
    public async Task An_error_says_what_kind_it_is(int status, string type, string code, PaymentsFault fault)
    {
        _stripe.FailNext(status, type, code);
        var e = await Should.ThrowAsync<PaymentsException>(() => _payments.ListInvoicesAsync("cus_1", 10, Cancel));
        (e.Fault, e.Code).ShouldBe((fault, code.Length == 0 ? "" : code));
        _stripe.Calls.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_subscription_is_read_with_its_price_its_period_and_its_invoice()
    {
        var price = _stripe.AddPrice("pro", 4900);
        var customer = await _payments.CreateCustomerAsync(new NewCustomer("ten_a", "Acme", ""), "once", Cancel);
        var session = await _payments.OpenCheckoutAsync(Checkout(customer, price), "pay", Cancel);
        (session.State, session.Paid, session.TenantId).ShouldBe((CheckoutState.Open, false, "ten_a"));
        var id = _stripe.Complete(session.Id);

        var s = (await _payments.ListSubscriptionsAsync(customer, Cancel)).Single();
        (s.Id, s.Status, s.CustomerId, s.Prices.Single().LookupKey).ShouldBe((id, SubscriptionStatus.Active, customer, "pro"));
        s.PeriodEnd!.Value.ShouldBe(s.PeriodStart!.Value.AddMonths(1));
        s.InvoicedAt.ShouldNotBeNull();
        var paid = await _payments.ReadCheckoutAsync(session.Id, Cancel);
        (paid.State, paid.Paid, paid.SubscriptionId).ShouldBe((CheckoutState.Complete, true, id));
        var invoice = (await _payments.ListInvoicesAsync(customer, 10, Cancel)).Single();
        (invoice.Status, invoice.Total, invoice.SubscriptionId).ShouldBe(("paid", 4900, id));
        var next = (await _payments.PreviewInvoiceAsync(customer, id, Cancel))!;
        (next.AmountDue, next.At).ShouldBe((4900, s.PeriodEnd.Value));
        _stripe.EndAtPeriod(id, true);
        (await _payments.PreviewInvoiceAsync(customer, id, Cancel)).ShouldBeNull();
        await _payments.CancelSubscriptionAsync(id, Cancel);
        await _payments.CancelSubscriptionAsync(id, Cancel); // again does no harm
        (await _payments.ListSubscriptionsAsync(customer, Cancel)).Single().Status.ShouldBe(SubscriptionStatus.Canceled);
        _stripe.DeleteCustomer(customer);
        (await _payments.FindCustomerAsync(customer, Cancel)).ShouldBeNull();
        (await _payments.FindCustomerAsync("cus_none", Cancel)).ShouldBeNull();
    }

    [Fact]
    public async Task Long_lists_are_read_to_their_end()
    {
        var price = _stripe.AddPrice("pro", 4900);
        var customer = await _payments.CreateCustomerAsync(new NewCustomer("ten_a", "Acme", ""), "once", Cancel);
        for (var i = 0; i < 230; i++)
            _stripe.Subscribe(customer, price, "canceled");
        (await _payments.ListSubscriptionsAsync(customer, Cancel)).Select(s => s.Id).Distinct().Count().ShouldBe(230);
        (await _payments.ListUndeliveredAsync(PaymentEvents.Types, _stripe.Now.AddMinutes(-5), Cancel)).Count(e => e.Type == "customer.subscription.created").ShouldBe(230);
    }

    [Fact]
    public async Task What_belongs_to_the_other_mode_is_refused()
    {
        var live = new StripePayments(new StripeClient(_stripe.Client(), FakeStripe.Key, new Quick()), live: true);
        (await Should.ThrowAsync<PaymentsException>(() => live.CreateCustomerAsync(new NewCustomer("ten_a", "Acme", ""), "once", Cancel))).Message.ShouldContain("test mode");
    }

    // Nobody waits between two tries.
    private sealed class Quick : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => base.CreateTimer(callback, state, dueTime > TimeSpan.Zero ? TimeSpan.FromMilliseconds(1) : dueTime, period);
    }
}
