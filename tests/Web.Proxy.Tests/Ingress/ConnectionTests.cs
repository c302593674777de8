using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Ingress;

/// <summary>What a connection goes through: old clients, pipelines, refusals in its middle, clients that send slowly or never.</summary>
[Collection("ingress")]
public sealed class ConnectionTests(IngressProduct ingress)
{
    private const string Chat = """{"model":"gpt-4o-mini","messages":[]}""";

    private const string StreamedChat = """{"model":"gpt-4o-mini","messages":[],"stream":true,"stream_options":{"include_usage":true}}""";

    private const string Stream =
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"choices\":[],\"model\":\"gpt-4o-mini\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n";

    [Fact]
    public async Task A_client_of_http_1_0_gets_plain_answers_and_their_end()
    {
        await using var client = await ingress.ConnectAsync();
        await client.SendAsync(ingress.Post("/v1/chat/completions", Chat).Replace("HTTP/1.1", "HTTP/1.0", StringComparison.Ordinal));

        var answer = (await client.ReadAsync()).ShouldNotBeNull();
        answer.Status.ShouldBe(200);
        answer["Transfer-Encoding"].ShouldBeNull();
        answer.Text.ShouldContain("chat.completion");
        (await client.EndsAsync()).ShouldBeTrue();
    }

    [Fact]
    public async Task A_client_of_http_1_0_gets_a_stream_without_chunks()
    {
        ingress.Answering = _ => FakeProvider.StreamHead + string.Concat(Stream.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(e => $"{e.Length + 2:x}\r\n{e}\n\n\r\n")) + "0\r\n\r\n";
        try
        {
            await using var client = await ingress.ConnectAsync();
            await client.SendAsync(ingress.Post("/v1/chat/completions", StreamedChat).Replace("HTTP/1.1", "HTTP/1.0", StringComparison.Ordinal));

            var answer = (await client.ReadAsync()).ShouldNotBeNull();
            answer.Status.ShouldBe(200);
            answer["Transfer-Encoding"].ShouldBeNull();
            answer.Text.ShouldBe(Stream);
            var row = await ingress.EventAsync(answer["x-tokonomics-request-id"]!);
            row.GetProperty("usage").GetProperty("output_tokens").GetInt64().ShouldBe(5);
        }
        finally
        {
            ingress.Answering = null;
        }
    }

    [Fact]
    public async Task Pipelined_requests_are_answered_in_their_order()
    {
        await using var client = await ingress.ConnectAsync();
        var models = Enumerable.Range(0, 40).Select(i => $"gpt-4o-mini-{i}").ToList();
        var before = ingress.Provider.Requests.Count;
        // Every third is refused before its body is looked at, every fourth is no JSON.
        await client.SendAsync(string.Concat(models.Select((m, i) => i % 3 == 0 ? ingress.Post("/proxy/nobody/v1/x", Chat) : i % 4 == 0 ? ingress.Post("/proxy/openai/v1/chat/completions", "{not json}")
            : ingress.Post("/proxy/openai/v1/chat/completions", $$"""{"model":"{{m}}","messages":[]}"""))));

        for (var i = 0; i < models.Count; i++)
            (await client.ReadAsync())!.Status.ShouldBe(i % 3 == 0 ? 404 : i % 4 == 0 ? 400 : 200, $"request {i}");
        ingress.Provider.Requests.Skip(before).Select(r => r.Text).ShouldBe(models.Where((_, i) => i % 3 != 0 && i % 4 != 0).Select(m => $$"""{"model":"{{m}}","messages":[]}"""));
    }

