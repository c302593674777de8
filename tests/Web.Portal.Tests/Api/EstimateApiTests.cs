using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Api;

/// <summary>What an estimate says is what the call then does, on the whole product.</summary>
public sealed class EstimateApiTests : IAsyncLifetime
{
    private TestProduct _product = null!;
    private string _testKeyId = "";

    public async ValueTask InitializeAsync()
    {
        _product = await TestProduct.StartAsync();
        using var answer = await _product.ApiAsync(HttpMethod.Get, "keys");
        _testKeyId = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("data").EnumerateArray().Single(k => k.GetProperty("environment").GetString() == "test").GetProperty("id").GetString()!;
    }

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private async Task<(int Status, JsonElement Body)> SendAsync(string path, object body)
    {
        using var answer = await _product.ApiAsync(HttpMethod.Post, path, JsonContent.Create(body));
        var text = await answer.Content.ReadAsStringAsync();
        return ((int)answer.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement);
    }

    private async Task<JsonElement> EstimateAsync(string path, string body, object? tags = null)
    {
        var (status, answer) = await SendAsync("estimate", new { path, body = JsonDocument.Parse(body).RootElement, key_id = _testKeyId, tags });
        status.ShouldBe(200, answer.ToString());
        return answer;
    }

    private async Task<string> BudgetAsync(string limitUsd, object? scope = null, string action = "block", string? downgradeTo = null, string mode = "strict", bool clamp = true)
    {
        var (status, made) = await SendAsync("budgets", new { scope = scope ?? new { type = "tenant" }, period = "month", limit_usd = limitUsd, environment = "test", action, downgrade_to = downgradeTo, mode, clamp, wait_seconds = 0 });
        status.ShouldBe(201, made.ToString());
        return made.GetProperty("id").GetString()!;
    }

    private static string? Header(HttpResponseMessage answer, string name) => answer.Headers.TryGetValues(name, out var values) ? values.Single() : null;

    private static string? Text(JsonElement e, string name) => e.GetProperty(name).ValueKind == JsonValueKind.Null ? null : e.GetProperty(name).ToString();

