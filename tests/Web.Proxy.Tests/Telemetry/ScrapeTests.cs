using System.Net;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Faults;

namespace Tokonomics.Web.Proxy.Tests.Telemetry;

/// <summary>What Prometheus gets from a product that serves. Alone: an exporter listens to all products of its process.</summary>
[Collection(nameof(Alone))]
public sealed class ScrapeTests
{
    private static readonly KeyValuePair<string, string?>[] On = [new("Telemetry:Prometheus", "true"), new("Telemetry:PrometheusToken", Exposition.Token)];

    [Fact]
    public async Task What_is_scraped_is_what_was_called()
    {
        await using var product = await TestProduct.StartAsync(On);
        var (input, output, nano) = (0L, 0L, 0L);
        for (var i = 0; i < 7; i++)
        {
            using var answer = await product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat(stream: i % 2 == 1));
            ((int)answer.StatusCode).ShouldBe(200);
            await answer.Content.ReadAsStringAsync();
            var row = await product.EventAsync(answer.RequestId());
            (input, output) = (input + row.GetProperty("usage").GetProperty("input_tokens").GetInt64(), output + row.GetProperty("usage").GetProperty("output_tokens").GetInt64());
            nano += (long)(decimal.Parse(row.GetProperty("cost_usd").GetString()!, System.Globalization.CultureInfo.InvariantCulture) * 1_000_000_000m);
        }

        foreach (var (path, key) in new[] { ("/v1/nothing/here", product.TestKey), ("/v1/nothing/here", product.TestKey), ("/v1/chat/completions", "mk_live_wrong") })
            (await product.PostAsync(path, ProxyCalls.Chat(), key)).Dispose();

        var scraped = await Exposition.OfAsync(product);
        input.ShouldBeGreaterThan(0);
        nano.ShouldBeGreaterThan(0);
        (string, string)[] of = [("gen_ai_provider_name", "openai"), ("gen_ai_request_model", "sandbox-small"), ("gen_ai_operation_name", "chat"), ("tokonomics_environment", "test")];
        scraped.Sum("gen_ai_client_operation_duration_seconds_count", of).ShouldBe(7);
        scraped.Sum("gen_ai_client_token_usage_count", [.. of, ("gen_ai_token_type", "input")]).ShouldBe(7);
        scraped.Sum("gen_ai_client_token_usage_sum", [.. of, ("gen_ai_token_type", "input")]).ShouldBe(input);
        scraped.Sum("gen_ai_client_token_usage_sum", [.. of, ("gen_ai_token_type", "output")]).ShouldBe(output);
        scraped.Sum("gen_ai_client_operation_time_to_first_chunk_seconds_count", of).ShouldBe(3); // the streams: 1, 3 and 5
        scraped.Sum("tokonomics_cost_nano_usd_total", of).ShouldBe(nano);
        scraped.Sum("tokonomics_proxy_overhead_seconds_count").ShouldBe(7);
        scraped.Sum("tokonomics_refusals_total", ("tokonomics_refusal_code", "unmetered_route")).ShouldBe(2);
        scraped.Sum("tokonomics_refusals_total", ("tokonomics_refusal_code", "unknown_key")).ShouldBe(1);
        scraped.Sum("tokonomics_ledger_events_total").ShouldBe(7);
        scraped.Sum("tokonomics_ledger_waiting").ShouldBe(0);
        scraped.Sum("tokonomics_journal_writable").ShouldBe(1);
        scraped.Sum("tokonomics_journal_open").ShouldBe(0);
        scraped.Sum("tokonomics_proxy_streams").ShouldBe(0);
        scraped.Has("tokonomics_upstream_errors_total").ShouldBeFalse();
        scraped.Text.ShouldNotContain(product.TenantId);

