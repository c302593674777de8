using System.Net.Sockets;
using Tokonomics.Domain.Money;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Budgets;

/// <summary>Streams without a limit that are paid for in slices, from a provider that answers any bytes; and which bounds a request has.</summary>
public sealed class SlicedStreamTests : IAsyncLifetime
{
    private static readonly string[] Providers = ["openai", "anthropic", "gemini", "groq"];

    private FakeProvider _provider = null!;
    private TestProduct _product = null!;
    private Func<FakeRequest, Socket, Task> _answer = (_, _) => Task.CompletedTask;

    public async ValueTask InitializeAsync()
    {
        _provider = new FakeProvider((request, socket) => _answer(request, socket));
        _product = await TestProduct.StartAsync(Providers.ToDictionary(p => $"Providers:{p}:BaseUrl", p => (string?)_provider.Url.ToString()), Providers.ToDictionary(p => p, p => $"secret-of-{p}"));
    }

    public async ValueTask DisposeAsync()
    {
        await _product.DisposeAsync();
        await _provider.DisposeAsync();
    }

    private Task<string> BudgetAsync(string limit) => _product.BudgetAsync(new { scope = new { type = "tenant" }, period = "month", limit_usd = limit, environment = "live", wait_seconds = 0 });

    private async Task<NanoUsd> PostedAsync(string budget)
    {
        // The client has its answer a moment before the call is settled.
        await _product.DrainAsync();
        var state = await _product.StateAsync(budget);
        state.Usd("leased_usd").ShouldBe(NanoUsd.Zero);
        return state.Usd("posted_usd");
    }

    private Task<HttpResponseMessage> StreamAsync(string more = "") => _product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-4o-mini", stream: true, more: more), _product.LiveKey);

    private static string Event(string text) => $$"""data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"{{text}}"},"finish_reason":null}]}""" + "\n\n";

    private const string Stop = """data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""" + "\n\n";

    private static string Usage(int output) => $$$"""data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":{{{output}}},"total_tokens":{{{10 + output}}}}}""" + "\n\ndata: [DONE]\n\n";

    [Fact]
    public async Task A_stream_that_ends_by_itself_as_the_room_does_is_whole_and_costs_what_it_says()
    {
        // 0.15 and 0.6 USD a million, at priority 0.25 and 1: some 1,200 tokens of input at most are 0.0003 USD, and 0.0012 pay for 900 of output.
        var budget = await BudgetAsync("0.0012");
        foreach (var shown in (string[])["", ",\"stream_options\":{\"include_usage\":true}"])
        {
            _answer = async (_, socket) =>
            {
                await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
                // 3,000 bytes, which may be as many tokens and are 400: in one piece with the end.
                await FakeProvider.ChunkAsync(socket, Event(new string('x', 3000)) + Stop + Usage(400));
                await FakeProvider.ChunkAsync(socket, "");
            };
            var before = await PostedAsync(budget);
            using var answer = await StreamAsync(shown);
            var (text, whole) = await CapProduct.ReadAsync(answer);
            whole.ShouldBeTrue();
            text.ShouldEndWith("data: [DONE]\n\n");
            text.ShouldNotContain("\"length\"");
            var row = await _product.EventAsync(answer.RequestId());
            row.GetProperty("outcome").GetString().ShouldBe("completed");
            row.GetProperty("usage_source").GetString().ShouldBe("reported");
            (await PostedAsync(budget) - before).Value.ShouldBe((10 * 150) + (400 * 600));
        }
    }

    [Theory]
    [InlineData(500)]
    [InlineData(429)]
    [InlineData(302)]
    public async Task A_refusal_in_place_of_a_stream_costs_nothing(int status)
    {
        var budget = await BudgetAsync("1");
        _answer = (_, socket) => FakeProvider.SendAsync(socket, $"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}");
        using var answer = await StreamAsync();
        ((int)answer.StatusCode).ShouldBe(status);
        await answer.Content.ReadAsByteArrayAsync();
        (await PostedAsync(budget)).ShouldBe(NanoUsd.Zero);
    }

