using System.Net;
using System.Text;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Ingress;

namespace Tokonomics.Web.Proxy.Tests.Http;

/// <summary>Calls by HTTP/2, with a library and by hand.</summary>
public sealed class Http2Tests(TlsProduct tls) : IClassFixture<TlsProduct>
{
    private const string Chat = """{"model":"gpt-4o-mini","messages":[]}""";

    [Fact]
    public async Task Plain_and_streamed_calls_pass_many_at_once()
    {
        var calls = Enumerable.Range(0, 60).Select(async i =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + (i % 2 == 0 ? tls.Product.TestKey : tls.Product.LiveKey));
            request.Content = new StringContent(i % 2 == 0 ? ProxyCalls.Chat(stream: i % 4 == 0) : Chat, Encoding.UTF8, "application/json");
            using var answer = await tls.Client.SendAsync(request);
            answer.Version.ShouldBe(HttpVersion.Version20);
            answer.StatusCode.ShouldBe(HttpStatusCode.OK);
            answer.Headers.Contains("Server").ShouldBeFalse();
            var text = await answer.Content.ReadAsStringAsync();
            if (i % 4 == 0)
                text.ShouldEndWith("data: [DONE]\n\n");
            else
                text.ShouldContain("\"usage\"");
        });
        await Task.WhenAll(calls);
    }

    [Fact]
    public async Task Refusals_and_the_end_of_a_connection_hop_are_told_in_http_2s_own_way()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/messages") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new StringContent("{", Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("x-api-key", tls.Product.TestKey);
        using var answer = await tls.Client.SendAsync(request);

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        IngressProduct.ErrorMessage("anthropic", await answer.Content.ReadAsStringAsync()).ShouldContain("JSON");
    }

    // RFC 9113 8.2: what a translation to HTTP/1.1 would turn into other headers or another request.
    public static TheoryData<string, string> Malformed => new()
    {
        { "transfer-encoding", "chunked" },
        { "connection", "close" },
        { "connection", "x-note" },
        { "keep-alive", "timeout=5" },
        { "proxy-connection", "keep-alive" },
        { "upgrade", "websocket" },
        { "te", "gzip" },
        { "X-Upper", "a" },
        { "x note", "a" },
        { "x-note:", "a" },
        { "x-note\r\nx-injected", "a" },
        { "x-note\0", "a" },
        { "", "a" },
        { "x-note", "a\r\nx-injected: b" },
        { "x-note", "a\nb" },
        { "x-note", "a\rb" },
        { "x-note", "a\0b" },
        { "x-note", "a\u0001b" },
        { "x-note", "a\u007fb" },
        { "content-length", "+5" },
        { "content-length", "5, 5" },
        { "content-length", "-1" },
        { "content-length", "99999999999999999999" },
        { ":path", "/v1/other" },
        { ":method", "GET" },
        { ":unknown", "a" },
        { ":status", "200" },
        { "x-n\u00f6te", "a" },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public async Task A_header_that_would_change_its_meaning_on_the_way_is_refused(string name, string value)
    {
        var before = tls.Provider.Requests.Count;
        await using var connection = await tls.ConnectAsync();
        var status = await connection.RequestAsync(
            [(":method", "POST"), (":scheme", "https"), (":path", "/v1/chat/completions"), (":authority", "localhost"), ("authorization", "Bearer " + tls.Product.LiveKey), ("content-type", "application/json"), (name, value)], Chat);

        (status is null or >= 400 and < 500).ShouldBeTrue($"{name}: {value} got {status}");
        tls.Provider.Requests.Count.ShouldBe(before);
        await using var other = await tls.ConnectAsync();
        (await other.RequestAsync(Sound("/v1/chat/completions"), Chat)).ShouldBe(200);
    }

    [Fact]
    public async Task A_host_beside_the_authority_counts_for_nothing()
    {
        await using var connection = await tls.ConnectAsync();
        (await connection.RequestAsync([.. Sound("/v1/chat/completions"), ("host", "proxy.other.example")], Chat)).ShouldBe(200);
        tls.Provider.Requests.Last().Header("Host").ShouldBe(tls.Provider.Url.Authority);
    }

    [Theory]
    [InlineData("/v1/chat/completions\r\nx: y")]
    [InlineData("/v1/chat completions")]
    [InlineData("/v1/%2e%2e/x")]
    [InlineData("/proxy/openai/v1/a%2f..%2fb")]
    [InlineData("v1/chat/completions")]
    [InlineData("")]
    [InlineData("/v1/chat\0")]
    public async Task A_bad_path_is_refused(string path)
    {
        var before = tls.Provider.Requests.Count;
        await using var connection = await tls.ConnectAsync();
        var status = await connection.RequestAsync(Sound(path), Chat);

        (status is null or >= 400 and < 500).ShouldBeTrue($"{path} got {status}");
        tls.Provider.Requests.Count.ShouldBe(before);
    }

    [Theory]
    [InlineData("5")]
    [InlineData("5000")]
    public async Task A_length_that_is_not_the_bodys_is_refused(string length)
    {
        var before = tls.Provider.Requests.Count;
        await using var connection = await tls.ConnectAsync();
        var status = await connection.RequestAsync([.. Sound("/v1/chat/completions"), ("content-length", length)], Chat);

        (status is null or >= 400 and < 500).ShouldBeTrue($"{status}");
        tls.Provider.Requests.Count.ShouldBe(before);
    }

    [Fact]
    public async Task A_client_that_resets_all_its_requests_harms_no_other()
    {
        await using var rude = await tls.ConnectAsync();
        await rude.ResetManyAsync(Sound("/v1/chat/completions"), 500);

        await using var other = await tls.ConnectAsync();
        for (var i = 0; i < 5; i++)
            (await other.RequestAsync(Sound("/v1/chat/completions"), Chat)).ShouldBe(200);
    }

    private (string, string)[] Sound(string path) =>
        [(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "localhost"), ("authorization", "Bearer " + tls.Product.LiveKey), ("content-type", "application/json")];
}