    [Fact]
    public async Task A_client_that_waits_for_100_is_told_to_go_on_or_refused_before_it_sends()
    {
        await using var client = await ingress.ConnectAsync();
        await client.SendAsync(ingress.Head("POST /v1/chat/completions HTTP/1.1", $"Content-Length: {Chat.Length}\r\nExpect: 100-continue\r\n"));
        (await client.ReadAsync())!.Status.ShouldBe(100);
        await client.SendAsync(Chat);
        (await client.ReadAsync())!.Status.ShouldBe(200);
        ingress.LastRequest.Header("Expect").ShouldBeNull();

        await using var refused = await ingress.ConnectAsync();
        await refused.SendAsync($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {Chat.Length}\r\nExpect: 100-continue\r\n\r\n");
        (await refused.ReadAsync())!.Status.ShouldBe(401);

        await using var tooLarge = await ingress.ConnectAsync();
        await tooLarge.SendAsync(ingress.Head("POST /v1/chat/completions HTTP/1.1", $"Content-Length: {IngressProduct.MaxBodyBytes + 1}\r\nExpect: 100-continue\r\n"));
        (await tooLarge.ReadAsync())!.Status.ShouldBe(413);
    }

    [Fact]
    public async Task A_refusal_leaves_the_connection_usable()
    {
        await using var client = await ingress.ConnectAsync();
        foreach (var bad in (string[])[
            $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {Chat.Length}\r\n\r\n{Chat}", ingress.Post("/v1/chat/completions", ""), ingress.Post("/v1/chat/completions", "[]"),
            ingress.Post("/v1/nothing", Chat), ingress.Post("/proxy/nobody/x", Chat), ingress.Post("/v1/chat/completions", Chat, "X-Tokonomics-Tags: =\r\n"), ingress.Head("GET /v1/nothing HTTP/1.1")])
        {
            await client.SendAsync(bad + ingress.Post("/v1/chat/completions", Chat));
            (await client.ReadAsync())!.Status.ShouldBeInRange(400, 404);
            (await client.ReadAsync())!.Status.ShouldBe(200);
        }
    }

    [Fact]
    public async Task Clients_that_never_finish_their_head_or_body_are_nobodys_trouble()
    {
        // The slow ones were there first and stay until all of the good traffic is through.
        var slow = new List<RawClient>();
        try
        {
            var counted = await ingress.CountAsync(async () =>
            {
                for (var i = 0; i < 120; i++)
                {
                    slow.Add(await ingress.ConnectAsync());
                    await slow[^1].SendAsync((i % 4) switch
                    {
                        0 => "POST /v1/chat/compl",
                        1 => $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ingress.Key}\r\nX-Slow: ",
                        2 => ingress.Head("POST /v1/chat/completions HTTP/1.1", "Content-Length: 1000\r\n") + "{\"model\":",
                        _ => ingress.Head("POST /v1/chat/completions HTTP/1.1", "Transfer-Encoding: chunked\r\n") + "9\r\n{\"model\":\r\n",
                    });
                }

                for (var i = 0; i < 200; i++)
                {
                    await slow[i % slow.Count].SendAsync("a");
                    var answer = await ingress.SendAsync(ingress.Post("/v1/chat/completions", Chat));
                    answer!.Status.ShouldBe(200);
                }
            });
            counted.Forwarded.ShouldBe(200);
        }
        finally
        {
            foreach (var client in slow)
                await client.DisposeAsync();
        }

        await ingress.FreedAsync();
    }

    [Fact]
    public async Task A_body_that_ends_early_is_refused_and_not_recorded()
    {
        RawAnswer? answer = null;
        var counted = await ingress.CountAsync(async () => answer = await ingress.SendAsync(ingress.Head("POST /v1/chat/completions HTTP/1.1", "Content-Length: 500\r\n") + Chat, finish: true));

        // Kestrel may see the end of the connection before or after the handler does.
        (answer?.Status ?? 400).ShouldBe(400);
        counted.ShouldBe((0, 0));
        await ingress.FreedAsync();
    }

    internal static async Task EventuallyAsync(Func<bool> condition, string what)
    {
        var until = DateTime.UtcNow.AddSeconds(30);
        while (!condition())
        {
            (DateTime.UtcNow < until).ShouldBeTrue(what);
            await Task.Delay(20);
        }
    }
}