    [Fact]
    public async Task A_whole_document_in_place_of_a_stream_is_charged_as_it_says_even_beyond_the_slice()
    {
        var budget = await BudgetAsync("1");
        _answer = (_, socket) => FakeProvider.SendAsync(socket, FakeProvider.Json(
            $$$"""{"id":"c","object":"chat.completion","model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"{{{new string('x', 40_000)}}}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":10000,"total_tokens":10010}}"""));
        using var answer = await StreamAsync();
        var (_, whole) = await CapProduct.ReadAsync(answer);
        whole.ShouldBeTrue();
        (await PostedAsync(budget)).Value.ShouldBe((10 * 150) + (10_000 * 600));
    }

    [Fact]
    public async Task Without_room_for_more_a_document_in_place_of_a_stream_breaks_off_and_counts_what_was_held()
    {
        var budget = await BudgetAsync("0.0012");
        _answer = async (_, socket) =>
        {
            var body = $$$"""{"id":"c","object":"chat.completion","model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"{{{new string('x', 400_000)}}}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":100000,"total_tokens":100010}}""";
            await FakeProvider.SendAsync(socket, FakeProvider.Json(body)[..200_000]);
            await Task.Delay(Timeout.Infinite, TestContext.Current.CancellationToken);
        };
        try
        {
            using var answer = await StreamAsync();
            var (_, whole) = await CapProduct.ReadAsync(answer);
            whole.ShouldBeFalse();
        }
        catch (HttpRequestException)
        {
            // Broken off before anything of it had arrived.
        }

        var posted = await PostedAsync(budget);
        posted.Value.ShouldBeGreaterThan(1_000_000); // all that was held, which is nearly all there was
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_event_that_never_ends_is_broken_off_where_the_money_ends(bool usageAsked)
    {
        var budget = await BudgetAsync("0.0012");
        var sent = 0;
        _answer = async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
            await FakeProvider.ChunkAsync(socket, Event("Hello"));
            await FakeProvider.ChunkAsync(socket, """data: {"id":"c","choices":[{"index":0,"delta":{"content":" """);
            for (; sent < 4_000_000; sent += 1000)
            {
                await FakeProvider.ChunkAsync(socket, new string('x', 1000));
                await Task.Delay(2);
            }
        };
        using var answer = await StreamAsync(usageAsked ? ",\"stream_options\":{\"include_usage\":true}" : "");
        var (text, whole) = await CapProduct.ReadAsync(answer);
        // Where the proxy looks for a chunk to take out it holds events back until they are whole: nothing of this one has left.
        whole.ShouldBe(!usageAsked);
        text.Contains("\"finish_reason\":\"length\"", StringComparison.Ordinal).ShouldBe(!usageAsked);
        sent.ShouldBeLessThan(1_000_000); // 900 tokens of four bytes, and what is on its way
        (await PostedAsync(budget)).Value.ShouldBeGreaterThan(1_000_000);
    }

