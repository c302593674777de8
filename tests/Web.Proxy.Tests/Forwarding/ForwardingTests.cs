using System.Text.Json;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Forwarding;

/// <summary>One call from end to end, on the whole product.</summary>
public sealed class ForwardingTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync();

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    [Fact]
    public async Task A_call_with_a_test_key_is_answered_by_the_sandbox_and_stands_in_the_ledger()
    {
        using var answer = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(), headers: ("X-Tokonomics-Tags", "feature=search,customer=acme"));

        ((int)answer.StatusCode).ShouldBe(200);
        var body = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
        var row = await _product.EventAsync(answer.RequestId());
        row.GetProperty("environment").GetString().ShouldBe("test");
        row.GetProperty("usage").GetProperty("input_tokens").GetInt64().ShouldBe(body.GetProperty("usage").GetProperty("prompt_tokens").GetInt64());
        row.GetProperty("usage").GetProperty("output_tokens").GetInt64().ShouldBe(body.GetProperty("usage").GetProperty("completion_tokens").GetInt64());
        // 5 input tokens at 1 USD and 33 output tokens at 2 USD a million: 5e-6 + 66e-6
        row.GetProperty("cost_usd").GetString().ShouldBe("0.000071");
        row.GetProperty("tags").GetProperty("feature").GetString().ShouldBe("search");
        row.GetProperty("tags").GetProperty("customer").GetString().ShouldBe("acme");
    }
}
