using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Ingress;

/// <summary>Where a request goes, by the bytes of its target and its Host.</summary>
[Collection("ingress")]
public sealed class TargetTests(IngressProduct ingress)
{
    private const string Chat = """{"model":"gpt-4o-mini","messages":[]}""";

    [Theory]
    [InlineData("/proxy/openai/v1/chat/completions", "/v1/chat/completions")]
    [InlineData("/proxy/openai/chat/completions", "/v1/chat/completions")]
    [InlineData("/proxy/openai/v1/chat/completions/", "/v1/chat/completions")]
    [InlineData("/proxy/openai//v1/chat/completions", "/v1/chat/completions")]
    [InlineData("/proxy/openai/v1/chat/completions?", "/v1/chat/completions?")]
    [InlineData("/proxy/openai/v1/chat/completions?a=b&c=d", "/v1/chat/completions?a=b&c=d")]
    [InlineData("/proxy/openai/v1/chat/completions?a=%20%2F%3d&a=2&b", "/v1/chat/completions?a=%20%2F%3d&a=2&b")]
    [InlineData("/proxy/openai/v1/chat/completions?a=[1]&b={x}|y^`", "/v1/chat/completions?a=[1]&b={x}|y^`")]
    [InlineData("/proxy/openai/v1/chat/completions?=&&==&", "/v1/chat/completions?=&&==&")]
    [InlineData("/proxy/openai/v1/chat/completions?monkey=1&keys=2&api_key_name=x", "/v1/chat/completions?monkey=1&keys=2&api_key_name=x")]
    [InlineData("/proxy/openai/v1/chat/completions?key=AIza1&b=2", "/v1/chat/completions?b=2")]
    [InlineData("/proxy/openai/v1/chat/completions?b=2&KEY=x", "/v1/chat/completions?b=2")]
    [InlineData("/proxy/openai/v1/chat/completions?%6bey=x", "/v1/chat/completions")]
    [InlineData("/proxy/openai/v1/chat/completions?%6B%65%79=x&b=%41", "/v1/chat/completions?b=%41")]
    [InlineData("/proxy/openai/v1/%63hat/completions", "/v1/%63hat/completions")]
    [InlineData("/proxy/groq/chat/completions", "/openai/v1/chat/completions")]
    [InlineData("/proxy/groq/v1/chat/completions", "/openai/v1/chat/completions")]
    [InlineData("/proxy/groq/openai/v1/chat/completions", "/openai/v1/chat/completions")]
    [InlineData("/proxy/deepseek/v1/chat/completions", "/v1/chat/completions")]
    [InlineData("/proxy/deepseek/anthropic/v1/messages", "/anthropic/v1/messages")]
    [InlineData("/proxy/anthropic/v1/messages", "/v1/messages")]
    [InlineData("/proxy/anthropic/messages?beta=true", "/v1/messages?beta=true")]
    [InlineData("/proxy/gemini/v1beta/models/gemini-2.5-flash:generateContent", "/v1beta/models/gemini-2.5-flash:generateContent")]
    [InlineData("/proxy/gemini/models/gemini-2.5-flash:generateContent?alt=json", "/v1beta/models/gemini-2.5-flash:generateContent?alt=json")]
    [InlineData("/proxy/gemini/v1beta/models/gemini-2.5-flash%3AgenerateContent", "/v1beta/models/gemini-2.5-flash%3AgenerateContent")]
    [InlineData("/proxy/cohere/v2/chat", "/v2/chat")]
    [InlineData("/proxy/ollama/api/chat", "/api/chat")]
    [InlineData("/v1/chat/completions", "/v1/chat/completions")]
    [InlineData("/v1/chat/completions?x=1", "/v1/chat/completions?x=1")]
    public async Task A_target_leads_to_one_address_and_its_bytes_stay(string target, string upstream)
    {
        var answer = (await ingress.SendAsync(ingress.Post(target, Chat))).ShouldNotBeNull();

        answer.Status.ShouldBe(200, answer.Text);
        ingress.LastRequest.Line.ShouldBe($"POST {upstream} HTTP/1.1");
    }

