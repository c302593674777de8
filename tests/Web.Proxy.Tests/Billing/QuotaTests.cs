using System.Net;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Testing;
using Tokonomics.Testing.FakeStripe;

namespace Tokonomics.Web.Proxy.Tests.Billing;

/// <summary>A plan's calls on the whole product: what a free tenant gets, and what it is told when there are no more.</summary>
public sealed class QuotaTests : IAsyncLifetime
{
    private const string Answer = """{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-5.1","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}""";

    private const string Body = """{"model":"gpt-5.1","messages":[{"role":"user","content":"Hello"}]}""";

    private readonly FakeProvider _provider = FakeProvider.Always(FakeProvider.Json(Answer));
    private FakeStripeServer _stripe = null!;
    private TestProduct _product = null!;
    private TenantProvisioned _free = null!;

    public async ValueTask InitializeAsync()
    {
        _stripe = await FakeStripeServer.StartAsync();
        _stripe.Stripe.AddPrice("tokonomics_pro_monthly", 4900);
        _product = await TestProduct.StartAsync([.. StripeSettings.Of(_stripe), new("Portal:PublicUrl", "https://t.example"), new("Providers:openai:BaseUrl", _provider.Url.ToString()), new("Providers:anthropic:BaseUrl", _provider.Url.ToString()), new("Providers:gemini:BaseUrl", _provider.Url.ToString())]);
        _free = await _product.ProvisionAsync("free", new Dictionary<string, string> { ["openai"] = "sk-openai-0123456789", ["anthropic"] = "sk-ant-0123456789", ["gemini"] = "AIza-0123456789" }, TenantPlan.Free);
    }

    public async ValueTask DisposeAsync()
    {
        await _product.DisposeAsync();
        await _stripe.DisposeAsync();
        await _provider.DisposeAsync();
    }

    private Task<HttpResponseMessage> CallAsync(string? key = null, string path = "/proxy/openai/v1/chat/completions", string body = Body) => _product.PostAsync(path, body, key ?? _free.LiveKey.Secret);

    private async Task UseUpAsync()
    {
        var (passed, refused) = (0, 0);
        await Parallel.ForEachAsync(Enumerable.Range(0, 130), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (_, cancel) =>
        {
            using var answer = await CallAsync();
            await answer.Content.ReadAsStringAsync(cancel);
            if (answer.StatusCode == HttpStatusCode.OK)
                Interlocked.Increment(ref passed);
            else
                Interlocked.Increment(ref refused);
        });
        (passed, refused).ShouldBe((100, 30));
        _provider.Requests.Count.ShouldBe(100);
    }

