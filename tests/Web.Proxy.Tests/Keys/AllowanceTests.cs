using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Budgets;

namespace Tokonomics.Web.Proxy.Tests.Keys;

/// <summary>What a key may use, and what a tenant says of models without a price: at the wire.</summary>
public sealed class AllowanceTests(CapProduct cap) : IClassFixture<CapProduct>
{
    private TestProduct Product => cap.Product;

    private async Task<(string Id, string Secret)> KeyAsync(string name, string[]? models = null, string[]? providers = null)
    {
        using var answer = await Product.ApiAsync(HttpMethod.Post, "keys", JsonContent.Create(new { name, environment = "test", allowed_models = models ?? [], allowed_providers = providers ?? [] }));
        var made = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
        ((int)answer.StatusCode).ShouldBe(201, made.ToString());
        return (made.GetProperty("id").GetString()!, made.GetProperty("key").GetString()!);
    }

    private async Task<(int Status, string? Code, string Text)> PostAsync(string path, string body, string key, params (string, string)[] headers)
    {
        using var answer = await Product.PostAsync(path, body, key, headers);
        return ((int)answer.StatusCode, answer.Headers.TryGetValues("x-tokonomics-error", out var code) ? code.Single() : null, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_model_that_is_not_on_the_list_is_refused_by_name_in_each_dialects_own_shape()
    {
        var (id, key) = await KeyAsync("batch-eu", ["sandbox-small", "claude-haiku*"]);
        (await PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small"), key)).Status.ShouldBe(200);
        (await PostAsync("/v1/chat/completions", ProxyCalls.Chat("SANDBOX-small"), key)).Status.ShouldBe(200);

        var (status, code, text) = await PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-large"), key);
        (status, code).ShouldBe((403, "model_not_allowed"));
        var error = JsonDocument.Parse(text).RootElement.GetProperty("error");
        error.GetProperty("type").GetString().ShouldBe("permission_error");
        error.GetProperty("message").GetString().ShouldBe($"the key 'batch-eu' ({id}) may not use the model 'sandbox-large' of openai: it may use sandbox-small, claude-haiku*. Use another key, or have the model added to this one");

        (status, _, text) = await PostAsync("/proxy/anthropic/v1/messages", """{"model":"claude-opus-4-5","max_tokens":9,"messages":[]}""", key, ("anthropic-version", "2023-06-01"));
        status.ShouldBe(403);
        JsonDocument.Parse(text).RootElement.GetProperty("error").GetProperty("type").GetString().ShouldBe("permission_error");
        (await PostAsync("/proxy/anthropic/v1/messages", """{"model":"claude-haiku-4-5-20251001","max_tokens":9,"messages":[{"role":"user","content":"Hello"}]}""", key, ("anthropic-version", "2023-06-01"))).Status.ShouldBe(200);

        (status, _, text) = await PostAsync("/proxy/gemini/v1beta/models/gemini-2.5-pro:generateContent", """{"contents":[{"parts":[{"text":"Hello"}]}]}""", key);
        status.ShouldBe(403);
        JsonDocument.Parse(text).RootElement.GetProperty("error").GetProperty("status").GetString().ShouldBe("PERMISSION_DENIED");
    }

    [Fact]
    public async Task A_provider_that_is_not_on_the_list_is_refused()
    {
        var (id, key) = await KeyAsync("one provider", providers: ["openai"]);
        (await PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("sandbox-small"), key)).Status.ShouldBe(200);
        var (status, code, text) = await PostAsync("/proxy/mistral/v1/chat/completions", ProxyCalls.Chat("sandbox-small"), key);
        (status, code).ShouldBe((403, "provider_not_allowed"));
        text.ShouldContain($"the key 'one provider' ({id}) may not use the provider mistral: it may use openai.");
    }

    [Theory]
    [InlineData("/v1/chat/completions", """{"model":"sandbox-small","models":["sandbox-large"],"messages":[{"role":"user","content":"Hello"}]}""")] // others may answer
    [InlineData("/proxy/openai/v1/batches", """{"input_file_id":"file_1","endpoint":"/v1/chat/completions","completion_window":"24h"}""")] // models out of sight
    [InlineData("/proxy/openai/v1/moderations", """{"input":"x"}""")] // names none
    public async Task A_list_of_models_is_not_gone_around(string path, string body)
    {
        var (_, key) = await KeyAsync("no way around", ["sandbox-small"]);
        var (status, code, text) = await PostAsync(path, body, key);
        (status, code).ShouldBe((403, "model_not_allowed"), text);
    }

    [Fact]
    public async Task A_refused_call_reaches_nobody_and_is_counted_as_refused()
    {
        var (id, key) = await KeyAsync("counted", ["sandbox-small"]);
        var bill = cap.Bill;
        for (var i = 0; i < 3; i++)
            (await PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-large"), key)).Status.ShouldBe(403);
        cap.Bill.ShouldBe(bill);
        (await Product.EventsAsync($"&key_id={id}&environment=test")).ShouldBeEmpty();
        var refusals = Product.Services.GetRequiredService<IRefusals>();
        await Product.Services.GetRequiredService<RefusalCounter>().WriteAsync(CancellationToken.None);
        var now = DateTimeOffset.UtcNow;
        (await refusals.ListAsync(Product.TenantId, KeyEnvironment.Test, now.AddHours(-2), now.AddHours(2), CancellationToken.None)).Where(r => r.KeyId == id).Sum(r => r.Calls).ShouldBe(3);
    }

    [Fact]
    public async Task The_list_of_models_shows_what_the_key_may_use()
    {
        var (_, key) = await KeyAsync("lists", ["sandbox-s*"]);
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Product.Url, "/v1/models"));
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + key);
        using var answer = await Product.Client.SendAsync(request);
        answer.IsSuccessStatusCode.ShouldBeTrue();
    }

