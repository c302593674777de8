using System.Text;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Telemetry;

/// <summary>What a collector gets from a product that serves, as OTLP over HTTP and by gRPC.</summary>
public sealed class OtlpTests : IAsyncLifetime
{
    private const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    private const string Parent = "00f067aa0ba902b7";

    private OtlpReceiver _collector = null!;
    private FakeProvider _provider = null!;

    public async ValueTask InitializeAsync()
    {
        _collector = await OtlpReceiver.StartAsync();
        _provider = FakeProvider.Always(FakeProvider.Json("""{"model":"gpt-4o-mini-2024-07-18","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}"""));
    }

    public async ValueTask DisposeAsync()
    {
        await _provider.DisposeAsync();
        await _collector.DisposeAsync();
    }

    [Theory]
    [InlineData("Telemetry:OtlpEndpoint")]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT")]
    public async Task Metrics_and_spans_arrive_in_protobuf(string setting)
    {
        await using var product = await StartAsync(setting);
        using (var answer = await product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-4o-mini"), product.LiveKey))
            (await answer.Content.ReadAsStringAsync()).ShouldContain("hi");

        await _collector.WaitAsync("/v1/metrics", "gen_ai.client.token.usage", "gen_ai.client.operation.duration", "tokonomics.journal.writable", "dotnet.gc.collections", "kestrel.active_connections", "tokonomics-standalone");
        await _collector.WaitAsync("/v1/traces", "chat gpt-4o-mini", "gen_ai.usage.input_tokens", "gpt-4o-mini-2024-07-18", "Tokonomics.Proxy");
        _collector.Received.ShouldAllBe(r => r.ContentType == "application/x-protobuf");
    }

    [Theory]
    [InlineData("Telemetry:OtlpEndpoint", "grpc")]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT", null)]
    public async Task Metrics_and_spans_arrive_by_gRPC(string setting, string? protocol)
    {
        await using var collector = await OtlpReceiver.StartAsync(grpc: true);
        await using var product = await TestProduct.StartAsync(
            [.. Settings(setting).Where(s => s.Key != setting && s.Key != "OTEL_EXPORTER_OTLP_PROTOCOL"), new(setting, collector.Url.ToString()), new("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)],
            new Dictionary<string, string> { ["openai"] = "sk-1" });
        using (var answer = await product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-4o-mini"), product.LiveKey))
            (await answer.Content.ReadAsStringAsync()).ShouldContain("hi");

        await collector.WaitAsync("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "gen_ai.client.token.usage", "gen_ai.client.operation.duration", "tokonomics.journal.writable", "tokonomics-standalone");
        await collector.WaitAsync("/opentelemetry.proto.collector.trace.v1.TraceService/Export", "chat gpt-4o-mini", "gen_ai.usage.input_tokens", "Tokonomics.Proxy");
        collector.Received.ShouldAllBe(r => r.ContentType == "application/grpc");
    }

    [Fact]
    public async Task A_span_goes_on_from_the_callers_and_the_provider_gets_what_the_caller_sent()
    {
        await using var product = await StartAsync("Telemetry:OtlpEndpoint");
        const string Sent = $"00-{Trace}-{Parent}-01";
        using var answer = await product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-4o-mini"), product.LiveKey, ("traceparent", Sent), ("tracestate", "vendor=1"));
        ((int)answer.StatusCode).ShouldBe(200);

        var body = await _collector.WaitAsync("/v1/traces", answer.RequestId());
        // Ids stand as bytes: the trace of the caller, and as its parent the span of the caller.
        OtlpReceiver.Has(body, Convert.FromHexString(Trace)).ShouldBeTrue();
        OtlpReceiver.Has(body, Convert.FromHexString(Parent)).ShouldBeTrue();
        OtlpReceiver.Has(body, Encoding.UTF8.GetBytes("vendor=1")).ShouldBeTrue();
        var received = _provider.Requests.ShouldHaveSingleItem();
        received.Headers.Where(h => h.Key == "traceparent").ShouldHaveSingleItem().Value.ShouldBe(Sent);
        received.Headers.Where(h => h.Key == "tracestate").ShouldHaveSingleItem().Value.ShouldBe("vendor=1");
    }

    [Fact]
    public async Task A_call_without_a_trace_has_one_of_its_own_and_the_provider_hears_of_none()
    {
        await using var product = await StartAsync("Telemetry:OtlpEndpoint");
        using var answer = await product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-4o-mini"), product.LiveKey);
        await _collector.WaitAsync("/v1/traces", answer.RequestId());
        _provider.Requests.ShouldHaveSingleItem().Headers.ShouldAllBe(h => !h.Key.StartsWith("trace", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task A_caller_that_does_not_want_its_call_traced_has_no_span()
    {
        await using var product = await StartAsync("Telemetry:OtlpEndpoint");
        using var unwanted = await product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-4o-mini"), product.LiveKey, ("traceparent", $"00-{Trace}-{Parent}-00"));
        using var wanted = await product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-4o-mini"), product.LiveKey);
        await _collector.WaitAsync("/v1/traces", wanted.RequestId());
        _collector.Received.ShouldAllBe(r => !OtlpReceiver.Has(r.Body, Encoding.UTF8.GetBytes(unwanted.RequestId())));
    }

    [Fact]
    public async Task A_failed_attempt_is_a_failed_span_of_its_own()
    {
        await using var product = await TestProduct.StartAsync([.. Settings("Telemetry:OtlpEndpoint"), new("Providers:groq:BaseUrl", "http://127.0.0.1:9")], new Dictionary<string, string> { ["groq"] = "sk-2" });
        using var answer = await product.PostAsync("/proxy/groq/v1/chat/completions", ProxyCalls.Chat("llama-3.3-70b-versatile"), product.LiveKey);
        ((int)answer.StatusCode).ShouldBe(502);
        await _collector.WaitAsync("/v1/traces", answer.RequestId(), "chat llama-3.3-70b-versatile", "error.type", "unreachable");
    }

    private KeyValuePair<string, string?>[] Settings(string setting) =>
    [
        new(setting, _collector.Url.ToString()), new("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"), new("OTEL_METRIC_EXPORT_INTERVAL", "500"), new("OTEL_BSP_SCHEDULE_DELAY", "100"),
        new("Providers:openai:BaseUrl", _provider.Url.ToString()),
    ];

    private Task<TestProduct> StartAsync(string setting) => TestProduct.StartAsync(Settings(setting), new Dictionary<string, string> { ["openai"] = "sk-1" });
}