    [Fact]
    public async Task Large_events_are_paid_for_before_the_next_and_the_cut_falls_between_two()
    {
        var budget = await BudgetAsync("0.0012");
        var events = 0;
        _answer = async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
            for (; events < 200; events++)
            {
                await FakeProvider.ChunkAsync(socket, Event(new string('y', 150)));
                await Task.Delay(10);
            }
        };
        using var answer = await StreamAsync();
        var (text, whole) = await CapProduct.ReadAsync(answer);
        whole.ShouldBeTrue();
        text.ShouldEndWith("\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n");
        events.ShouldBeLessThan(100);
        (await PostedAsync(budget)).Value.ShouldBeInRange(0, 1_200_000);
    }

    [Fact]
    public async Task Each_thing_that_makes_a_call_dearer_raises_what_it_holds()
    {
        await BudgetAsync("100");
        _answer = (request, socket) => FakeProvider.SendAsync(socket, FakeProvider.Json("""{"id":"c","object":"chat.completion","model":"m","type":"message","role":"assistant","content":[],"choices":[],"candidates":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"input_tokens":1,"output_tokens":1}}"""));
        async Task<long> HeldAsync(string path, string body)
        {
            using var answer = await _product.PostAsync(path, body, _product.LiveKey);
            ((int)answer.StatusCode).ShouldBe(200, await answer.Content.ReadAsStringAsync());
            return CapProduct.Held(answer).Value;
        }

        const string openai = "/proxy/openai/v1/chat/completions";
        static string Chat(string more, int prompt = 2) => $$"""{"model":"gpt-5.4","max_completion_tokens":1000,"messages":[{"role":"user","content":"{{new string('x', prompt)}}"}]{{more}}}""";

        // 1. The service tier: flex is half, priority twice; auto may turn out as the dearest, and so may a word that isn't said.
        var standard = await HeldAsync(openai, Chat(",\"service_tier\":\"default\""));
        var flex = await HeldAsync(openai, Chat(",\"service_tier\":\"flex\""));
        var priority = await HeldAsync(openai, Chat(",\"service_tier\":\"priority\""));
        priority.ShouldBeGreaterThan(standard * 19 / 10);
        standard.ShouldBeGreaterThan(flex);
        (await HeldAsync(openai, Chat(",\"service_tier\":\"auto\""))).ShouldBeGreaterThan(standard);

        // 2. The long context: above 271,999 tokens twice the input and half as much again for the output.
        var below = await HeldAsync(openai, Chat(",\"service_tier\":\"default\"", 250_000));
        var above = await HeldAsync(openai, Chat(",\"service_tier\":\"default\"", 275_000));
        above.ShouldBeGreaterThan(below * 19 / 10);

        // 3. A cache that is written: 3.75 for 3, and 6 where it may live for an hour.
        const string anthropic = "/proxy/anthropic/v1/messages";
        static string Message(string cache) => $$$"""{"model":"claude-sonnet-4-5","max_tokens":10,"system":[{"type":"text","text":"{{{new string('x', 5000)}}}"{{{cache}}}}],"messages":[{"role":"user","content":"Hi"}]}""";
        var fiveMinutes = await HeldAsync(anthropic, Message(",\"cache_control\":{\"type\":\"ephemeral\"}"));
        var hour = await HeldAsync(anthropic, Message(",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}"));
        fiveMinutes.ShouldBeGreaterThan((5000L + 1024) * 3750); // every byte a token, at the rate of a cache write: nothing says that it isn't one
        hour.ShouldBeGreaterThan((5000L + 1024) * 6000);

        // 4. More answers.
        (await HeldAsync(openai, Chat(",\"service_tier\":\"default\",\"n\":4"))).ShouldBeGreaterThan(standard + (3 * 1000 * 15_000) - 1);
    }

    [Fact]
    public async Task A_provider_that_may_bill_on_holds_its_streams_whole_and_one_that_stops_in_slices()
    {
        await BudgetAsync("100");
        _answer = async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
            await FakeProvider.ChunkAsync(socket, Event("Hi") + Stop + Usage(3));
            await FakeProvider.ChunkAsync(socket, "");
        };
        using var stops = await StreamAsync();
        CapProduct.Held(stops).Value.ShouldBeLessThan(3_000_000); // 512 to 1,300 tokens, and the input
        await stops.Content.ReadAsByteArrayAsync();
        using var bills = await _product.PostAsync("/proxy/groq/openai/v1/chat/completions", ProxyCalls.Chat("llama-3.3-70b-versatile", stream: true), _product.LiveKey);
        CapProduct.Held(bills).Value.ShouldBeGreaterThan(10_000_000); // 32,768 tokens at 0.79 USD a million
        await bills.Content.ReadAsByteArrayAsync();
    }
}
