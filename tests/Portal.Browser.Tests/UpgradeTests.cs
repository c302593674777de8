using System.Net;
using System.Text;
using System.Text.Json;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;
using Tokonomics.Testing.FakeStripe;

namespace Tokonomics.Portal.Browser.Tests;

/// <summary>A free organization uses its calls up, is told so, pays, and goes on: in a real browser, with a payment page that is Stripe's in all but name.</summary>
public sealed class UpgradeTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private const string Answer = """{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-5.1","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}""";

    [Fact]
    public async Task The_hundred_and_first_call_is_refused_with_the_way_to_upgrade_and_passes_after_it_was_gone()
    {
        await using var stripe = await FakeStripeServer.StartAsync();
        stripe.Stripe.AddPrice("tokonomics_pro_monthly", 4900);
        await using var provider = FakeProvider.Always(FakeProvider.Json(Answer));
        await using var portal = new PortalInBrowser { Settings = [.. StripeSettings.Of(stripe), new("Providers:openai:BaseUrl", provider.Url.ToString())] };
        await portal.InitializeAsync();
        stripe.Webhook = new Uri(portal.Product.Url, "/webhooks/stripe");

        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("ada@upgrade.example", "Upgrade Ltd");
        await ada.Page.CheckAsync("#key-live");
        await ada.Page.ClickAsync("main button:has-text('Make a key')");
        var key = (await ada.Page.InnerTextAsync("#secret")).Trim();

        await StoreKeyAsync(portal.Product);
        for (var i = 0; i < 100; i++)
        {
            using var passed = await CallAsync();
            passed.StatusCode.ShouldBe(HttpStatusCode.OK, $"call {i + 1}");
        }

        using var refused = await CallAsync();
        ((int)refused.StatusCode).ShouldBe(429);
        var message = JsonDocument.Parse(await refused.Content.ReadAsStringAsync(Cancel)).RootElement.GetProperty("error").GetProperty("message").GetString()!;
        message.ShouldContain("all 100 calls of this month that the plan has are used");
        var upgrade = message[message.IndexOf("http", StringComparison.Ordinal)..];
        upgrade.ShouldBe($"{portal.Url}/billing");
        provider.Requests.Count.ShouldBe(100);

        // The link, the button, the payment page, and back.
        await portal.Product.FlushAsync(); // the page shows what the ledger has
        await ada.Page.GotoAsync(upgrade);
        (await ada.Page.InnerTextAsync("main")).ShouldContain("100 of 100 calls of this month are used");
        await ada.Page.ClickAsync("main button:has-text('Upgrade to Pro')");
        await GoOnAsync(ada, $"{stripe.Url}c/pay/**");
        await ada.Page.ClickAsync("button:has-text('Pay')");
        await ada.Page.GetByRole(AriaRole.Heading, new() { Name = "You are on Pro" }).WaitForAsync();

        using var next = await CallAsync();
        next.StatusCode.ShouldBe(HttpStatusCode.OK, await next.Content.ReadAsStringAsync(Cancel));
        provider.Requests.Count.ShouldBe(101);
        await ada.Page.GotoAsync("/billing");
        (await ada.Page.InnerTextAsync("main")).ShouldContain("49.00 USD");
        (stripe.Stripe.All("cus").Count, stripe.Stripe.All("sub").Count).ShouldBe((1, 1));
        // The payment page is elsewhere, and is meant to be.
        ada.Complaints.Where(c => !c.Contains(stripe.Url.ToString(), StringComparison.Ordinal)).ShouldBeEmpty();

        // The page leads on by itself.
        static async Task GoOnAsync(Visitor visitor, string url)
        {
            try
            {
                await visitor.Page.WaitForURLAsync(url);
            }
            catch (TimeoutException e)
            {
                throw new InvalidOperationException($"The browser stands at {visitor.Page.Url}: {await visitor.Page.InnerTextAsync("body")} {string.Join(' ', visitor.Complaints)}", e);
            }
        }

        static async Task StoreKeyAsync(TestProduct product)
        {
            await using var scope = product.Services.CreateAsyncScope();
            var tenant = await scope.ServiceProvider.GetRequiredService<TokonomicsDbContext>().Tenants.Where(t => t.Name == "Upgrade Ltd").Select(t => t.Id).SingleAsync(Cancel);
            (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(new StoreProviderCredential(new Caller(tenant, "mem_test", Role.Owner), tenant, "openai", "sk-openai-0123456789abcdef"), Cancel)).Succeeded.ShouldBeTrue();
        }

        async Task<HttpResponseMessage> CallAsync()
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, portal.Url + "/proxy/openai/v1/chat/completions")
            {
                Content = new StringContent("""{"model":"gpt-5.1","messages":[{"role":"user","content":"Hello"}]}""", Encoding.UTF8, "application/json"),
            };
            request.Headers.Add("Authorization", "Bearer " + key);
            return await portal.Product.Client.SendAsync(request, Cancel);
        }
    }
}
