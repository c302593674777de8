using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using Tokonomics.Domain.Money;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Budgets;

namespace Tokonomics.Web.Proxy.Tests.Receipts;

/// <summary>What the caller is told of a call's cost, where, and that nobody else can tell it.</summary>
public sealed class ReceiptTests : IAsyncLifetime
{
    private const string Mark = ": tokonomics ";

    private static readonly (string, string) Wanted = ("X-Tokonomics-Receipt", "1");

    private FakeProvider _provider = null!;
    private TestProduct _product = null!;
    private Func<FakeRequest, Socket, Task> _answer = (_, socket) => FakeProvider.SendAsync(socket, FakeProvider.Json("{}"));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _provider = new FakeProvider((request, socket) => _answer(request, socket));
        _product = await TestProduct.StartAsync([new("Providers:openai:BaseUrl", _provider.Url.ToString().TrimEnd('/'))], new Dictionary<string, string> { ["openai"] = "sk-0123456789abcdef" });
    }

    public async ValueTask DisposeAsync()
    {
        await _product.DisposeAsync();
        await _provider.DisposeAsync();
    }

    private static string? Header(HttpResponseMessage answer, string name) => answer.Headers.TryGetValues(name, out var values) ? values.Single() : null;

    private async Task<(HttpResponseMessage Answer, string Text)> PostAsync(string path, string body, string? key = null, params (string, string)[] headers)
    {
        var answer = await _product.PostAsync(path, body, key, headers);
        return (answer, await answer.Content.ReadAsStringAsync(Cancel));
    }

    [Theory]
    [InlineData("/v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("/v1/responses", """{"model":"sandbox-small","input":"Hi"}""")]
    [InlineData("/v1/messages", """{"model":"sandbox-small","max_tokens":50,"messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("/proxy/gemini/v1beta/models/sandbox-small:generateContent", """{"contents":[{"parts":[{"text":"Hi"}]}]}""")]
    [InlineData("/v1/embeddings", """{"model":"sandbox-embed","input":"Hi"}""")]
    [InlineData("/v1/images/generations", """{"model":"sandbox-image","prompt":"A cat","n":1}""")]
    [InlineData("/v1/chat/completions", """{"model":"sandbox-small-gzip","messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("/v1/chat/completions", """{"model":"sandbox-small-drip","messages":[{"role":"user","content":"Hi"}]}""")]
    public async Task A_plain_answer_tells_its_cost_in_its_headers(string path, string body)
    {
        using var plain = await _product.PostAsync(path, body);
        Header(plain, "x-tokonomics-receipt").ShouldBeNull();
        Header(plain, "x-tokonomics-cost-usd").ShouldBeNull();
        var (answer, _) = await PostAsync(path, body, null, Wanted);

        ((int)answer.StatusCode).ShouldBe(200);
        Header(answer, "x-tokonomics-receipt").ShouldBe("headers");
        var row = await _product.EventAsync(answer.RequestId());
        Header(answer, "x-tokonomics-cost-usd").ShouldBe(row.GetProperty("cost_usd").GetString());
        NanoUsd.Parse(Header(answer, "x-tokonomics-cost-usd")!)!.Value.ShouldBeGreaterThan(NanoUsd.Zero);
        Header(answer, "x-tokonomics-input-tokens").ShouldBe(row.GetProperty("usage").GetProperty("input_tokens").GetInt64().ToString(CultureInfo.InvariantCulture));
        Header(answer, "x-tokonomics-output-tokens").ShouldBe(row.GetProperty("usage").GetProperty("output_tokens").GetInt64().ToString(CultureInfo.InvariantCulture));
        Header(answer, "x-tokonomics-price-version").ShouldBe(row.GetProperty("price_version").GetString());
        Header(answer, "x-tokonomics-usage-source").ShouldBe(row.GetProperty("usage_source").GetString());
    }

    [Theory]
    [InlineData("/v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}],"stream":true}""", "data: [DONE]\n\n")]
    [InlineData("/v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}],"stream":true,"stream_options":{"include_usage":true}}""", "data: [DONE]\n\n")]
    [InlineData("/v1/responses", """{"model":"sandbox-small","input":"Hi","stream":true}""", "\n\n")]
    [InlineData("/v1/messages", """{"model":"sandbox-small","max_tokens":50,"messages":[{"role":"user","content":"Hi"}],"stream":true}""", "{\"type\":\"message_stop\"}\n\n")]
    [InlineData("/proxy/gemini/v1beta/models/sandbox-small:streamGenerateContent?alt=sse", """{"contents":[{"parts":[{"text":"Hi"}]}]}""", "\n\n")]
    public async Task A_stream_tells_its_cost_in_a_comment_behind_its_last_event(string path, string body, string end)
    {
        var (plain, without) = await PostAsync(path, body);
        without.ShouldNotContain(Mark);
        Header(plain, "x-tokonomics-receipt").ShouldBeNull();
        var (answer, text) = await PostAsync(path, body, null, Wanted);

        Header(answer, "x-tokonomics-receipt").ShouldBe("stream");
        Header(answer, "x-tokonomics-cost-usd").ShouldBeNull();
        var at = text.IndexOf(Mark, StringComparison.Ordinal);
        text[..at].Replace("\r", "", StringComparison.Ordinal).ShouldEndWith(end);
        text.ShouldEndWith("}\n\n");
        var receipt = JsonDocument.Parse(text[(at + Mark.Length)..]).RootElement;
        var row = await _product.EventAsync(answer.RequestId());
        receipt.GetProperty("request_id").GetString().ShouldBe(answer.RequestId());
        receipt.GetProperty("cost_usd").GetString().ShouldBe(row.GetProperty("cost_usd").GetString());
        receipt.GetProperty("output_tokens").GetInt64().ShouldBe(row.GetProperty("usage").GetProperty("output_tokens").GetInt64());
        receipt.GetProperty("usage_source").GetString().ShouldBe("reported");
        row.GetProperty("outcome").GetString().ShouldBe("completed");
    }

    [Theory]
    [InlineData("/proxy/ollama/api/chat", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]}""")]
    [InlineData("/proxy/gemini/v1beta/models/sandbox-small:streamGenerateContent", """{"contents":[{"parts":[{"text":"Hi"}]}]}""")]
    [InlineData("/v1/chat/completions", """{"model":"sandbox-small-gzip","messages":[{"role":"user","content":"Hi"}],"stream":true}""")]
    public async Task A_stream_that_has_no_comments_says_that_there_is_no_receipt(string path, string body)
    {
        var (answer, text) = await PostAsync(path, body, null, Wanted);
        ((int)answer.StatusCode).ShouldBe(200);
        Header(answer, "x-tokonomics-receipt").ShouldBe("none");
        text.ShouldNotContain(Mark);
    }

    [Fact]
    public async Task An_error_instead_of_a_stream_is_a_plain_answer_that_cost_nothing()
    {
        var (answer, _) = await PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small-500", stream: true), null, Wanted);
        ((int)answer.StatusCode).ShouldBe(500);
        Header(answer, "x-tokonomics-receipt").ShouldBe("headers");
        Header(answer, "x-tokonomics-cost-usd").ShouldBe("0");
        Header(answer, "x-tokonomics-error").ShouldBeNull(); // the provider's, not ours
    }

    [Fact]
    public async Task Under_a_budget_the_receipt_has_what_remains_after_the_call()
    {
        await _product.BudgetAsync("10");
        var (plain, _) = await PostAsync("/v1/chat/completions", ProxyCalls.Chat(), null, Wanted);
        Header(plain, "x-tokonomics-budget").ShouldBe("month tenant");
        Header(plain, "x-tokonomics-held-usd").ShouldNotBeNull();
        Header(plain, "x-tokonomics-remaining-usd").ShouldNotBeNull();
        var (_, text) = await PostAsync("/v1/chat/completions", ProxyCalls.Chat(stream: true), null, Wanted);
        var receipt = JsonDocument.Parse(text[(text.IndexOf(Mark, StringComparison.Ordinal) + Mark.Length)..]).RootElement;
        receipt.GetProperty("budget").GetString().ShouldBe("month tenant");
        receipt.GetProperty("held_usd").GetString().ShouldNotBe("0");
        receipt.TryGetProperty("remaining_usd", out _).ShouldBeTrue();
    }

    [Fact]
    public async Task A_stream_that_a_budget_ends_tells_what_it_cost()
    {
        await _product.BudgetAsync("0.004"); // 2,000 tokens at 2 USD a million
        var (_, text) = await PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-long-slow", stream: true), null, Wanted);
        text.ShouldContain("data: [DONE]\n\n" + Mark);
        var receipt = JsonDocument.Parse(text[(text.IndexOf(Mark, StringComparison.Ordinal) + Mark.Length)..]).RootElement;
        var row = (await _product.EventsAsync()).ShouldHaveSingleItem();
        row.GetProperty("outcome").GetString().ShouldBe("cut_by_proxy");
        receipt.GetProperty("cost_usd").GetString().ShouldBe(row.GetProperty("cost_usd").GetString());
    }

    [Fact]
    public async Task An_answer_too_long_to_be_held_back_goes_on_whole_and_says_so()
    {
        // Just below the bound, and above it.
        foreach (var (length, place) in ((int, string)[])[(8 * 1024 * 1024, "headers"), ((8 * 1024 * 1024) + 1, "none")])
        {
            var body = """{"model":"gpt-5.1","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7},"pad":""" + "\"";
            body += new string('x', length - body.Length - 2) + "\"}";
            _answer = (_, socket) => FakeProvider.SendAsync(socket, FakeProvider.Json(body));
            var (answer, text) = await PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-5.1"), _product.LiveKey, Wanted);
            Header(answer, "x-tokonomics-receipt").ShouldBe(place);
            (Header(answer, "x-tokonomics-cost-usd") is not null).ShouldBe(place == "headers");
            text.ShouldBe(body);
            (await _product.EventAsync(answer.RequestId())).GetProperty("usage").GetProperty("output_tokens").GetInt64().ShouldBe(7);
        }
    }

    [Fact]
    public async Task A_comment_is_never_put_into_the_middle_of_a_line()
    {
        _answer = async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
            await FakeProvider.ChunkAsync(socket, "data: {\"model\":\"gpt-5.1\",\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DO");
            await FakeProvider.ChunkAsync(socket, "");
        };
        var (_, text) = await PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-5.1", stream: true), _product.LiveKey, Wanted);
        text.ShouldEndWith("data: [DO");
    }

    [Fact]
    public async Task Half_an_answer_is_no_answer_where_the_whole_was_waited_for()
    {
        _answer = async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"half\":");
            FakeProvider.Reset(socket);
        };
        var (answer, _) = await PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-5.1"), _product.LiveKey, Wanted);
        ((int)answer.StatusCode).ShouldBe(502);
        Header(answer, "x-tokonomics-error").ShouldBe("provider_broke_off");
        (await _product.EventAsync(answer.RequestId())).GetProperty("outcome").GetString().ShouldBe("truncated");
    }

    [Fact]
    public async Task No_provider_can_speak_in_our_name_and_none_hears_what_is_for_us()
    {
        _answer = (_, socket) => FakeProvider.SendAsync(socket, FakeProvider.Json(
            """{"model":"gpt-5.1","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}""",
            "x-tokonomics-cost-usd: 0.01\r\nX-TOKONOMICS-ERROR: forged\r\nx-tokonomics-receipt: headers\r\nx-tokonomics-remaining-usd: 5\r\nx-tokonomics-held-usd: 5\r\nx-tokonomics-original-request-id: req_0\r\n"));
        var (answer, _) = await PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-5.1"), _product.LiveKey);
        answer.Headers.Where(h => h.Key.StartsWith("x-tokonomics-", StringComparison.OrdinalIgnoreCase)).Select(h => h.Key).ShouldBe(["x-tokonomics-request-id"]);
        var (asked, _) = await PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-5.1"), _product.LiveKey, Wanted);
        Header(asked, "x-tokonomics-cost-usd").ShouldBe((await _product.EventAsync(asked.RequestId())).GetProperty("cost_usd").GetString());
        Header(asked, "x-tokonomics-error").ShouldBeNull();
        _provider.Requests.ShouldAllBe(r => r.Header("X-Tokonomics-Receipt") == null);
    }

    [Theory]
    [InlineData("/v1/chat/completions", "mk_test_wrong", "unknown_key")]
    [InlineData("/v1/nothing", null, "unmetered_route")]
    [InlineData("/proxy/nobody/v1/chat/completions", null, "unknown_provider")]
    public async Task A_refusal_of_ours_names_its_code_in_a_header(string path, string? key, string code)
    {
        var (answer, _) = await PostAsync(path, ProxyCalls.Chat(), key);
        Header(answer, "x-tokonomics-error").ShouldBe(code);
    }
}
