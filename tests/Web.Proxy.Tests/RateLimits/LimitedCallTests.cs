using System.Net.Http.Json;
using System.Text.Json;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Budgets;

namespace Tokonomics.Web.Proxy.Tests.RateLimits;

/// <summary>Rate limits on the whole product: what is let through, what callers are told, and that nothing is taken for what was not sent.</summary>
public sealed class LimitedCallTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync();

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private async Task LimitAsync(object limits)
    {
        using var answer = await _product.ApiAsync(HttpMethod.Put, "limits", JsonContent.Create(limits));
        answer.IsSuccessStatusCode.ShouldBeTrue(await answer.Content.ReadAsStringAsync());
    }

    private static string Header(HttpResponseMessage answer, string name) => answer.Headers.GetValues(name).Single();

    [Fact]
    public async Task So_many_requests_a_minute_pass_and_the_next_is_told_when_to_come_back()
    {
        await LimitAsync(new { requests_per_minute = 5 });
        for (var i = 0; i < 5; i++)
        {
            using var passed = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat());
            ((int)passed.StatusCode).ShouldBe(200);
            Header(passed, "x-ratelimit-limit-requests").ShouldBe("5");
            Header(passed, "x-ratelimit-remaining-requests").ShouldBe($"{4 - i}");
        }

        using var refused = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat());
        ((int)refused.StatusCode).ShouldBe(429);
        Header(refused, "x-tokonomics-error").ShouldBe("rate_limited");
        Header(refused, "x-should-retry").ShouldBe("true");
        int.Parse(Header(refused, "Retry-After"), System.Globalization.CultureInfo.InvariantCulture).ShouldBeInRange(1, 61);
        JsonDocument.Parse(await refused.Content.ReadAsStringAsync()).RootElement.GetProperty("error").GetProperty("code").GetString().ShouldBe("rate_limited");
        (await _product.EventsAsync()).Count.ShouldBe(5);
    }

    [Fact]
    public async Task Parallel_calls_never_run_in_greater_number_than_allowed_and_places_come_back()
    {
        await LimitAsync(new { concurrent_requests = 3 });
        var statuses = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => BudgetCalls.StatusAsync(_product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small-slow", stream: true)))));
        statuses.Count(s => s == 200).ShouldBe(3);
        statuses.Count(s => s == 429).ShouldBe(17);

        for (var tries = 0; await BudgetCalls.StatusAsync(_product.PostAsync("/v1/chat/completions", ProxyCalls.Chat())) != 200; tries++)
            tries.ShouldBeLessThan(100);
    }

    [Fact]
    public async Task What_a_budget_refuses_takes_nothing_from_the_limits()
    {
        await LimitAsync(new { requests_per_minute = 2, tokens_per_minute = 100_000 });
        var budget = await _product.BudgetAsync("0");
        for (var i = 0; i < 5; i++)
            (await BudgetCalls.StatusAsync(_product.PostAsync("/v1/chat/completions", ProxyCalls.Chat()))).ShouldBe(429);
        (await _product.ApiAsync(HttpMethod.Delete, $"budgets/{budget}")).IsSuccessStatusCode.ShouldBeTrue();
        using var passed = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat());
        ((int)passed.StatusCode).ShouldBe(200);
        Header(passed, "x-ratelimit-remaining-requests").ShouldBe("1");
    }

    [Fact]
    public async Task Tokens_are_taken_by_an_estimate_and_given_back_by_what_was_used()
    {
        await LimitAsync(new { tokens_per_minute = 5000 });
        using (var first = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(more: ",\"max_tokens\":1000")))
            long.Parse(Header(first, "x-ratelimit-remaining-tokens"), System.Globalization.CultureInfo.InvariantCulture).ShouldBeInRange(3900, 4000);
        await _product.FlushAsync();
        using var second = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(more: ",\"max_tokens\":10"));
        long.Parse(Header(second, "x-ratelimit-remaining-tokens"), System.Globalization.CultureInfo.InvariantCulture).ShouldBeGreaterThan(4900); // 5 in and 33 out, and 12 for this one
        using var large = await _product.PostAsync("/v1/responses", """{"model":"sandbox-small","input":"Hi","max_output_tokens":900,"n":1}""");
        ((int)large.StatusCode).ShouldBe(200);
    }

    [Fact]
    public async Task The_tighter_of_two_limits_keeps_the_name_and_the_providers_is_not_lost()
    {
        await LimitAsync(new { requests_per_minute = 10 });
        using var answer = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-429"));
        ((int)answer.StatusCode).ShouldBe(429);
        var names = answer.Headers.Select(h => h.Key.ToLowerInvariant()).Where(n => n.Contains("ratelimit", StringComparison.Ordinal)).ToList();
        names.ShouldContain("x-ratelimit-remaining-requests");
        answer.Headers.Contains("x-tokonomics-error").ShouldBeFalse(); // the provider's own refusal
    }
}
