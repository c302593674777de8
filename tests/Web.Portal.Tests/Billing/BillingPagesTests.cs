using System.Net;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;
using Tokonomics.Testing.FakeStripe;

namespace Tokonomics.Web.Portal.Tests.Billing;

/// <summary>Buying and paying as a person sees it, over the pages and the webhook.</summary>
public sealed partial class BillingPagesTests : IAsyncLifetime
{
    private FakeStripeServer _stripe = null!;
    private TestProduct _product = null!;
    private string _tenant = "";
    private PortalVisitor _owner = null!;

    public async ValueTask InitializeAsync()
    {
        _stripe = await FakeStripeServer.StartAsync();
        _stripe.Stripe.AddPrice("tokonomics_pro_monthly", 4900);
        _product = await TestProduct.StartAsync([.. StripeSettings.Of(_stripe), new("Portal:TriesPerAddress", "10000")]);
        _tenant = (await _product.ProvisionAsync("Free & Co", new Dictionary<string, string>(), TenantPlan.Free)).TenantId;
        _owner = await PortalVisitor.SignedInAsync(_product, _tenant);
    }

    public async ValueTask DisposeAsync()
    {
        await _product.DisposeAsync();
        await _stripe.DisposeAsync();
    }

    private Uri Webhook => new(_product.Url, "/webhooks/stripe");

    private async Task<Uri> UpgradeAsync()
    {
        using var answer = await _owner.PostAsync("/billing?handler=Upgrade", [new("Plan", "pro")]);
        var text = await answer.Content.ReadAsStringAsync();
        answer.StatusCode.ShouldBe(HttpStatusCode.OK, text);
        return new Uri(WebUtility.HtmlDecode(Leave().Match(text).Groups[1].Value));
    }

    private async Task<string> UntilAsync(string path, string text)
    {
        for (var tries = 0; ; tries++)
        {
            var page = await _owner.ReadAsync(path);
            if (page.Contains(text, StringComparison.Ordinal) || tries == 200)
                return page;
            await Task.Delay(50);
        }
    }

    [Fact]
    public async Task From_the_pricing_page_to_a_paid_plan_and_back()
    {
        (await _owner.ReadAsync("/pricing")).ShouldContain("100 calls a month");
        var free = await _owner.ReadAsync("/billing");
        Tag().Replace(free, "").ShouldContain("0 of 100 calls of this month are used");
        free.ShouldContain("Upgrade to Pro");
        free.ShouldContain("Stripe is in its test mode");

        var url = await UpgradeAsync();
        url.GetLeftPart(UriPartial.Authority).ShouldBe(_stripe.Url.GetLeftPart(UriPartial.Authority));
        (await UpgradeAsync()).ShouldBe(url); // pressed again
        var session = url.Segments[^1];

        // Back without paying; then the redirect comes before the event.
        (await _owner.ReadAsync($"/billing/done?session_id={session}")).ShouldContain("Nothing was paid");
        var subscription = _stripe.Stripe.Complete(session);
        (await _owner.ReadAsync($"/billing/done?session_id={session}")).ShouldContain("You are on Pro");
        _stripe.Webhook = Webhook;
        await _stripe.SendEventsAsync();
        (await _owner.ReadAsync($"/billing/done?session_id={session}")).ShouldContain("You are on Pro");

        var pro = await _owner.ReadAsync("/billing");
        pro.ShouldContain("of any number");
        pro.ShouldContain("49.00 USD");
        pro.ShouldContain("Next invoice");
        pro.ShouldNotContain("Upgrade to Pro");
        using (var manage = await _owner.PostAsync("/billing?handler=Manage", []))
            (await manage.Content.ReadAsStringAsync()).ShouldContain($"{_stripe.Url}p/session/");

        _stripe.Stripe.EndAtPeriod(subscription, true);
        await _stripe.SendEventsAsync();
        (await UntilAsync("/billing", "as things are")).ShouldContain("nothing more is charged");
        _stripe.Stripe.CancelNow(subscription);
        await _stripe.SendEventsAsync();
        (await UntilAsync("/billing", "Upgrade to Pro")).ShouldContain("Upgrade to Pro");
    }

