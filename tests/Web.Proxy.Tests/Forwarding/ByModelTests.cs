using System.Text;
using System.Text.Json;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Relay;

namespace Tokonomics.Web.Proxy.Tests.Forwarding;

/// <summary><c>/v1/…</c>, where the model names the provider, and endpoints that a tenant added.</summary>
public sealed class ByModelTests(ByModelTests.OwnEndpoints upstream) : IClassFixture<ByModelTests.OwnEndpoints>
{
    public sealed class OwnEndpoints : Upstream
    {
        protected override IEnumerable<KeyValuePair<string, string?>> Settings => [new("Endpoints:AllowPrivate", "true"), new("Proxy:MaxUploadBytes", "2048")];
    }

    public static TheoryData<string, string, string, string, string> Routed => new()
    {
        { "chat/completions", """{"model":"openai/gpt-4o-mini","messages":[]}""", "openai", "POST /v1/chat/completions HTTP/1.1", """{"model":"gpt-4o-mini","messages":[]}""" },
        { "chat/completions", " { \"x\" : 1.0,\t\"model\" : \"openai\\/gpt-4o-mini\" , \"y\":\"\\u00e9\" } ", "openai", "POST /v1/chat/completions HTTP/1.1", " { \"x\" : 1.0,\t\"model\" : \"gpt-4o-mini\" , \"y\":\"\\u00e9\" } " },
        { "chat/completions", """{"model":"groq/llama-3.3-70b-versatile"}""", "groq", "POST /openai/v1/chat/completions HTTP/1.1", """{"model":"llama-3.3-70b-versatile"}""" },
        { "chat/completions", """{"model":"openrouter/openai/gpt-4o-mini"}""", "openrouter", "POST /api/v1/chat/completions HTTP/1.1", """{"model":"openai/gpt-4o-mini"}""" },
        { "chat/completions", """{"model":"groq/some-model-that-no-sheet-lists"}""", "groq", "POST /openai/v1/chat/completions HTTP/1.1", """{"model":"some-model-that-no-sheet-lists"}""" },
        { "chat/completions", """{"model":"gpt-4o-mini"}""", "openai", "POST /v1/chat/completions HTTP/1.1", """{"model":"gpt-4o-mini"}""" },
        { "chat/completions", """{"stream":true,"model":"openai/gpt-4o-mini"}""", "openai", "POST /v1/chat/completions HTTP/1.1", """{"stream_options":{"include_usage":true},"stream":true,"model":"gpt-4o-mini"}""" },
        { "chat/completions", """{"model":"openai/gpt-4o-mini","stream":true,"stream_options":{}}""", "openai", "POST /v1/chat/completions HTTP/1.1", """{"model":"gpt-4o-mini","stream":true,"stream_options":{"include_usage":true}}""" },
        { "chat/completions", """{"model":"groq/llama-3.3-70b-versatile","stream":true}""", "groq", "POST /openai/v1/chat/completions HTTP/1.1", """{"model":"llama-3.3-70b-versatile","stream":true}""" },
        { "messages", """{"model":"claude-sonnet-4-5","max_tokens":9}""", "anthropic", "POST /v1/messages HTTP/1.1", """{"model":"claude-sonnet-4-5","max_tokens":9}""" },
        { "messages", """{"model":"fireworks/accounts/fireworks/models/deepseek-v3p2","max_tokens":9}""", "fireworks", "POST /inference/v1/messages HTTP/1.1", """{"model":"accounts/fireworks/models/deepseek-v3p2","max_tokens":9}""" },
        { "embeddings", """{"model":"voyage/voyage-3-large","input":"x"}""", "voyage", "POST /v1/embeddings HTTP/1.1", """{"model":"voyage-3-large","input":"x"}""" },
        { "responses", """{"model":"openai/gpt-4o-mini","input":"openai/gpt-4o-mini"}""", "openai", "POST /v1/responses HTTP/1.1", """{"model":"gpt-4o-mini","input":"openai/gpt-4o-mini"}""" },
    };

    [Theory]
    [MemberData(nameof(Routed))]
    public async Task The_model_finds_the_provider_and_only_its_name_is_replaced(string path, string body, string provider, string line, string expected)
    {
        FakeRequest? got = null;
        var seen = await upstream.SeeAsync(new ClientCall($"/v1/{path}", body), (request, socket) =>
        {
            got = request;
            return FakeProvider.SendAsync(socket, StreamSample.Plain());
        });

        seen.Status.ShouldBe(200, seen.Text);
        got!.Line.ShouldBe(line);
        got.Text.ShouldBe(expected);
        seen["provider"].ShouldBe(provider);
        seen["request_model"].ShouldBe(JsonDocument.Parse(expected).RootElement.GetProperty("model").GetString());
    }