    [Theory]
    [InlineData("POST http://localhost/v1/chat/completions HTTP/1.1", "localhost", "/v1/chat/completions")]
    [InlineData("POST http://localhost:80/proxy/groq/chat/completions?a=b HTTP/1.1", "localhost:80", "/openai/v1/chat/completions?a=b")]
    [InlineData("POST /openai/v1/chat/completions HTTP/1.1", "proxy.example.com", "/v1/chat/completions")]
    [InlineData("POST /groq/chat/completions HTTP/1.1", "PROXY.example.com:8080", "/openai/v1/chat/completions")]
    [InlineData("POST /proxy/openai/v1/chat/completions HTTP/1.1", "proxy.example.com", "/v1/chat/completions")]
    [InlineData("POST /v1/chat/completions HTTP/1.1", "proxy.example.com", "/v1/chat/completions")]
    [InlineData("POST http://proxy.example.com/openai/chat/completions HTTP/1.1", "proxy.example.com", "/v1/chat/completions")]
    public async Task By_host_or_absolute_target_it_is_the_same(string line, string host, string upstream)
    {
        var answer = (await ingress.SendAsync($"{line}\r\nHost: {host}\r\nAuthorization: Bearer {ingress.Key}\r\nContent-Length: {Chat.Length}\r\n\r\n{Chat}")).ShouldNotBeNull();

        answer.Status.ShouldBe(200, answer.Text);
        ingress.LastRequest.Line.ShouldBe($"POST {upstream} HTTP/1.1");
        ingress.LastRequest.Header("Host").ShouldBe(ingress.Provider.Url.Authority);
    }

    public static TheoryData<string, int, string> BadPaths => new()
    {
        { "/%2e%2e/x", 400, "dot" },
        { "/../x", 400, "dots" },
        { "/./chat/completions", 400, "dots" },
        { "/..", 400, "dots" },
        { "/v1/%2e%2e/%2fetc", 400, "dot" },
        { "/v1/..%2f..%2fadmin", 400, "encoded slash" },
        { "/v1/models/%2fetc%2fpasswd", 400, "encoded slash" },
        { "/v1/models/a%2f", 400, "encoded slash" },
        { "/v1/chat/completions%0d%0aX-Injected:%20yes", 400, "control character" },
        { "/v1/chat/completions%0a", 400, "control character" },
        { "/v1/chat/completions%7f", 400, "control character" },
        { "/v1/chat%5ccompletions", 400, "backslash" },
        { "/v1/chat\\completions", 400, "percent-encoded" },
        { "/v1/chat/completions%252e", 400, "percent sign" },
        { "/v1/chat/completions{x}", 400, "percent-encoded" },
        { "/v1/chat/completions\"", 400, "percent-encoded" },
        { "/v1/chat/completions?a=\"b\"", 400, "query" },
        { "/v1/chat/completions?<script>", 400, "query" },
        { "/v1/realtime", 404, "nothing meters" },
        { "/v1/EMBEDDINGS", 404, "nothing meters" },
        { "/v1/chat%2Fcompletions", 404, "nothing meters" },
        { "/v1/threads/x%2Fruns", 404, "nothing meters" },
        { "/", 404, "nothing meters" },
        { "", 404, "nothing meters" },
    };

