using System.Text.Json;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;
using Tokonomics.Infrastructure.Stripe;

namespace Tokonomics.Tests.Stripe;

public sealed class StripeReaderTests
{
    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private const string Old = """{"id":"sub_1","object":"subscription","customer":"cus_1","status":"active","created":1618980344,"current_period_start":1618980344,"current_period_end":1621572344,"cancel_at_period_end":false,"latest_invoice":"in_1","items":{"data":[{"price":{"id":"price_1","lookup_key":"pro","product":"prod_1"}}]}}""";

    private const string New = """{"id":"sub_1","object":"subscription","customer":{"id":"cus_1","object":"customer"},"status":"active","created":1618980344,"cancel_at_period_end":false,"latest_invoice":{"id":"in_1","created":1618980350},"items":{"data":[{"current_period_start":1618980344,"current_period_end":1621572344,"price":{"id":"price_1","lookup_key":"pro","product":{"id":"prod_1"}}}]}}""";

    [Fact]
    public void A_subscription_is_the_same_in_the_form_of_either_version()
    {
        var (old, now) = (StripeReader.Subscription(Json(Old)), StripeReader.Subscription(Json(New)));
        (old.Id, old.CustomerId, old.Status, old.PeriodEnd, old.Prices[0]).ShouldBe((now.Id, now.CustomerId, now.Status, now.PeriodEnd, now.Prices[0]));
        now.PeriodEnd.ShouldBe(DateTimeOffset.FromUnixTimeSeconds(1621572344));
        (old.InvoicedAt, now.InvoicedAt).ShouldBe((null, DateTimeOffset.FromUnixTimeSeconds(1618980350)));
    }

    [Fact]
    public void An_invoice_s_subscription_is_found_in_either_place()
    {
        StripeReader.InvoiceSubscription(Json("""{"subscription":"sub_1"}""")).ShouldBe("sub_1");
        StripeReader.InvoiceSubscription(Json("""{"parent":{"subscription_details":{"subscription":"sub_1"}}}""")).ShouldBe("sub_1");
        StripeReader.InvoiceSubscription(Json("""{"parent":null}""")).ShouldBeNull();
    }

    [Theory]
    [InlineData("""{"id":"sub_1","customer":"cus_1","status":"hibernating","created":1}""", "the state 'hibernating'")]
    [InlineData("""{"id":"sub_1","status":"active","created":1}""", "without a customer")]
    [InlineData("""{"customer":"cus_1","status":"active","created":1}""", "without an id")]
    [InlineData("""{"id":"sub_1","customer":"cus_1","status":"active"}""", "without a date")]
    public void What_is_not_known_is_refused_and_never_guessed(string subscription, string why) =>
        Should.Throw<PaymentsException>(() => StripeReader.Subscription(Json(subscription))).Message.ShouldContain(why);

    [Theory]
    [InlineData("""{"id":"evt_1","object":"event","type":"customer.deleted","created":1619701111,"livemode":false,"data":{"object":{"id":"cus_1","object":"customer","deleted":true}}}""", "cus_1", "cus_1")]
    [InlineData("""{"id":"evt_1","object":"event","type":"invoice.paid","created":1619701111,"livemode":true,"data":{"object":{"id":"in_1","object":"invoice","customer":"cus_1"}}}""", "in_1", "cus_1")]
    [InlineData("""{"id":"evt_1","object":"event","type":"plan.created","created":1619701111,"livemode":false,"data":{"object":{"id":"p","object":"plan"}}}""", "p", null)]
    public void Of_an_event_it_is_read_whom_it_concerns(string text, string about, string? customer)
    {
        var e = StripeEvents.Read(Json(text));
        (e.Id, e.ObjectId, e.CustomerId, e.Live).ShouldBe(("evt_1", about, customer, text.Contains("\"livemode\":true", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("""[]""")]
    [InlineData("""{"object":"customer","id":"cus_1"}""")]
    [InlineData("""{"id":"evt_1","object":"event","type":"x","created":1}""")]
    [InlineData("""{"id":"evt_1","object":"event","created":1,"data":{"object":{}}}""")]
    public void What_is_no_event_is_refused(string text) => Should.Throw<PaymentsException>(() => StripeEvents.Read(Json(text)));

    [Fact]
    public void Every_state_of_Stripe_s_has_one_of_ours_and_no_other_has()
    {
        string[] states = ["incomplete", "incomplete_expired", "trialing", "active", "past_due", "unpaid", "paused", "canceled"];
        states.Select(StripeReader.Status).Distinct().Count().ShouldBe(Enum.GetValues<SubscriptionStatus>().Length);
        Should.Throw<PaymentsException>(() => StripeReader.Status("Active"));
    }
}
