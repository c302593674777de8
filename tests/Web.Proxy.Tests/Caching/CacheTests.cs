using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Budgets;

namespace Tokonomics.Web.Proxy.Tests.Caching;

/// <summary>Exact repeats, with the sandbox as the provider: what it billed says which calls reached it.</summary>
public sealed class CacheTests(CacheProduct cache) : IClassFixture<CacheProduct>
{
    private static int _routes;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static readonly (string Path, string Body, (string, string)[] Headers)[] Dialects =
    [
        ("/v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"PROMPT"}]}""", []),
        ("/v1/chat/completions", """{"model":"sandbox-small","stream":true,"messages":[{"role":"user","content":"PROMPT"}]}""", []),
        ("/v1/responses", """{"model":"sandbox-small","store":false,"input":"PROMPT"}""", []),
        ("/v1/responses", """{"model":"sandbox-small","store":false,"stream":true,"input":"PROMPT"}""", []),
        ("/v1/embeddings", """{"model":"sandbox-embed","input":"PROMPT"}""", []),
        ("/proxy/anthropic/v1/messages", """{"model":"sandbox-small","max_tokens":100,"messages":[{"role":"user","content":"PROMPT"}]}""", [("anthropic-version", "2023-06-01")]),
        ("/proxy/anthropic/v1/messages", """{"model":"sandbox-small","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"PROMPT"}]}""", [("anthropic-version", "2023-06-01")]),
        ("/proxy/gemini/v1beta/models/sandbox-small:streamGenerateContent?alt=sse", """{"contents":[{"role":"user","parts":[{"text":"PROMPT"}]}]}""", []),
        ("/proxy/gemini/v1beta/models/sandbox-small:streamGenerateContent", """{"contents":[{"role":"user","parts":[{"text":"PROMPT"}]}]}""", []),
        ("/proxy/ollama/api/chat", """{"model":"sandbox-small","messages":[{"role":"user","content":"PROMPT"}]}""", []),
    ];

    [Fact]
    public async Task A_repeat_gets_the_first_answer_byte_for_byte_for_nothing_in_every_dialect()
    {
        var key = await cache.KeyAsync();
        foreach (var (path, body, headers) in Dialects)
        {
            var asked = body.Replace("PROMPT", cache.NewPrompt(), StringComparison.Ordinal);
            var first = await cache.SendAsync(path, asked, key, headers);
            (first.Status, first.Cache).ShouldBe((200, "miss"), $"{path} {first.Text}");
            var cost = CacheProduct.Usd(await cache.RowAsync(first), "cost_usd");
            cost.ShouldBeGreaterThan(NanoUsd.Zero, path);
            var bill = cache.Bill;

            var again = await cache.SendAsync(path, asked, key, headers);
            (again.Status, again.IsHit, again.Header("x-tokonomics-original-request-id")).ShouldBe((200, true, first.Id), path);
            again.Body.ShouldBe(first.Body, path);
            again.Answer.Content.Headers.ContentType.ShouldBe(first.Answer.Content.Headers.ContentType);
            again.Answer.Content.Headers.ContentEncoding.ShouldBeEmpty();
            cache.Bill.ShouldBe(bill, path);

            var (of, row) = (await cache.RowAsync(first), await cache.RowAsync(again));
            (row.GetProperty("from_cache").GetBoolean(), row.GetProperty("price_status").GetString(), row.GetProperty("status").GetInt32(), row.GetProperty("outcome").GetString()).ShouldBe((true, "free", 200, "completed"));
            (CacheProduct.Usd(row, "cost_usd"), CacheProduct.Usd(row, "saved_usd")).ShouldBe((NanoUsd.Zero, cost));
            row.GetProperty("usage").GetProperty("units").EnumerateObject().ShouldBeEmpty();
            foreach (var same in (string[])["provider", "dialect", "operation", "request_model", "response_model", "streamed"])
                row.GetProperty(same).ToString().ShouldBe(of.GetProperty(same).ToString(), same);
            (await cache.Product.EventAsync(again.Id)).GetProperty("attempts").GetArrayLength().ShouldBe(1);
        }

        await cache.SettledAsync();
    }