    [Fact]
    public async Task A_change_of_the_list_holds_for_the_next_call()
    {
        var (id, key) = await KeyAsync("changes", ["sandbox-small"]);
        (await PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-large"), key)).Status.ShouldBe(403);
        using (var saved = await Product.ApiAsync(HttpMethod.Put, $"keys/{id}", JsonContent.Create(new { name = "changes", allowed_models = new[] { "sandbox-*" } })))
            ((int)saved.StatusCode).ShouldBe(204);
        (await PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-large"), key)).Status.ShouldBe(200);
        // A rotated key may use the same.
        using var rotated = await Product.ApiAsync(HttpMethod.Post, $"keys/{id}/rotate", JsonContent.Create(new { }));
        var next = JsonDocument.Parse(await rotated.Content.ReadAsStringAsync()).RootElement.GetProperty("key").GetString()!;
        (await PostAsync("/proxy/anthropic/v1/messages", """{"model":"claude-opus-4-5","max_tokens":9,"messages":[]}""", next)).Status.ShouldBe(403);
    }

    [Fact]
    public async Task A_budget_does_not_send_a_call_to_a_model_that_its_key_may_not_use()
    {
        var customer = cap.NewCustomer();
        await Product.BudgetAsync(new { scope = new { type = "tag", key = "customer", value = customer }, period = "month", limit_usd = "0.000000001", action = "downgrade", downgrade_to = "sandbox-small", environment = "test", wait_seconds = 0 });
        var (_, free) = await KeyAsync("free");
        var (_, bound) = await KeyAsync("bound", ["sandbox-large"]);
        var body = ProxyCalls.Chat("sandbox-large", more: ",\"max_tokens\":50");
        (await PostAsync("/v1/chat/completions", body, free, ("X-Tokonomics-Tags", $"customer={customer}"))).Status.ShouldBe(200);
        var (status, code, _) = await PostAsync("/v1/chat/completions", body, bound, ("X-Tokonomics-Tags", $"customer={customer}"));
        (status, code).ShouldBe((429, "budget_exhausted"));
    }
}

/// <summary>The tenant's word on models without a price.</summary>
public sealed class UnpricedTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync();

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    [Fact]
    public async Task A_model_without_a_price_is_recorded_or_refused_as_the_tenant_says()
    {
        using (var recorded = await _product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("nobody-knows-1")))
            recorded.Headers.Contains("x-tokonomics-error").ShouldBeFalse(await recorded.Content.ReadAsStringAsync());
        using (var set = await _product.ApiAsync(HttpMethod.Put, "settings", JsonContent.Create(new { unpriced = "refuse" })))
            ((int)set.StatusCode).ShouldBe(200);
        using (var refused = await _product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("nobody-knows-1")))
        {
            ((int)refused.StatusCode).ShouldBe(403);
            refused.Headers.GetValues("x-tokonomics-error").Single().ShouldBe("model_unpriced");
            (await refused.Content.ReadAsStringAsync()).ShouldContain("'nobody-knows-1' has no price at openai");
        }

        using var priced = await _product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("sandbox-small"));
        ((int)priced.StatusCode).ShouldBe(200);
        using var estimate = await _product.ApiAsync(HttpMethod.Post, "estimate", JsonContent.Create(new { provider = "openai", environment = "test", body = new { model = "nobody-knows-1", messages = Array.Empty<string>() } }));
        (await estimate.Content.ReadAsStringAsync()).ShouldContain("model_unpriced");
    }
}