    [Theory]
    [MemberData(nameof(BadPaths))]
    public async Task A_target_that_leads_nowhere_is_refused_under_every_door(string tail, int status, string says)
    {
        var doors = new (string Prefix, string Host)[] { ("/proxy/openai", "localhost"), ("/openai", "proxy.example.com"), ("/v1", "localhost"), ("/proxy/anthropic", "localhost") };
        var counted = await ingress.CountAsync(async () =>
        {
            foreach (var (prefix, host) in doors)
            {
                var target = prefix == "/v1" ? tail.StartsWith("/v1/", StringComparison.Ordinal) ? tail : "/v1" + tail : prefix + tail;
                if (target is "/v1")
                    continue;
                var answer = await ingress.SendAsync($"POST {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {ingress.Key}\r\nContent-Length: {Chat.Length}\r\n\r\n{Chat}");
                answer.ShouldNotBeNull(target);
                answer.Status.ShouldBe(status, $"{target}: {answer.Text}");
                // What Kestrel itself can't read it answers without a body.
                if (answer.Body.Length > 0)
                    IngressProduct.ErrorMessage(answer.Text.Contains("\"request_id\"", StringComparison.Ordinal) ? "anthropic" : "openai", answer.Text).ShouldContain(says, Case.Insensitive, target);
            }
        });

        counted.ShouldBe((0, 0));
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("PUT")]
    [InlineData("PATCH")]
    [InlineData("DELETE")]
    [InlineData("OPTIONS")]
    [InlineData("TRACE")]
    [InlineData("PROPFIND")]
    [InlineData("post")]
    [InlineData("M-SEARCH")]
    public async Task The_wrong_method_is_told_so_and_echoes_nothing(string method)
    {
        foreach (var target in (string[])["/v1/embeddings", "/proxy/openai/v1/embeddings", "/proxy/anthropic/v1/messages"])
        {
            var answer = (await ingress.SendAsync(ingress.Head($"{method} {target} HTTP/1.1", "X-Canary: echo-me\r\nContent-Length: 0\r\n"))).ShouldNotBeNull();
            answer.Status.ShouldBeOneOf(404, 405);
            answer.Text.ShouldNotContain("echo-me");
            answer.Text.ShouldNotContain(ingress.Key);
        }
    }

    [Fact]
    public async Task Head_has_no_body_and_leaves_the_connection_in_order()
    {
        await using var client = await ingress.ConnectAsync();
        await client.SendAsync(ingress.Head("HEAD /v1/models HTTP/1.1") + ingress.Head("GET /v1/models HTTP/1.1"));

        (await client.ReadAsync(toHead: true))!.Status.ShouldBe(404);
        (await client.ReadAsync())!.Status.ShouldBe(200);
    }

    [Theory]
    [InlineData("/proxy/nobody/v1/chat/completions")]
    [InlineData("/proxy/OPENAI/v1/chat/completions")]
    [InlineData("/proxy//v1/chat/completions")]
    [InlineData("/proxy/open%61i/v1/chat/completions")]
    [InlineData("/proxy/")]
    public async Task An_unknown_provider_is_told_so(string target)
    {
        var answer = (await ingress.SendAsync(ingress.Post(target, Chat))).ShouldNotBeNull();

        answer.Status.ShouldBe(404);
        answer.Text.ShouldContain("unknown_provider");
    }

    [Fact]
    public async Task A_very_long_name_is_not_repeated_whole()
    {
        var answer = (await ingress.SendAsync(ingress.Post($"/proxy/{new string('a', 4000)}/v1/x", Chat))).ShouldNotBeNull();

        answer.Status.ShouldBe(404);
        answer.Body.Length.ShouldBeLessThan(500);
    }

    [Theory]
    [InlineData("/proxy/openai/v1/chat/completions", "openai")]
    [InlineData("/proxy/anthropic/v1/messages", "anthropic")]
    [InlineData("/proxy/anthropic/v1/chat/completions", "openai")]
    [InlineData("/proxy/deepseek/anthropic/v1/messages", "anthropic")]
    [InlineData("/proxy/gemini/v1beta/models/gemini-2.5-flash:generateContent", "gemini")]
    [InlineData("/proxy/gemini/v1beta/openai/chat/completions", "openai")]
    [InlineData("/proxy/cohere/v2/chat", "cohere")]
    [InlineData("/proxy/cohere/compatibility/v1/chat/completions", "openai")]
    [InlineData("/proxy/ollama/api/chat", "ollama")]
    [InlineData("/v1/chat/completions", "openai")]
    [InlineData("/v1/messages", "anthropic")]
    public async Task Without_a_key_each_dialect_hears_it_in_its_own_words(string target, string shape)
    {
        var answer = (await ingress.SendAsync($"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}")).ShouldNotBeNull();

        answer.Status.ShouldBe(401);
        answer["Content-Type"].ShouldBe("application/json; charset=utf-8");
        answer["x-should-retry"].ShouldBe("false");
        IngressProduct.ErrorMessage(shape, answer.Text).ShouldContain("no key was sent");
    }
}