    [Fact]
    public async Task A_repeat_takes_nothing_of_a_budget_and_goes_where_nothing_is_left()
    {
        var (key, customer, prompt) = (await cache.KeyAsync(), cache.NewCustomer(), cache.NewPrompt());
        var tag = ("X-Tokonomics-Tags", $"customer={customer}");
        var budget = await cache.BudgetAsync(customer, NanoUsd.Parse("1")!.Value);
        var cost = CacheProduct.Usd(await cache.RowAsync(await cache.ChatAsync(key, prompt, headers: tag)), "cost_usd");
        await cache.Product.DrainAsync();
        await cache.ChangeAsync(budget, cost);
        for (var i = 0; i < 3; i++)
        {
            var hit = await cache.ChatAsync(key, prompt, headers: tag);
            (hit.Status, hit.IsHit, hit.Header("x-tokonomics-held-usd")).ShouldBe((200, true, null));
        }

        (await cache.ChatAsync(key, cache.NewPrompt(), headers: tag)).Error.ShouldStartWith("budget_");
        await cache.SettledAsync();
    }

    [Fact]
    public async Task A_key_without_the_cache_and_another_tenants_key_get_nothing_of_it()
    {
        var (key, prompt) = (await cache.KeyAsync(), cache.NewPrompt());
        await cache.ChatAsync(key, prompt);
        var other = await cache.Product.ProvisionAsync("other", new Dictionary<string, string>());
        foreach (var (stranger, cacheHeader) in new[] { (await cache.KeyAsync(null), ""), (other.TestKey.Secret, ""), (await cache.KeyAsync(600, other.ApiToken.Secret), "miss") })
        {
            var bill = cache.Bill;
            var seen = await cache.ChatAsync(stranger, prompt);
            (seen.Status, seen.Cache).ShouldBe((200, cacheHeader));
            cache.Bill.ShouldBeGreaterThan(bill);
        }

        // Another key of the tenant that uses it does.
        (await cache.ChatAsync(await cache.KeyAsync(60), prompt)).IsHit.ShouldBeTrue();
        // Unless it may not use the model.
        (await cache.ChatAsync(await cache.KeyAsync(60, models: ["sandbox-large"]), prompt)).Error.ShouldBe("model_not_allowed");
    }

    [Fact]
    public async Task An_answer_is_given_for_as_long_as_the_key_says_and_no_longer()
    {
        var (key, shorter, prompt) = (await cache.KeyAsync(600), await cache.KeyAsync(60), cache.NewPrompt());
        await cache.ChatAsync(key, prompt);
        cache.Clock.Ahead += TimeSpan.FromSeconds(90);
        var hit = await cache.ChatAsync(key, prompt);
        hit.IsHit.ShouldBeTrue();
        int.Parse(hit.Cache["hit; age=".Length..], null).ShouldBeInRange(90, 300);
        // Of a key that takes younger ones, the answer is asked for anew, and is then the one that is kept.
        (await cache.ChatAsync(shorter, prompt)).Cache.ShouldBe("miss");
        (await cache.ChatAsync(key, prompt)).Cache.ShouldStartWith("hit; age=");
        cache.Clock.Ahead += TimeSpan.FromSeconds(61);
        (await cache.ChatAsync(key, prompt)).Cache.ShouldBe("miss");
    }

    [Theory]
    [InlineData("429")]
    [InlineData("500")]
    [InlineData("400")]
    [InlineData("cut")]
    [InlineData("reset")]
    [InlineData("no-usage")]
    [InlineData("bad-json")]
    [InlineData("empty")]
    [InlineData("gzip")]
    [InlineData("huge")]
    [InlineData("redirect")]
    public async Task What_failed_or_isnt_whole_or_too_large_is_never_kept(string behaviour)
    {
        var key = await cache.KeyAsync();
        foreach (var stream in (bool[])[false, true])
        {
            // A stream that the sandbox breaks may be told of whole in the other form: only what is not kept is looked at.
            var prompt = cache.NewPrompt();
            for (var i = 0; i < 2; i++)
                (await cache.ChatAsync(key, prompt, stream, $"sandbox-small-{behaviour}")).Cache.ShouldBe("miss", $"stream: {stream}, call {i}");
        }
    }

    [Fact]
    public async Task A_request_may_go_past_it()
    {
        var (key, prompt) = (await cache.KeyAsync(), cache.NewPrompt());
        (await cache.ChatAsync(key, prompt, headers: ("Cache-Control", "no-store"))).Cache.ShouldBe("bypass");
        (await cache.ChatAsync(key, prompt)).Cache.ShouldBe("miss");
        var renewed = await cache.ChatAsync(key, prompt, headers: ("Cache-Control", "no-cache"));
        renewed.Cache.ShouldBe("miss");
        (await cache.ChatAsync(key, prompt)).Header("x-tokonomics-original-request-id").ShouldBe(renewed.Id);
        (await cache.ChatAsync(key, prompt, headers: ("Cache-Control", "max-age=300"))).IsHit.ShouldBeTrue();
        (await cache.ChatAsync(key, prompt, headers: ("Cache-Control", "max-age=0"))).Cache.ShouldBe("miss");
    }

