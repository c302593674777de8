using System.Net;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Budgets;

/// <summary>Caps on the whole product, against what the sandbox charges.</summary>
public sealed class CapTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync();

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private NanoUsd Bill => new(_product.Sandbox.Bill.TotalNanoUsd);

    [Fact]
    public async Task Parallel_calls_spend_a_cap_to_its_end_and_never_beyond()
    {
        var budget = await _product.BudgetAsync("0.2");
        var (answered, refused) = (0, 0);
        var over = false;
        await Parallel.ForEachAsync(Enumerable.Range(0, 300), new ParallelOptions { MaxDegreeOfParallelism = 48 }, async (i, _) =>
        {
            var status = await BudgetCalls.StatusAsync(_product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small-tokens-500", stream: i % 2 == 0, more: ",\"max_tokens\":500"), null));
            over |= Bill > new NanoUsd(200_000_000);
            status.ShouldBeOneOf(200, 429);
            Interlocked.Increment(ref status == 200 ? ref answered : ref refused);
        });
        // Whoever came while others held was told to come again.
        while (await BudgetCalls.StatusAsync(_product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small-tokens-500", more: ",\"max_tokens\":500"), null)) == 200)
            answered++;
        await _product.DrainAsync();

        over.ShouldBeFalse();
        answered.ShouldBeGreaterThan(190); // 500 tokens at 2 USD a million: 0.001 USD each, and a little for the input
        refused.ShouldBeGreaterThan(0);
        var state = await _product.StateAsync(budget);
        state.Usd("posted_usd").ShouldBe(Bill); // every call was answered whole: ledger and provider agree to the nano-dollar
        state.Usd("leased_usd").ShouldBe(NanoUsd.Zero);
        Bill.Value.ShouldBeInRange(196_000_000, 200_000_000); // 98 % of the cap is usable
    }

    [Fact]
    public async Task A_spent_cap_says_so_and_is_not_to_be_retried()
    {
        await _product.BudgetAsync("0.000001", new { type = "tag", key = "customer", value = "acme" });
        using var answer = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(), null, ("X-Tokonomics-Tags", "customer=acme"));

        ((int)answer.StatusCode).ShouldBe(429);
        answer.Headers.GetValues("x-should-retry").ShouldBe(["false"]);
        answer.Headers.Contains("Retry-After").ShouldBeFalse();
        var error = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("error");
        error.GetProperty("code").GetString().ShouldBe("budget_exhausted");
        error.GetProperty("message").GetString()!.ShouldContain("month budget of tag customer=acme");
        error.GetProperty("message").GetString()!.ShouldContain("limit 0.000001 USD, spent 0 USD, held 0 USD; it resets at ");
        Bill.ShouldBe(NanoUsd.Zero);
        (await _product.EventsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Short_of_room_the_output_limit_is_lowered_to_what_the_rest_pays_for()
    {
        // 2 USD a million out: 0.0004 USD are 200 tokens, less what the input may cost at most.
        var budget = await _product.BudgetAsync("0.004");
        using var answer = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-long"), null);

        var body = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).ShouldBe(200, body);
        var limit = long.Parse(answer.Headers.GetValues("x-tokonomics-clamped-to").Single(), System.Globalization.CultureInfo.InvariantCulture);
        var usage = JsonDocument.Parse(body).RootElement.GetProperty("usage");
        usage.GetProperty("completion_tokens").GetInt64().ShouldBe(limit);
        JsonDocument.Parse(body).RootElement.GetProperty("choices")[0].GetProperty("finish_reason").GetString().ShouldBe("length");
        answer.Headers.GetValues("x-tokonomics-held-usd").Single().ShouldNotBe("0");
        await _product.DrainAsync();
        (await _product.StateAsync(budget)).Usd("posted_usd").ShouldBe(Bill);
        Bill.Value.ShouldBeLessThanOrEqualTo(4_000_000);
    }

    [Fact]
    public async Task Without_clamp_a_call_that_does_not_fit_is_refused()
    {
        await _product.BudgetAsync("0.004", clamp: false);
        using var answer = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-long"), null);
        ((int)answer.StatusCode).ShouldBe(429);
        Bill.ShouldBe(NanoUsd.Zero);
    }

    [Fact]
    public async Task A_stream_without_a_limit_holds_slices_and_ends_in_order_where_the_budget_does()
    {
        // 2,000 tokens at 2 USD a million are 0.004 USD: about half of them fit.
        var budget = await _product.BudgetAsync("0.004");
        using var answer = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-long-slow", stream: true), null);
        var text = await answer.Content.ReadAsStringAsync();

        text.ShouldEndWith("data: [DONE]\n\n");
        text.ShouldContain("\"finish_reason\":\"length\"");
        await _product.DrainAsync();
        Bill.Value.ShouldBeInRange(400_000, 4_000_000);
        var state = await _product.StateAsync(budget);
        state.Usd("posted_usd").Value.ShouldBeInRange(Bill.Value, 4_000_000);
        var row = (await _product.EventsAsync()).ShouldHaveSingleItem();
        row.GetProperty("outcome").GetString().ShouldBe("cut_by_proxy");
        row.GetProperty("finish_reason").GetString().ShouldBe("length");
    }

    [Fact]
    public async Task A_stream_without_a_limit_runs_to_its_end_while_there_is_room()
    {
        var budget = await _product.BudgetAsync("10");
        using var answer = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-long", stream: true), null);
        var text = await answer.Content.ReadAsStringAsync();

        text.ShouldContain("\"finish_reason\":\"stop\"");
        answer.Headers.GetValues("x-tokonomics-held-usd").Single().ShouldNotBe("0");
        await _product.DrainAsync();
        (await _product.StateAsync(budget)).Usd("posted_usd").ShouldBe(Bill);
        var row = (await _product.EventsAsync()).ShouldHaveSingleItem();
        row.GetProperty("outcome").GetString().ShouldBe("completed");
    }

    [Fact]
    public async Task Calls_without_a_limit_are_all_admitted_while_the_budget_is_far_from_spent()
    {
        await _product.BudgetAsync("10");
        var statuses = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => BudgetCalls.StatusAsync(_product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small-slow", stream: i % 2 == 0), null))));
        statuses.ShouldAllBe(s => s == 200);
    }

    [Fact]
    public async Task A_downgrade_sends_the_call_to_the_cheaper_model_and_says_so()
    {
        await _product.BudgetAsync(new { scope = new { type = "tenant" }, period = "day", limit_usd = "0.000001", action = "downgrade", downgrade_to = "sandbox-small", environment = "test" });
        using var answer = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-large"), null);
        var body = await answer.Content.ReadAsStringAsync();

        ((int)answer.StatusCode).ShouldBe(200, body);
        answer.Headers.GetValues("x-tokonomics-downgraded-from").ShouldBe(["sandbox-large"]);
        JsonDocument.Parse(body).RootElement.GetProperty("model").GetString().ShouldBe("sandbox-small");
        (await _product.EventAsync(answer.RequestId())).GetProperty("request_model").GetString().ShouldBe("sandbox-small");
    }

    [Fact]
    public async Task A_downgrade_changes_the_model_in_a_path_as_well()
    {
        await _product.BudgetAsync(new { scope = new { type = "tenant" }, period = "day", limit_usd = "0.000001", action = "downgrade", downgrade_to = "sandbox-small", environment = "test" });
        using var answer = await _product.PostAsync("/proxy/gemini/v1beta/models/sandbox-large:generateContent", """{"contents":[{"parts":[{"text":"Hi"}]}]}""", null);

        ((int)answer.StatusCode).ShouldBe(200, await answer.Content.ReadAsStringAsync());
        (await _product.EventAsync(answer.RequestId())).GetProperty("response_model").GetString().ShouldBe("sandbox-small");
    }

    [Fact]
    public async Task What_has_no_price_is_refused_under_a_strict_budget_and_passes_an_expected_one()
    {
        var budget = await _product.BudgetAsync("10");
        var body = ProxyCalls.Chat("nobody-knows-this-model");
        using (var refused = await _product.PostAsync("/proxy/openai/v1/chat/completions", body, null))
        {
            ((int)refused.StatusCode).ShouldBe(400);
            (await refused.Content.ReadAsStringAsync()).ShouldContain("\"code\":\"unpriced\"");
        }

        (await _product.ApiAsync(HttpMethod.Delete, $"budgets/{budget}")).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        await _product.BudgetAsync("10", mode: "expected");
        using var passed = await _product.PostAsync("/proxy/openai/v1/chat/completions", body, null);
        ((int)passed.StatusCode).ShouldBe(200);
    }

    [Theory]
    [InlineData("/v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("/v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}],"stream":true}""")]
    [InlineData("/v1/responses", """{"model":"sandbox-small","input":"Hi"}""")]
    [InlineData("/v1/responses", """{"model":"sandbox-small","input":"Hi","stream":true}""")]
    [InlineData("/v1/completions", """{"model":"sandbox-small","prompt":"Hi","max_tokens":20}""")]
    [InlineData("/v1/messages", """{"model":"sandbox-small","max_tokens":50,"messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("/v1/messages", """{"model":"sandbox-small","max_tokens":50,"messages":[{"role":"user","content":"Hi"}],"stream":true}""")]
    [InlineData("/proxy/gemini/v1beta/models/sandbox-small:generateContent", """{"contents":[{"parts":[{"text":"Hi"}]}]}""")]
    [InlineData("/proxy/gemini/v1beta/models/sandbox-small:streamGenerateContent?alt=sse", """{"contents":[{"parts":[{"text":"Hi"}]}]}""")]
    [InlineData("/proxy/cohere/v2/chat", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("/proxy/ollama/api/chat", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("/v1/embeddings", """{"model":"sandbox-embed","input":"Hi"}""")]
    [InlineData("/v1/images/generations", """{"model":"sandbox-image","prompt":"A cat","n":1}""")]
    public async Task Every_route_counts_on_the_same_budget_and_is_stopped_by_it(string path, string body)
    {
        var budget = await _product.BudgetAsync("10");
        using (var answer = await _product.PostAsync(path, body, null))
            ((int)answer.StatusCode).ShouldBe(200, await answer.Content.ReadAsStringAsync());
        await _product.DrainAsync();
        var state = await _product.StateAsync(budget);
        state.Usd("posted_usd").ShouldBe(Bill);
        Bill.ShouldBeGreaterThan(NanoUsd.Zero);

        (await _product.ApiAsync(HttpMethod.Put, $"budgets/{budget}", System.Net.Http.Json.JsonContent.Create(new { limit_usd = Bill.ToString() }))).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        var spent = Bill;
        using var refused = await _product.PostAsync(path, body, null);
        ((int)refused.StatusCode).ShouldBe(429, await refused.Content.ReadAsStringAsync());
        Bill.ShouldBe(spent);
    }

    [Theory]
    [InlineData("sandbox-small-cut")]
    [InlineData("sandbox-small-reset")]
    [InlineData("sandbox-small-no-usage")]
    [InlineData("sandbox-small-bad-json")]
    [InlineData("sandbox-long-cut")]
    public async Task What_a_broken_answer_cost_counts_with_the_most_it_can_be(string model)
    {
        var budget = await _product.BudgetAsync("10");
        foreach (var stream in (bool[])[false, true])
        {
            using var answer = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(model, stream, more: ",\"max_tokens\":300"), null);
            try
            {
                await answer.Content.ReadAsByteArrayAsync();
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                // That is what was asked for.
            }
        }

        await _product.DrainAsync();
        var state = await _product.StateAsync(budget);
        state.Usd("posted_usd").ShouldBeGreaterThanOrEqualTo(Bill);
        state.Usd("leased_usd").ShouldBe(NanoUsd.Zero);
    }

    [Fact]
    public async Task Clients_that_leave_never_make_the_bill_larger_than_what_the_cap_counts()
    {
        var budget = await _product.BudgetAsync("0.05");
        var random = new Random(7);
        var cuts = Enumerable.Range(0, 200).Select(_ => random.Next(0, 6000)).ToArray();
        await Parallel.ForEachAsync(cuts, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (bytes, _) =>
        {
            using var answer = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(bytes % 3 == 0 ? "sandbox-small-bills-on" : "sandbox-small", stream: true, more: ",\"max_tokens\":200"), null);
            if (!answer.IsSuccessStatusCode)
                return;
            await using var body = await answer.Content.ReadAsStreamAsync(CancellationToken.None);
            var buffer = new byte[256];
            for (var read = 1; bytes > 0 && read > 0; bytes -= read)
                read = await body.ReadAsync(buffer, CancellationToken.None);
        });
        await _product.DrainAsync();
        var state = await _product.StateAsync(budget);
        state.Usd("posted_usd").ShouldBeGreaterThanOrEqualTo(Bill);
        Bill.ShouldBeLessThanOrEqualTo(new NanoUsd(50_000_000));
        state.Usd("leased_usd").ShouldBe(NanoUsd.Zero);
        var found = await _product.Services.GetRequiredService<ILedgerVerification>().RunAsync(null, CancellationToken.None);
        found.Findings.ShouldBeEmpty();
    }
}