    [Fact]
    public async Task The_event_before_the_redirect_is_as_good()
    {
        var session = (await UpgradeAsync()).Segments[^1];
        _stripe.Stripe.Complete(session);
        _stripe.Webhook = Webhook;
        await _stripe.SendEventsAsync();
        (await UntilAsync("/billing", "of any number")).ShouldContain("of any number");
        (await _owner.ReadAsync($"/billing/done?session_id={session}")).ShouldContain("You are on Pro");
    }

    [Fact]
    public async Task A_failed_payment_is_said_plainly_with_what_mends_it()
    {
        var id = _stripe.Stripe.Complete((await UpgradeAsync()).Segments[^1]);
        _stripe.Stripe.Renew(id, pays: false);
        var due = await _owner.ReadAsync("/billing");
        due.ShouldContain("The last payment failed. Pro stays until");
        due.ShouldContain("payment failed; tried again");
        due.ShouldContain(">Pay</a>");
        // Wherever the plan stands it is the one in force, and why.
        foreach (var path in new[] { "/overview", "/settings", "/account/tenants" })
            (await _owner.ReadAsync(path)).ShouldMatch("Pro until [0-9]+ [A-Z][a-z]+, payment overdue", path);
        _stripe.Stripe.GiveUp(id, "unpaid");
        (await _owner.ReadAsync("/billing")).ShouldContain("All tries to charge your card have failed");
        (await _owner.ReadAsync("/settings")).ShouldContain("has the plan Free, all payments failed");
        _stripe.Stripe.PayOpen(id);
        (await _owner.ReadAsync("/billing")).ShouldNotContain("failed.");
    }

    [Fact]
    public async Task While_Stripe_is_away_the_page_stands_and_says_so()
    {
        var session = (await UpgradeAsync()).Segments[^1];
        _stripe.Stripe.Complete(session);
        _stripe.Stripe.Down = true;
        (await _owner.ReadAsync("/billing")).ShouldContain("can&#x27;t be reached at the moment");
        var done = await _owner.ReadAsync($"/billing/done?session_id={session}");
        done.ShouldContain("Whatever you paid is not lost");
        done.ShouldContain("http-equiv=\"refresh\"");
        _stripe.Stripe.Down = false;
        (await _owner.ReadAsync($"/billing/done?session_id={session}")).ShouldContain("You are on Pro");
    }

    [Fact]
    public async Task The_webhook_takes_what_is_signed_keeps_it_once_and_refuses_the_rest()
    {
        var session = (await UpgradeAsync()).Segments[^1];
        _stripe.Stripe.Complete(session);
        var e = _stripe.Stripe.Events.First(x => x["type"]!.GetValue<string>() == "checkout.session.completed");
        async Task<int> Send(string secret = FakeStripe.Secret, TimeSpan ago = default)
        {
            using var answer = await _stripe.SendAsync(Webhook, e, secret, DateTimeOffset.UtcNow - ago);
            return (int)answer.StatusCode;
        }

        (await Send("whsec_wrong00000000000000000")).ShouldBe(400);
        (await Send(ago: TimeSpan.FromSeconds(310))).ShouldBe(400);
        (await Send(ago: TimeSpan.FromSeconds(-310))).ShouldBe(400);
        using (var bare = await _product.Client.PostAsync(Webhook, new StringContent(e.ToJsonString())))
            ((int)bare.StatusCode).ShouldBe(400);
        using (var huge = await _product.Client.PostAsync(Webhook, new StringContent(new string(' ', 1024 * 1024 + 1))))
            ((int)huge.StatusCode).ShouldBe(413);
        (await PlanAsync()).ShouldBe("free");
        (await Send()).ShouldBe(200);
        (await Send()).ShouldBe(200); // once more
        for (var tries = 0; await PlanAsync() != "pro" && tries < 200; tries++)
            await Task.Delay(50);
        (await PlanAsync()).ShouldBe("pro");

        async Task<string> PlanAsync()
        {
            await using var scope = _product.Services.CreateAsyncScope();
            return (await scope.ServiceProvider.GetRequiredService<BillingSync>().FindAsync(_tenant, CancellationToken.None))!.Plan;
        }
    }