    [Fact]
    public async Task A_hundred_calls_pass_however_many_come_at_once_and_each_dialect_is_told_in_its_own_shape_that_there_are_no_more()
    {
        await UseUpAsync();
        using var openai = await CallAsync();
        ((int)openai.StatusCode, openai.Headers.GetValues("x-should-retry").Single(), openai.Headers.GetValues("x-tokonomics-error").Single()).ShouldBe((429, "false", "quota_exhausted"));
        var error = JsonDocument.Parse(await openai.Content.ReadAsStringAsync()).RootElement.GetProperty("error");
        error.GetProperty("code").GetString().ShouldBe("quota_exhausted");
        error.GetProperty("message").GetString()!.ShouldContain("all 100 calls of this month that the plan has are used; it begins anew at ");
        error.GetProperty("message").GetString()!.ShouldContain("Get a bigger plan: https://t.example/billing");

        using var anthropic = await CallAsync(path: "/proxy/anthropic/v1/messages", body: """{"model":"claude-opus-5","max_tokens":10,"messages":[{"role":"user","content":"Hello"}]}""");
        ((int)anthropic.StatusCode).ShouldBe(429);
        var shape = JsonDocument.Parse(await anthropic.Content.ReadAsStringAsync()).RootElement;
        (shape.GetProperty("type").GetString(), shape.GetProperty("error").GetProperty("message").GetString()!.Contains("https://t.example/billing", StringComparison.Ordinal)).ShouldBe(("error", true));

        using var gemini = await CallAsync(path: "/proxy/gemini/v1beta/models/gemini-2.5-flash:generateContent", body: """{"contents":[{"parts":[{"text":"Hello"}]}]}""");
        ((int)gemini.StatusCode).ShouldBe(429);
        var google = JsonDocument.Parse(await gemini.Content.ReadAsStringAsync()).RootElement.GetProperty("error");
        (google.GetProperty("code").GetInt32(), google.GetProperty("message").GetString()!.Contains("https://t.example/billing", StringComparison.Ordinal)).ShouldBe((429, true));

        // A tenant that the operator gave Pro has no such limit, and the sandbox costs nobody a call.
        using var test = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(), _free.TestKey.Secret);
        test.StatusCode.ShouldBe(HttpStatusCode.OK);
        _provider.Requests.Count.ShouldBe(100);
    }

    [Fact]
    public async Task After_the_upgrade_the_next_call_passes_and_the_owner_was_warned()
    {
        await UseUpAsync();
        await _product.FlushAsync();
        // Before the upgrade: whoever has no quota any more is not warned of its end.
        for (var tries = 0; tries < 1200 && Mails().Count < 2; tries++)
            await Task.Delay(50);
        Mails().ShouldContain(m => m.Contains("80 %", StringComparison.Ordinal));
        Mails().ShouldContain(m => m.Contains("all 100 calls", StringComparison.Ordinal));

        var owner = new Caller(_free.TenantId, _free.OwnerId, Role.Owner);
        await using var scope = _product.Services.CreateAsyncScope();
        var started = (await scope.ServiceProvider.GetRequiredService<MediatR.IMediator>().Send(new StartCheckout(owner, _free.TenantId, "pro"))).Value;
        _stripe.Webhook = new Uri(_product.Url, "/webhooks/stripe");
        _stripe.Stripe.Complete(started.Url.Segments[^1]);
        await _stripe.SendEventsAsync();

        var status = HttpStatusCode.TooManyRequests;
        for (var tries = 0; status != HttpStatusCode.OK && tries < 600; tries++)
        {
            using var answer = await CallAsync();
            status = answer.StatusCode;
            if (status != HttpStatusCode.OK)
                await Task.Delay(50);
        }

        status.ShouldBe(HttpStatusCode.OK);

        List<string> Mails() => [.. _product.Services.GetRequiredService<RecentMails>().All.Where(m => m.To == "owner@example.com").Select(m => m.Subject)];
    }

    [Fact]
    public async Task A_call_that_is_refused_for_another_reason_or_reaches_nobody_costs_no_call()
    {
        using (var bad = await CallAsync(body: "{"))
            ((int)bad.StatusCode).ShouldBe(400);
        using (var wrong = await CallAsync("mk_live_nonsense"))
            wrong.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        using (var good = await CallAsync())
            good.StatusCode.ShouldBe(HttpStatusCode.OK);
        await _product.FlushAsync();
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_product.Url, "/api/v1/billing"));
        request.Headers.Authorization = new("Bearer", _free.ApiToken.Secret);
        for (var tries = 0; ; tries++)
        {
            using var again = new HttpRequestMessage(HttpMethod.Get, request.RequestUri) { Headers = { Authorization = request.Headers.Authorization } };
            using var answer = await _product.Client.SendAsync(again);
            var state = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
            if (tries == 100 || state.GetProperty("calls_used").GetInt64() == 1)
            {
                (state.GetProperty("plan").GetString(), state.GetProperty("calls_used").GetInt64(), state.GetProperty("calls_limit").GetInt64()).ShouldBe(("free", 1, 100));
                return;
            }

            await Task.Delay(50);
        }
    }
}