    [Fact]
    public async Task What_asks_for_a_call_of_its_own_or_leaves_something_behind_is_not_looked_for()
    {
        var key = await cache.KeyAsync();
        foreach (var (path, body, headers) in new (string, string, (string, string)[])[]
        {
            ("/v1/chat/completions", ProxyCalls.Chat(prompt: cache.NewPrompt()), [("Idempotency-Key", "one")]),
            ("/v1/chat/completions", ProxyCalls.Chat(prompt: cache.NewPrompt(), more: ",\"store\":true"), []),
            ("/v1/responses", """{"model":"sandbox-small","input":"stored by default"}""", []),
            ("/v1/responses", """{"model":"sandbox-small","store":false,"previous_response_id":"resp_1","input":"x"}""", []),
            ("/v1/responses", """{"model":"sandbox-small","store":false,"tools":[{"type":"web_search"}],"input":"x"}""", []),
            ("/v1/images/generations", """{"model":"sandbox-image","prompt":"x"}""", []),
        })
        {
            var seen = await cache.SendAsync(path, body, key, headers);
            (seen.Status, seen.Cache).ShouldBe((200, ""), body);
        }

        // What a client's own provider key pays for, either.
        var own = await cache.Product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat(prompt: cache.NewPrompt()), "sk-of-the-client-0123456789", ("X-Tokonomics-Key", key));
        ((int)own.StatusCode, own.Headers.Contains("x-tokonomics-cache")).ShouldBe((200, false));
    }

    [Fact]
    public async Task Another_byte_header_query_or_path_is_another_request()
    {
        var (key, prompt) = (await cache.KeyAsync(), cache.NewPrompt());
        var body = $$"""{"model":"sandbox-small","max_tokens":100,"messages":[{"role":"user","content":"{{prompt}}"}]}""";
        Task<CacheProduct.Seen> Ask(string path = "/proxy/anthropic/v1/messages", string? other = null, params (string, string)[] more) => cache.SendAsync(path, other ?? body, key, [("anthropic-version", "2023-06-01"), .. more]);
        await Ask();
        (await Ask(more: ("User-Agent", "other/2"))).IsHit.ShouldBeTrue();
        (await Ask(more: ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))).IsHit.ShouldBeTrue();
        (await Ask(more: ("X-Tokonomics-Tags", "feature=search"))).IsHit.ShouldBeTrue();
        (await Ask(more: ("Accept-Encoding", "gzip, br"))).IsHit.ShouldBeTrue();
        (await Ask(more: ("anthropic-beta", "context-1m-2025-08-07"))).Cache.ShouldBe("miss");
        (await Ask(more: ("X-Unknown", "1"))).Cache.ShouldBe("miss");
        (await Ask("/proxy/anthropic/v1/messages?beta=true")).Cache.ShouldBe("miss");
        (await Ask("/proxy/anthropic/messages")).Cache.ShouldBe("miss");
        (await Ask(other: body + " ")).Cache.ShouldBe("miss");
    }

    [Fact]
    public async Task Emptied_it_gives_nothing_that_was_kept_before()
    {
        var (key, prompt) = (await cache.KeyAsync(), cache.NewPrompt());
        await cache.ChatAsync(key, prompt);
        (await cache.ChatAsync(key, prompt)).IsHit.ShouldBeTrue();
        using (var emptied = await cache.Product.ApiAsync(HttpMethod.Delete, "cache"))
            ((int)emptied.StatusCode).ShouldBe(204);
        (await cache.ChatAsync(key, prompt)).Cache.ShouldBe("miss");
        (await cache.ChatAsync(key, prompt)).IsHit.ShouldBeTrue();
    }

    [Fact]
    public async Task A_receipt_of_a_repeat_says_nothing_was_paid_and_what_was_saved_and_is_no_part_of_what_is_kept()
    {
        var (key, prompt, wanted) = (await cache.KeyAsync(), cache.NewPrompt(), ("X-Tokonomics-Receipt", "1"));
        var first = await cache.ChatAsync(key, prompt, headers: wanted);
        var again = await cache.ChatAsync(key, prompt, headers: wanted);
        (again.IsHit, again.Header("x-tokonomics-receipt"), again.Header("x-tokonomics-cost-usd"), again.Header("x-tokonomics-input-tokens")).ShouldBe((true, "headers", "0", "0"));
        again.Header("x-tokonomics-saved-usd").ShouldBe(first.Header("x-tokonomics-cost-usd"));
        again.Body.ShouldBe(first.Body);

        var streamed = await cache.ChatAsync(key, prompt, stream: true, headers: wanted);
        var (events, comment) = (streamed.Text[..streamed.Text.IndexOf(": tokonomics", StringComparison.Ordinal)], streamed.Text[streamed.Text.IndexOf(": tokonomics", StringComparison.Ordinal)..]);
        (await cache.ChatAsync(key, prompt, stream: true)).Text.ShouldBe(events);
        var repeat = await cache.ChatAsync(key, prompt, stream: true, headers: wanted);
        repeat.Text.ShouldStartWith(events + ": tokonomics ");
        var cost = JsonDocument.Parse(comment[": tokonomics ".Length..]).RootElement.GetProperty("cost_usd").GetString();
        var told = JsonDocument.Parse(repeat.Text[(events.Length + ": tokonomics ".Length)..]).RootElement;
        (told.GetProperty("request_id").GetString(), told.GetProperty("cost_usd").GetString(), told.GetProperty("saved_usd").GetString()).ShouldBe((repeat.Id, "0", cost));
    }

    [Fact]
    public async Task A_repeat_counts_in_the_rate_limit_of_requests_and_not_in_that_of_tokens()
    {
        var (key, prompt) = (await cache.KeyAsync(limits: new { requests_per_minute = 3, tokens_per_minute = 20_000 }), cache.NewPrompt());
        var first = await cache.ChatAsync(key, prompt);
        var left = first.Header("x-ratelimit-remaining-tokens");
        (await cache.ChatAsync(key, prompt)).IsHit.ShouldBeTrue();
        (await cache.ChatAsync(key, prompt)).IsHit.ShouldBeTrue();
        (await cache.ChatAsync(key, prompt)).Error.ShouldBe("rate_limited");
        left.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_rule_says_it_for_every_key_and_before_the_key()
    {
        var (off, on) = (await cache.KeyAsync(null), await cache.KeyAsync(600));
        var keeps = await RouteAsync($$"""{"targets":[{"model":"openai/sandbox-small"}],"cache_seconds":60}""");
        var never = await RouteAsync($$"""{"targets":[{"model":"openai/sandbox-small"}],"cache_seconds":0}""");
        var prompt = cache.NewPrompt();
        (await cache.ChatAsync(off, prompt, model: keeps)).Cache.ShouldBe("miss");
        var hit = await cache.ChatAsync(on, prompt, model: keeps);
        (hit.IsHit, hit.Header("x-tokonomics-route")).ShouldBe((true, $"{keeps}; rule=1; target=openai/sandbox-small; attempt=1; why=cache"));
        (await cache.RowAsync(hit)).GetProperty("tags").GetProperty("route").GetString().ShouldBe(keeps);
        (await cache.ChatAsync(on, prompt, model: never)).Cache.ShouldBe("");

        // With other targets it is another answer that is asked for.
        await ChangeRouteAsync(keeps, $$"""{"targets":[{"model":"openai/sandbox-large"}],"cache_seconds":60}""");
        (await cache.ChatAsync(off, prompt, model: keeps)).Cache.ShouldBe("miss");
        await cache.SettledAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_translated_answer_is_kept_as_its_client_saw_it(bool stream)
    {
        var key = await cache.KeyAsync();
        var route = await RouteAsync($$"""{"targets":[{"model":"openai/sandbox-small-500-words-{{Interlocked.Increment(ref _routes) + 500}}"},{"model":"anthropic/sandbox-small"}],"retries":0}""");
        var prompt = cache.NewPrompt();
        var first = await cache.ChatAsync(key, prompt, stream, route);
        (first.Status, first.Cache).ShouldBe((200, "miss"), first.Text);
        var bill = cache.Bill;
        var again = await cache.ChatAsync(key, prompt, stream, route);
        (again.IsHit, again.Answer.Content.Headers.ContentType!.MediaType).ShouldBe((true, stream ? "text/event-stream" : "application/json"));
        again.Body.ShouldBe(first.Body);
        cache.Bill.ShouldBe(bill);
        (await cache.RowAsync(again)).GetProperty("provider").GetString().ShouldBe("anthropic");
    }

    [Fact]
    public async Task What_a_fallback_stores_at_its_provider_is_not_kept_although_the_first_target_would_not_have_stored_it()
    {
        var key = await cache.KeyAsync();
        var route = await RouteAsync($$"""{"targets":[{"model":"anthropic/sandbox-small-500-words-{{Interlocked.Increment(ref _routes) + 700}}"},{"model":"openai/sandbox-small"}],"retries":0}""");
        foreach (var (more, kept) in new[] { ("", false), (",\"store\":false", true) })
        {
            var body = $$"""{"model":"{{route}}","input":"{{cache.NewPrompt()}}"{{more}}}""";
            (await cache.SendAsync("/v1/responses", body, key)).Cache.ShouldBe("miss");
            var again = await cache.SendAsync("/v1/responses", body, key);
            (again.Status, again.IsHit).ShouldBe((200, kept), again.Text);
        }
    }

    [Fact]
    public async Task A_route_that_is_made_again_under_its_name_begins_with_an_empty_cache()
    {
        var (key, prompt) = (await cache.KeyAsync(), cache.NewPrompt());
        const string Rule = """{"targets":[{"model":"openai/sandbox-small"}]}""";
        var route = await RouteAsync(Rule);
        (await cache.ChatAsync(key, prompt, model: route)).Cache.ShouldBe("miss");
        (await cache.ChatAsync(key, prompt, model: route)).IsHit.ShouldBeTrue();
        using (var deleted = await cache.Product.ApiAsync(HttpMethod.Delete, $"routes/{_ids[route]}"))
            deleted.IsSuccessStatusCode.ShouldBeTrue();
        using (var made = await cache.Product.ApiAsync(HttpMethod.Post, "routes", Json(route, Rule)))
            ((int)made.StatusCode).ShouldBe(201);
        (await cache.ChatAsync(key, prompt, model: route)).Cache.ShouldBe("miss");
        (await cache.ChatAsync(key, prompt, model: route)).IsHit.ShouldBeTrue();
    }

    [Fact]
    public async Task Rows_of_calls_and_repeats_together_are_the_providers_bill_and_the_saving_is_told()
    {
        var (key, prompt) = (await cache.KeyAsync(), cache.NewPrompt());
        await cache.Product.FlushAsync();
        async Task<(NanoUsd Cost, long Repeats, NanoUsd Saved)> SumsAsync()
        {
            await cache.Product.DrainAsync();
            using var answer = await cache.Product.ApiAsync(HttpMethod.Get, "usage/savings?environment=test&from=2020-01-01T00:00:00Z");
            var told = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel)).RootElement;
            var rows = await cache.Product.EventsAsync("&environment=test");
            return (new NanoUsd(rows.Sum(r => NanoUsd.Parse(r.GetProperty("cost_usd").GetString())!.Value.Value)), told.GetProperty("repeats").GetInt64(), NanoUsd.Parse(told.GetProperty("repeats_saved_usd").GetString())!.Value);
        }

        var (before, bill) = (await SumsAsync(), cache.Bill);
        var first = await cache.ChatAsync(key, prompt);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ => (await cache.ChatAsync(key, prompt)).IsHit.ShouldBeTrue()));
        var after = await SumsAsync();
        var cost = CacheProduct.Usd(await cache.RowAsync(first), "cost_usd");
        (after.Cost - before.Cost).ShouldBe(cache.Bill - bill);
        (after.Cost - before.Cost).ShouldBe(cost);
        (after.Repeats - before.Repeats, after.Saved - before.Saved).ShouldBe((20, new NanoUsd(20 * cost.Value)));
        (await cache.Product.Services.GetRequiredService<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    private readonly Dictionary<string, string> _ids = [];

    private async Task<string> RouteAsync(string rule)
    {
        var name = $"kept-{Interlocked.Increment(ref _routes)}";
        using var answer = await cache.Product.ApiAsync(HttpMethod.Post, "routes", Json(name, rule));
        var text = await answer.Content.ReadAsStringAsync(Cancel);
        ((int)answer.StatusCode).ShouldBe(201, text);
        _ids[name] = JsonDocument.Parse(text).RootElement.GetProperty("id").GetString()!;
        return name;
    }

    private async Task ChangeRouteAsync(string name, string rule)
    {
        using var answer = await cache.Product.ApiAsync(HttpMethod.Put, $"routes/{_ids[name]}", Json(name, rule));
        answer.IsSuccessStatusCode.ShouldBeTrue(await answer.Content.ReadAsStringAsync(Cancel));
    }

    private static StringContent Json(string name, string rule) => new($$"""{"name":"{{name}}","rules":[{{rule}}]}""", System.Text.Encoding.UTF8, "application/json");
}
