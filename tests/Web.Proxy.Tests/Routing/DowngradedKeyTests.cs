using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Budgets;

namespace Tokonomics.Web.Proxy.Tests.Routing;

/// <summary>With which key a live call goes to the provider to which a spent budget sends it.</summary>
public sealed class DowngradedKeyTests : IAsyncLifetime
{
    private const string Answer = """{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":5}}""";

    private readonly FakeProvider _openAi = FakeProvider.Always(FakeProvider.Json(FakeOpenAi.Chat));
    private readonly FakeProvider _anthropic = FakeProvider.Always(FakeProvider.Json(Answer));
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync(
        new Dictionary<string, string?> { ["Providers:openai:BaseUrl"] = _openAi.Url.ToString(), ["Providers:anthropic:BaseUrl"] = _anthropic.Url.ToString() },
        new Dictionary<string, string> { ["anthropic"] = "sk-ant-stored-0123456789" });

    public async ValueTask DisposeAsync()
    {
        await _product.DisposeAsync();
        await _openAi.DisposeAsync();
        await _anthropic.DisposeAsync();
    }

    [Theory]
    [InlineData("anthropic/claude-haiku-4-5")]
    [InlineData("claude-haiku-4-5")] // which OpenAI doesn't list
    public async Task The_stored_key_is_sent_and_the_clients_own_is_shown_to_nobody_else(string to)
    {
        using var answer = await CallAsync(to);
        ((int)answer.StatusCode).ShouldBe(200, await answer.Content.ReadAsStringAsync());
        answer.Headers.GetValues("x-tokonomics-downgraded-from").ShouldBe(["gpt-4o"]);
        _openAi.Requests.ShouldBeEmpty();
        var sent = _anthropic.Requests.ShouldHaveSingleItem();
        sent.Header("x-api-key").ShouldBe("sk-ant-stored-0123456789");
        sent.Headers.ShouldAllBe(h => !h.Value.Contains("sk-clients-own", StringComparison.Ordinal) && !h.Value.Contains(_product.LiveKey, StringComparison.Ordinal));
    }

    [Fact]
    public async Task At_the_calls_own_provider_the_clients_key_goes_on_being_sent()
    {
        using var answer = await CallAsync("gpt-4o-mini");
        ((int)answer.StatusCode).ShouldBe(200, await answer.Content.ReadAsStringAsync());
        _anthropic.Requests.ShouldBeEmpty();
        _openAi.Requests.ShouldHaveSingleItem().Header("Authorization").ShouldBe("Bearer sk-clients-own-0123456789");
    }

    [Fact]
    public async Task A_provider_whose_key_is_not_stored_is_not_asked()
    {
        using var answer = await CallAsync("gemini/gemini-2.5-flash");
        ((int)answer.StatusCode).ShouldBe(429);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("Its downgrade to gemini/gemini-2.5-flash can't be made: gemini/gemini-2.5-flash: no provider that this key can reach has it");
        _openAi.Requests.ShouldBeEmpty();
    }

    private async Task<HttpResponseMessage> CallAsync(string to)
    {
        await _product.BudgetAsync(new { scope = new { type = "tenant" }, period = "day", limit_usd = "0.000000001", action = "downgrade", downgrade_to = to, wait_seconds = 0 });
        return await _product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-4o"), "sk-clients-own-0123456789", ("X-Tokonomics-Key", _product.LiveKey));
    }
}