    [Theory]
    [InlineData("/v1/chat/completions", """{"model":"no-such-model-anywhere"}""", 404, "unknown_model")]
    [InlineData("/v1/chat/completions", """{"model":"nobody/gpt-4o-mini"}""", 404, "unknown_model")]
    [InlineData("/v1/chat/completions", """{"model":"sandbox-small"}""", 404, "unknown_model")] // the sandbox is for test keys
    [InlineData("/v1/chat/completions", """{"model":"openai/"}""", 404, "unknown_model")]
    [InlineData("/v1/chat/completions", """{"model":7}""", 400, "bad_request_body")]
    [InlineData("/v1/chat/completions", "", 400, "bad_request_body")]
    [InlineData("/v1/nothing/here", "{}", 404, "unmetered_route")]
    [InlineData("/proxy/nobody/v1/chat/completions", "{}", 404, "unknown_provider")]
    [InlineData("/proxy/openai/v1/realtime/sessions", "{}", 404, "unmetered_route")]
    [InlineData("/proxy/openai/v1/chat/completions", """{"model":"a","model":"b"}""", 400, "bad_request_body")]
    public async Task What_leads_nowhere_is_refused_and_forwarded_nowhere(string path, string body, int status, string code)
    {
        var before = upstream.Provider.Requests.Count;
        using var request = upstream.Request(new ClientCall(path, body), (_, socket) => FakeProvider.SendAsync(socket, StreamSample.Plain()));
        using var answer = await upstream.Product.Client.SendAsync(request);

        ((int)answer.StatusCode).ShouldBe(status);
        JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("error").GetProperty("code").GetString().ShouldBe(code);
        answer.Headers.GetValues("x-should-retry").Single().ShouldBe("false");
        upstream.Provider.Requests.Count.ShouldBe(before);
    }

    [Fact]
    public async Task A_test_key_reaches_the_sandbox_by_its_models()
    {
        using var answer = await upstream.Product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small", stream: true));
        var (body, whole) = await Upstream.ReadAsync(answer);

        whole.ShouldBeTrue();
        Encoding.UTF8.GetString(body).ShouldNotContain("\"choices\":[]");
        Encoding.UTF8.GetString(body).ShouldEndWith("data: [DONE]\n\n");
        var row = await upstream.RowAsync(answer.RequestId());
        row.GetProperty("usage_source").GetString().ShouldBe("reported");
        row.GetProperty("environment").GetString().ShouldBe("test");
    }

    [Fact]
    public async Task An_endpoint_of_the_tenants_own_is_reached_by_its_name_and_by_its_models()
    {
        using (var added = await upstream.Product.ApiAsync(HttpMethod.Post, "endpoints", new StringContent($$"""{"name":"mine","base_url":"{{upstream.Provider.Url}}deep/v9","surface":"openai"}""", Encoding.UTF8, "application/json")))
            ((int)added.StatusCode).ShouldBe(201, await added.Content.ReadAsStringAsync());

        foreach (var (path, body) in (IEnumerable<(string, string)>)[("/proxy/mine/chat/completions", """{"model":"own-model"}"""), ("/v1/chat/completions", """{"model":"mine/own-model"}""")])
        {
            FakeRequest? got = null;
            var seen = await upstream.SeeAsync(new ClientCall(path, body), (request, socket) =>
            {
                got = request;
                return FakeProvider.SendAsync(socket, StreamSample.Plain(usage: """{"prompt_tokens":12,"completion_tokens":7}"""));
            });

            seen.Status.ShouldBe(200, seen.Text);
            got!.Line.ShouldBe("POST /deep/v9/chat/completions HTTP/1.1");
            got.Text.ShouldBe("""{"model":"own-model"}""");
            got.Header("authorization").ShouldBeNull(); // no key of that name is stored
            seen["provider"].ShouldBe("mine");
            (seen.Input, seen.Output).ShouldBe((12, 7));
        }
    }

    [Fact]
    public async Task An_upload_that_turns_out_too_large_is_the_clients_fault_and_not_the_providers()
    {
        using var request = upstream.Request(new ClientCall("/proxy/openai/v1/files", new byte[2_100]), (_, socket) => FakeProvider.SendAsync(socket, FakeProvider.Json("{}")));
        request.Headers.TransferEncodingChunked = true;
        request.Content!.Headers.ContentLength = null;
        using var answer = await upstream.Product.Client.SendAsync(request);

        ((int)answer.StatusCode).ShouldBe(413);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("bad_request_body");
        var row = await upstream.RowAsync(answer.RequestId());
        row.GetProperty("cost_usd").GetString().ShouldBe("0");
        row.GetProperty("outcome").GetString().ShouldBe("client_gone");
    }
}