    [Fact]
    public async Task A_developer_sees_the_plan_and_nothing_of_payments()
    {
        var developer = await PortalVisitor.SignedInAsync(_product, _tenant, Role.Developer);
        _stripe.Stripe.Complete((await UpgradeAsync()).Segments[^1]);
        await _owner.ReadAsync("/billing");
        var page = await developer.ReadAsync("/billing");
        page.ShouldContain("of any number");
        page.ShouldNotContain("Invoices");
        using var answer = await developer.PostAsync("/billing?handler=Manage", []);
        answer.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task Statements_are_a_page_a_CSV_and_a_JSON_with_the_same_figures()
    {
        (await _owner.ReadAsync("/billing/customers")).ShouldContain("The plan Free has no statements for your own customers");
        var pro = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        (await pro.ReadAsync("/billing/customers")).ShouldContain("Say whose a call is");
        var at = DateTimeOffset.UtcNow;
        await _product.Services.GetRequiredService<IUsageLedger>().AppendAsync(
            [.. Enumerable.Range(0, 3).Select(i => new UsageEvent
            {
                RequestId = $"req_statement{i}",
                TenantId = _product.TenantId,
                KeyId = "key_1",
                Provider = "openai",
                Dialect = "openai-chat",
                Operation = "POST /chat/completions",
                RequestModel = "gpt-5.1",
                Usage = TokenUsage.Parse("Input=100,Output=30"),
                Cost = new NanoUsd(1_000_000_000),
                PriceVersion = "v1",
                Status = 200,
                At = at,
                Tags = [new Tag("customer", "acme")],
            })], CancellationToken.None);
        using (var set = await pro.PostAsync("/billing/customers?handler=Terms", [new("Customer", ""), new("Markup", "12.5"), new("Rates", "")]))
            set.StatusCode.ShouldBe(HttpStatusCode.Found);
        using (var bad = await pro.PostAsync("/billing/customers?handler=Terms", [new("Markup", "x"), new("Rates", "gpt-5.1 cheap")]))
        {
            var text = WebUtility.HtmlDecode(await bad.Content.ReadAsStringAsync());
            text.ShouldContain("Write per cent as a number");
            text.ShouldContain("Write a rate a line");
        }

        var month = at.ToString("yyyy-MM", System.Globalization.CultureInfo.InvariantCulture);
        (await pro.ReadAsync("/billing/customers")).ShouldContain("/billing/statement?customer=acme");
        (await pro.ReadAsync($"/billing/statement?customer=acme&month={month}")).ShouldContain("3.38 USD"); // 3.375 to the even cent
        (await pro.ReadAsync($"/billing/statement?handler=Csv&customer=acme&month={month}")).ShouldContain($"{month},acme,openai,gpt-5.1,3,300,90,3,3.375,no");
        var json = System.Text.Json.JsonDocument.Parse(await pro.ReadAsync($"/billing/statement?handler=Json&customer=acme&month={month}")).RootElement.GetProperty("statements")[0];
        (json.GetProperty("charge_usd").GetString(), json.GetProperty("total_cents").GetInt64()).ShouldBe(("3.375", 338));
        using var api = await _product.ApiAsync(HttpMethod.Get, $"statements?month={month}&customer=acme");
        System.Text.Json.JsonDocument.Parse(await api.Content.ReadAsStringAsync()).RootElement.GetProperty("statements")[0].GetProperty("total_cents").GetInt64().ShouldBe(338);
        using var wrong = await _product.ApiAsync(HttpMethod.Get, "statements?month=November");
        ((int)wrong.StatusCode).ShouldBe(422);
    }

    [Fact]
    public async Task A_meter_of_one_s_own_is_set_and_what_is_in_its_way_is_said()
    {
        (await _owner.ReadAsync("/billing/meter")).ShouldContain("The plan Free has no statements for your own customers");
        var pro = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        (await pro.ReadAsync("/billing/meter")).ShouldContain("Nothing is reported to a Stripe account of yours");
        const string Key = "rk_test_revoked0000000000000wxyz";
        async Task<string> Post(string handler, params (string Name, string Value)[] fields)
        {
            using var answer = await pro.PostAsync($"/billing/meter?handler={handler}", [.. fields.Select(f => new KeyValuePair<string, string>(f.Name, f.Value)), new("form_id", Guid.NewGuid().ToString("n"))]);
            return answer.StatusCode == HttpStatusCode.Found ? WebUtility.HtmlDecode(await pro.ReadAsync("/billing/meter")) : WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
        }

        (await Post("Store", ("SecretKey", "pk_test_00000000000000000000"), ("EventName", "spend"))).ShouldContain("is the public one");
        (await Post("Store", ("SecretKey", Key), ("EventName", "spend"))).ShouldContain("Stripe refuses the key");
        var stored = await Post("Store", ("SecretKey", FakeStripe.Key), ("EventName", "spend"));
        stored.ShouldContain("no active meter with the event name spend");
        stored.ShouldContain("sk_test_…0000");
        stored.ShouldNotContain(FakeStripe.Key);
        (await Post("Connect", ("Customer", "acme"), ("StripeCustomer", "acme"))).ShouldContain("begins with cus_");
        (await Post("Connect", ("Customer", "acme"), ("StripeCustomer", "cus_none"))).ShouldContain("acme is reported from");
        using (var api = await _product.ApiAsync(HttpMethod.Get, "statements/meter"))
        {
            var text = await api.Content.ReadAsStringAsync();
            text.ShouldNotContain(FakeStripe.Key);
            System.Text.Json.JsonDocument.Parse(text).RootElement.GetProperty("customers")[0].GetProperty("stripe_customer").GetString().ShouldBe("cus_none");
        }

        (await Post("Remove", ("Confirm", "no"))).ShouldContain("type stop to confirm");
        (await Post("Remove", ("Confirm", "stop"))).ShouldContain("the key is deleted");
        var developer = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Developer);
        using var forbidden = await developer.GetAsync("/billing/meter");
        forbidden.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
    }