    [Theory]
    [InlineData("10", "/v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("10", "/v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}],"max_tokens":500}""")]
    [InlineData("10", "/v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}],"stream":true}""")]
    [InlineData("10", "/v1/responses", """{"model":"sandbox-small","input":"Hi"}""")]
    [InlineData("10", "/v1/messages", """{"model":"sandbox-small","max_tokens":50,"messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("10", "/proxy/gemini/v1beta/models/sandbox-small:generateContent", """{"contents":[{"parts":[{"text":"Hi"}]}]}""")]
    [InlineData("10", "/proxy/gemini/v1beta/models/sandbox-small:streamGenerateContent?alt=sse", """{"contents":[{"parts":[{"text":"Hi"}]}]}""")]
    [InlineData("10", "/proxy/cohere/v2/chat", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("10", "/proxy/ollama/api/chat", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("10", "/v1/embeddings", """{"model":"sandbox-embed","input":"Hi"}""")]
    [InlineData("10", "/v1/images/generations", """{"model":"sandbox-image","prompt":"A cat","n":2}""")]
    [InlineData("0.004", "/v1/chat/completions", """{"model":"sandbox-long","messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("0.001", "/v1/messages", """{"model":"sandbox-small","max_tokens":5000,"messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("0.000001", "/v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]}""")]
    public async Task What_it_would_hold_is_what_the_call_then_holds(string limit, string path, string body)
    {
        var budget = await BudgetAsync(limit);
        var estimate = await EstimateAsync(path, body);
        using var answer = await _product.PostAsync(path, body);

        if ((int)answer.StatusCode == 200)
        {
            Text(estimate, "refusal").ShouldBeNull();
            Text(estimate, "held_usd").ShouldBe(Header(answer, "x-tokonomics-held-usd"));
            Text(estimate, "clamped_to").ShouldBe(Header(answer, "x-tokonomics-clamped-to"));
        }
        else
        {
            estimate.GetProperty("refusal").GetProperty("code").GetString().ShouldBe(Header(answer, "x-tokonomics-error"));
            estimate.GetProperty("refusal").GetProperty("status").GetInt32().ShouldBe((int)answer.StatusCode);
            Text(estimate, "held_usd").ShouldBeNull();
        }

        estimate.GetProperty("binding_budget").GetString().ShouldBe(budget);
        estimate.GetProperty("in_slices").GetBoolean().ShouldBe(body.Contains("\"stream\":true", StringComparison.Ordinal) || path.Contains("ollama", StringComparison.Ordinal)); // nobody says that Gemini stops charging when the connection closes: its streams are held whole
        var likely = NanoUsd.Parse(Text(estimate, "likely_usd")!)!.Value;
        likely.ShouldBeGreaterThan(NanoUsd.Zero);
        if (Text(estimate, "upper_bound_usd") is { } most)
            likely.ShouldBeLessThanOrEqualTo(NanoUsd.Parse(most)!.Value);
    }

    [Fact]
    public async Task It_holds_nothing_sends_nothing_and_leaves_nothing()
    {
        await BudgetAsync("10");
        var before = _product.Services.GetRequiredService<BudgetGate>().Sums();
        for (var i = 0; i < 20; i++)
            await EstimateAsync("/v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"a planted prompt"}]}""");
        var after = _product.Services.GetRequiredService<BudgetGate>().Sums();
        after.ShouldBe(before);
        _product.Sandbox.Bill.Lines.ShouldBeEmpty();
        (await _product.EventsAsync()).ShouldBeEmpty();
        _product.Log.Lines.ShouldAllBe(l => !l.Contains("planted", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Figures_come_with_their_arithmetic()
    {
        var estimate = await EstimateAsync("/v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"12345678"}],"max_tokens":500}""");
        estimate.GetProperty("input_tokens").GetInt64().ShouldBe(9); // 8 bytes, four to a token; 4 for the message, 3 before the answer
        estimate.GetProperty("output_tokens").GetInt64().ShouldBe(500); // of 1,024 that are said before any answer was seen
        estimate.GetProperty("likely_usd").GetString().ShouldBe("0.001009"); // 9e-6 * 1 + 500e-6 * 2
        estimate.GetProperty("output_tokens_at_most").GetInt64().ShouldBe(500);
        estimate.GetProperty("priced_as").GetString().ShouldBe("sandbox-small");
        estimate.GetProperty("budgets").GetArrayLength().ShouldBe(0);
        Text(estimate, "held_usd").ShouldBeNull();
        Text(estimate, "binding_budget").ShouldBeNull();
    }

    [Fact]
    public async Task Every_budget_that_applies_is_listed_and_the_one_that_binds_is_named()
    {
        var tenant = await BudgetAsync("10");
        var acme = await BudgetAsync("0.5", new { type = "tag", key = "customer", value = "acme" });
        var each = await BudgetAsync("1", new { type = "tag", key = "customer" });
        await BudgetAsync("0.1", new { type = "tag", key = "feature", value = "search" });
        const string Body = """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}],"max_tokens":100}""";

        // One value's own budget takes the place of the one for each.
        var estimate = await EstimateAsync("/v1/chat/completions", Body, new { customer = "acme" });
        estimate.GetProperty("budgets").EnumerateArray().Select(b => b.GetProperty("id").GetString()!).ShouldBe([tenant, acme], ignoreOrder: true);
        estimate.GetProperty("binding_budget").GetString().ShouldBe(acme);
        var other = await EstimateAsync("/v1/chat/completions", Body, new { customer = "globex" });
        other.GetProperty("budgets").EnumerateArray().Select(b => b.GetProperty("id").GetString()!).ShouldBe([tenant, each], ignoreOrder: true);
        other.GetProperty("budgets").EnumerateArray().Single(b => b.GetProperty("id").GetString() == each).GetProperty("scope").GetString().ShouldBe("tag customer=globex");

        // As the gate itself finds them.
        foreach (var (customer, found) in new[] { ("acme", estimate), ("globex", other) })
        {
            using var answer = await _product.PostAsync("/v1/chat/completions", Body, null, ("X-Tokonomics-Tags", $"customer={customer}"));
            Header(answer, "x-tokonomics-held-usd").ShouldBe(Text(found, "held_usd"));
            Header(answer, "x-tokonomics-budget").ShouldBe($"month tag customer={customer}");
        }
    }

    [Fact]
    public async Task A_downgrade_is_foretold()
    {
        await BudgetAsync("0.000001", action: "downgrade", downgradeTo: "sandbox-small");
        var estimate = await EstimateAsync("/v1/chat/completions", """{"model":"sandbox-large","messages":[{"role":"user","content":"Hi"}]}""");
        estimate.GetProperty("downgraded_from").GetString().ShouldBe("sandbox-large");
        estimate.GetProperty("model").GetString().ShouldBe("sandbox-small");
        Text(estimate, "refusal").ShouldBeNull();
    }

    private async Task RouteAsync(string name, string rules)
    {
        var (status, made) = await SendAsync("routes", new { name, rules = JsonDocument.Parse(rules).RootElement });
        status.ShouldBe(201, made.ToString());
    }

    [Theory]
    [InlineData("10", "", "", "2; target=anthropic/sandbox-large", "anthropic-messages")]
    [InlineData("10", "", ",\"stream\":true", "2; target=anthropic/sandbox-large", "anthropic-messages")]
    [InlineData("10", "acme", "", "1; target=groq/sandbox-small", null)] // the cheapest
    [InlineData("10", "", ",\"logprobs\":true", "2; target=openai/sandbox-small", null)] // which Anthropic's dialect can't say
    [InlineData("0.01", "", ",\"max_tokens\":100", "2; target=openai/sandbox-small", null)]
    [InlineData("0.0001", "", ",\"max_tokens\":100", null, null)]
    public async Task By_which_rule_a_route_takes_a_call_and_what_it_holds_where_is_as_the_call_then_does(string limit, string customer, string more, string? goes, string? translated)
    {
        var budget = await BudgetAsync(limit, clamp: false);
        await RouteAsync("smart", """[{"when":{"tags":{"customer":"acme"}},"targets":[{"model":"openai/sandbox-large"},{"model":"groq/sandbox-small"}],"choose":"cheapest"},{"targets":[{"model":"anthropic/sandbox-large"},{"model":"openai/sandbox-small"}]}]""");
        var body = $$"""{"model":"smart","messages":[{"role":"user","content":"Hi"}]{{more}}}""";
        var estimate = await EstimateAsync("/v1/chat/completions", body, customer.Length > 0 ? new { customer } : null);
        using var answer = await _product.PostAsync("/v1/chat/completions", body, null, ("X-Tokonomics-Tags", customer.Length > 0 ? $"customer={customer}" : ""));

        var route = estimate.GetProperty("route");
        Text(estimate, "binding_budget").ShouldBe(budget);
        Text(estimate, "held_usd").ShouldBe(Header(answer, "x-tokonomics-held-usd"));
        var targets = route.GetProperty("targets").EnumerateArray().ToList();
        targets.Count.ShouldBe(2);
        if (goes is null)
        {
            ((int)answer.StatusCode).ShouldBe(429);
            estimate.GetProperty("refusal").GetProperty("code").GetString().ShouldBe(Header(answer, "x-tokonomics-error"));
            return;
        }

        ((int)answer.StatusCode).ShouldBe(200, await answer.Content.ReadAsStringAsync());
        Header(answer, "x-tokonomics-route").ShouldNotBeNull().ShouldContain($"smart; rule={goes};");
        var takes = targets.First(t => t.GetProperty("refusal").ValueKind == JsonValueKind.Null);
        $"{route.GetProperty("rule")}; target={Text(takes, "target")}".ShouldBe(goes);
        Text(takes, "translated_to").ShouldBe(translated);
        (Text(takes, "provider"), Text(takes, "model"), Text(takes, "held_usd"), Text(takes, "likely_usd")).ShouldBe((Text(estimate, "provider"), Text(estimate, "model"), Text(estimate, "held_usd"), Text(estimate, "likely_usd")));
    }

    [Theory]
    [InlineData("/v1/chat/completions", """[{"when":{"tags":{"customer":"acme"}},"targets":[{"model":"sandbox-small"}]}]""", "no_rule_applies")]
    [InlineData("/proxy/cohere/v2/chat", """[{"targets":[{"model":"openai/sandbox-small"}]}]""", "no_target")]
    public async Task Where_a_route_leads_nowhere_it_is_said(string path, string rules, string code)
    {
        await RouteAsync("smart", rules);
        const string Body = """{"model":"smart","messages":[{"role":"user","content":"Hi"}]}""";
        Header(await _product.PostAsync(path, Body), "x-tokonomics-error").ShouldBe(code);
        (await EstimateAsync(path, Body)).GetProperty("refusal").GetProperty("code").GetString().ShouldBe(code);
    }

    [Theory]
    [InlineData("anthropic/sandbox-small", "", "anthropic")]
    [InlineData("cheap", "", "groq")]
    [InlineData("anthropic/sandbox-small", ",\"logprobs\":true", null)]
    public async Task A_downgrade_to_another_provider_or_a_route_is_foretold(string to, string more, string? provider)
    {
        await RouteAsync("cheap", """[{"targets":[{"model":"groq/sandbox-small"}]}]""");
        await BudgetAsync("0.000001", action: "downgrade", downgradeTo: to);
        await BudgetAsync("5", new { type = "tag", key = "customer" });
        var body = $$"""{"model":"openai/sandbox-large","messages":[{"role":"user","content":"Hi"}]{{more}}}""";
        var estimate = await EstimateAsync("/v1/chat/completions", body, new { customer = "acme" });
        using var answer = await _product.PostAsync("/v1/chat/completions", body, null, ("X-Tokonomics-Tags", "customer=acme"));
        Text(estimate, "downgraded_from").ShouldBe(Header(answer, "x-tokonomics-downgraded-from"));
        Text(estimate, "held_usd").ShouldBe(Header(answer, "x-tokonomics-held-usd"));
        if (provider is null)
        {
            var message = estimate.GetProperty("refusal").GetProperty("message").GetString().ShouldNotBeNull();
            message.ShouldContain("can't be made: ");
            (await answer.Content.ReadAsStringAsync()).ShouldContain(message[message.IndexOf("Its downgrade", StringComparison.Ordinal)..message.IndexOf(" can't", StringComparison.Ordinal)]);
            return;
        }

        (Text(estimate, "provider"), Text(estimate, "downgraded_from")).ShouldBe((provider, "sandbox-large"));
        Header(answer, "x-tokonomics-route").ShouldNotBeNull().ShouldContain($"target={provider}/sandbox-small");
        (estimate.GetProperty("route").ValueKind == JsonValueKind.Null).ShouldBe(to != "cheap");
    }

    [Theory]
    [InlineData("/proxy/openai/v1/chat/completions", """{"model":"nobody-knows-this-model","messages":[]}""", "unpriced")]
    [InlineData("/proxy/nobody/v1/chat/completions", """{"model":"sandbox-small","messages":[]}""", "unknown_provider")]
    [InlineData("/v1/nothing", """{"model":"sandbox-small"}""", "unmetered_route")]
    [InlineData("/v1/chat/completions", """{"model":"nobody-knows-this-model","messages":[]}""", "unknown_model")]
    public async Task What_the_proxy_would_refuse_is_said_with_its_code(string path, string body, string code)
    {
        await BudgetAsync("10");
        var estimate = await EstimateAsync(path, body);
        estimate.GetProperty("refusal").GetProperty("code").GetString().ShouldBe(code);
        using var answer = await _product.PostAsync(path, body);
        Header(answer, "x-tokonomics-error").ShouldBe(code);
    }

    [Fact]
    public async Task Without_a_path_it_is_the_providers_first_route()
    {
        foreach (var (provider, operation) in ((string?, string)[])[(null, "sandbox-small"), ("anthropic", "sandbox-small"), ("cohere", "sandbox-small")])
        {
            var (status, answer) = await SendAsync("estimate", new { provider, environment = "test", body = new { model = "sandbox-small", max_tokens = 100, messages = new[] { new { role = "user", content = "Hi" } } } });
            status.ShouldBe(200);
            Text(answer, "refusal").ShouldBeNull();
            answer.GetProperty("model").GetString().ShouldBe(operation);
        }
    }

    [Fact]
    public async Task What_is_no_request_is_said()
    {
        (await SendAsync("estimate", new { body = "text" })).Status.ShouldBe(422);
        (await SendAsync("estimate", new { body = new { }, key_id = "key_nobodys" })).Status.ShouldBe(404);
        (await SendAsync("estimate", new { body = new { }, key_id = _testKeyId, environment = "live" })).Status.ShouldBe(422);
        (await SendAsync("estimate", new { body = new { }, tags = new { customer = "" } })).Status.ShouldBe(422);
    }
}