        var (code, said) = await Promtool.RunAsync(["check", "metrics"], scraped.Text);
        code.ShouldBe(0, said);
    }

    [Fact]
    public async Task Failures_are_counted_by_provider_and_kind_and_what_is_not_known_is_said()
    {
        await using var provider = new FakeProvider((request, socket) => FakeProvider.SendAsync(socket, request.Text.Contains("gpt-4o-mini", StringComparison.Ordinal)
            ? "HTTP/1.1 529 Busy\r\nContent-Length: 2\r\n\r\n{}"
            : FakeProvider.Json("""{"model":"made-up-9000","choices":[{"message":{"content":"hello there"}}],"usage":{"prompt_tokens":3,"completion_tokens":5}}""")));
        await using var product = await TestProduct.StartAsync([.. On, new("Providers:openai:BaseUrl", provider.Url.ToString()), new("Providers:groq:BaseUrl", "http://127.0.0.1:9")], new Dictionary<string, string> { ["openai"] = "sk-1", ["groq"] = "sk-2" });
        foreach (var (path, model) in new[] { ("openai", "gpt-4o-mini"), ("groq", "llama-3.3-70b-versatile"), ("openai", "made-up-9000"), ("openai", "gpt-6-sol-2031-01-01"), ("openai", "GPT-6-Sol-2031-01-02") })
            (await product.PostAsync($"/proxy/{path}/v1/chat/completions", ProxyCalls.Chat(model), product.LiveKey)).Dispose();
        await product.FlushAsync();

        var scraped = await Exposition.OfAsync(product);
        scraped.Sum("tokonomics_upstream_errors_total", ("gen_ai_provider_name", "openai"), ("error_type", "529"), ("tokonomics_environment", "live")).ShouldBe(1);
        scraped.Sum("tokonomics_upstream_errors_total", ("gen_ai_provider_name", "groq"), ("error_type", "unreachable")).ShouldBe(1);
        scraped.Sum("tokonomics_upstream_errors_total").ShouldBe(2);
        scraped.Sum("gen_ai_client_operation_duration_seconds_count", ("error_type", "529")).ShouldBe(1);
        scraped.Sum("tokonomics_calls_unpriced_total", ("gen_ai_provider_name", "openai")).ShouldBe(1);
        // A model that no sheet lists, and two that only fit a pattern of one: as many could come as clients care to send.
        scraped.Values("gen_ai_request_model").ShouldBe(["gpt-4o-mini", "llama-3.3-70b-versatile", "_OTHER", "gpt-6-sol"], ignoreOrder: true);
    }

    [Fact]
    public async Task Names_that_clients_and_tenants_make_up_are_none_of_the_metrics()
    {
        await using var provider = FakeProvider.Always(FakeProvider.Json("""{"model":"own-model","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}"""));
        await using var product = await TestProduct.StartAsync([.. On, new("Endpoints:AllowPrivate", "true")]);
        using (var made = await product.ApiAsync(HttpMethod.Post, "endpoints", new StringContent($$"""{"name":"basement","base_url":"{{provider.Url}}","surface":"openai"}""", System.Text.Encoding.UTF8, "application/json")))
            ((int)made.StatusCode).ShouldBe(201, await made.Content.ReadAsStringAsync());
        for (var i = 0; i < 20; i++)
            (await product.PostAsync("/proxy/basement/v1/chat/completions", ProxyCalls.Chat($"own-{i}"), product.LiveKey, ("X-Tokonomics-Tags", $"customer=c{i}"))).Dispose();
        await product.FlushAsync();

        var scraped = await Exposition.OfAsync(product);
        scraped.Sum("gen_ai_client_operation_duration_seconds_count", ("gen_ai_provider_name", "_OTHER"), ("gen_ai_request_model", "_OTHER"), ("gen_ai_response_model", "_OTHER")).ShouldBe(20);
        foreach (var word in (string[])["basement", "own-", "customer", provider.Url.Authority, product.TenantId])
            scraped.Text.ShouldNotContain(word);
    }

    [Fact]
    public async Task An_open_stream_and_the_money_that_it_holds_are_shown_until_it_ends()
    {
        var end = new TaskCompletionSource();
        await using var provider = new FakeProvider(async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
            await FakeProvider.ChunkAsync(socket, "data: {\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n");
            await end.Task;
            await FakeProvider.ChunkAsync(socket, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n");
            await FakeProvider.ChunkAsync(socket, "");
        });
        await using var product = await TestProduct.StartAsync([.. On, new("Providers:openai:BaseUrl", provider.Url.ToString())], new Dictionary<string, string> { ["openai"] = "sk-1" });
        using (var made = await product.ApiAsync(HttpMethod.Post, "budgets", new StringContent("""{"scope":{"type":"tenant"},"period":"month","limit_usd":"1"}""", System.Text.Encoding.UTF8, "application/json")))
            made.EnsureSuccessStatusCode();
        using var answer = await product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-4o-mini", stream: true, more: ",\"max_tokens\":1000"), product.LiveKey);
        ((int)answer.StatusCode).ShouldBe(200);

        var open = await Exposition.OfAsync(product);
        open.Sum("tokonomics_proxy_streams").ShouldBe(1);
        open.Sum("tokonomics_journal_open").ShouldBe(1);
        open.Sum("tokonomics_budgets_leased_nano_usd", ("tokonomics_lease_state", "held")).ShouldBeGreaterThan(0);
        open.Sum("tokonomics_budgets_leased_nano_usd").ShouldBeLessThanOrEqualTo(1_000_000_000); // the limit of one dollar

        end.SetResult();
        await answer.Content.ReadAsStringAsync();
        await product.EventAsync(answer.RequestId());
        var ended = await Exposition.WhenAsync(product, s => s.Sum("tokonomics_proxy_streams") == 0);
        ended.Sum("tokonomics_journal_open").ShouldBe(0);
        ended.Sum("tokonomics_budgets_leased_nano_usd", ("tokonomics_lease_state", "held")).ShouldBe(0);
        // 12 tokens at 0.15 and 5 at 0.60 dollars a million: 1,800 and 3,000 billionths.
        ended.Sum("tokonomics_cost_nano_usd_total", ("tokonomics_environment", "live")).ShouldBe(4800);
    }

    [Theory]
    [InlineData(null, 401)]
    [InlineData("scrape-token-0123456789abcdef012345678", 401)]
    [InlineData("", 401)]
    [InlineData(Exposition.Token, 200)]
    public async Task A_scrape_needs_the_token(string? token, int status)
    {
        await using var product = await TestProduct.StartAsync(On);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(product.Url, "/metrics"));
        if (token is not null)
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
        using var answer = await product.Client.SendAsync(request);
        ((int)answer.StatusCode).ShouldBe(status);
        (await answer.Content.ReadAsStringAsync()).Contains("tokonomics_journal_writable", StringComparison.Ordinal).ShouldBe(status == 200);
    }

    [Fact]
    public async Task It_is_open_only_where_a_setting_says_so_and_is_not_there_where_none_turns_it_on()
    {
        await using (var open = await TestProduct.StartAsync([new("Telemetry:Prometheus", "true"), new("Telemetry:PrometheusOpen", "true")]))
            (await Exposition.OfAsync(open, token: null)).Has("tokonomics_journal_writable").ShouldBeTrue();
        await using var off = await TestProduct.StartAsync();
        using var answer = await off.Client.GetAsync(new Uri(off.Url, "/metrics"));
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        off.Services.GetService<MeterProvider>().ShouldBeNull();
        off.Services.GetService<TracerProvider>().ShouldBeNull();
    }

    [Theory]
    [InlineData("Telemetry:Prometheus", "true", "Telemetry:PrometheusToken is empty")]
    [InlineData("Telemetry:PrometheusToken", "short", "Telemetry:PrometheusToken has 5 characters")]
    [InlineData("Telemetry:OtlpEndpoint", "collector:4318", "Telemetry:OtlpEndpoint is 'collector:4318'")]
    public async Task A_setting_that_would_open_it_by_accident_or_can_not_be_stops_the_start(string setting, string value, string said)
    {
        var thrown = await Should.ThrowAsync<StartupException>(() => TestProduct.StartAsync([new(setting, value)]));
        thrown.Message.ShouldContain(said);
        thrown.Message.ShouldNotContain("short");
    }
}