    [GeneratedRegex("<[^>]+>")]
    private static partial Regex Tag();

    [GeneratedRegex("id=\"leave\" href=\"([^\"]+)\"")]
    private static partial Regex Leave();
}

/// <summary>The fake against Stripe's own programs.</summary>
public sealed class FakeStripeTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Stripe_s_own_library_makes_every_call_that_we_make_and_understands_each_answer()
    {
        await using var server = await FakeStripeServer.StartAsync();
        var made = await NodeScript.RunAsync("stripe-calls.mjs", "", server.Url.ToString(), FakeStripe.Key);
        made.ShouldBe("prices, customers, checkout sessions, subscriptions, invoices, portal sessions, meters, events, disputes, keys");
        server.Stripe.Calls.ShouldAllBe(c => c.Version == FakeStripe.Version);
        output.WriteLine($"{server.Stripe.Calls.Count} calls: {made}");
    }

    [Theory]
    [InlineData("customer.created")]
    [InlineData("customer.updated")]
    [InlineData("customer.deleted")]
    [InlineData("price.created")]
    [InlineData("customer.subscription.created")]
    [InlineData("customer.subscription.updated")]
    [InlineData("customer.subscription.deleted")]
    [InlineData("checkout.session.completed")]
    [InlineData("invoice.paid")]
    public async Task Stripe_s_command_line_triggers_its_events_at_the_fake(string type)
    {
        await using var server = await FakeStripeServer.StartAsync();
        var said = await StripeCommand.RunAsync("trigger", type, "--api-base", server.Url.ToString().TrimEnd('/'), "--api-key", FakeStripe.Key);
        output.WriteLine(said);
        output.WriteLine(string.Join('\n', server.Stripe.Calls.Select(c => $"{c.Method} {c.Path}")));
        said.ShouldContain("Trigger succeeded");
        server.Stripe.Events.ShouldContain(e => e["type"]!.GetValue<string>() == type);
    }
}
