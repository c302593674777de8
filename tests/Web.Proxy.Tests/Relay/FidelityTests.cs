using System.Globalization;
using System.Text;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Relay;

/// <summary>What crosses unchanged, in both directions, and what doesn't cross.</summary>
public sealed class FidelityTests(Upstream upstream) : IClassFixture<Upstream>
{
    public static TheoryData<int> Statuses => [200, 201, 202, 203, 206, 226, 299, 300, 301, 302, 303, 305, 306, 307, 308, 399, 600, 999];

    [Theory]
    [MemberData(nameof(Statuses))]
    public async Task Any_status_passes_with_its_body_and_no_redirect_is_followed(int status)
    {
        var before = upstream.Provider.Requests.Count;
        var seen = await upstream.SeeAsync(ClientCall.Chat(), StreamSample.Plain("Location: https://elsewhere.example/v1?x=1\r\n", status));

        seen.Status.ShouldBe(status);
        seen.Text.ShouldContain("\"Hi\"");
        seen.Header("location").ShouldBe("https://elsewhere.example/v1?x=1");
        seen["status"].ShouldBe(status.ToString(CultureInfo.InvariantCulture));
        seen["outcome"].ShouldBe("completed");
        (upstream.Provider.Requests.Count - before).ShouldBe(1);
    }

    [Theory]
    [InlineData(204, "")]
    [InlineData(204, "Content-Length: 0\r\n")]
    [InlineData(205, "Content-Length: 0\r\n")]
    [InlineData(205, "Content-Length: 2\r\n")]
    [InlineData(205, "Transfer-Encoding: chunked\r\n")]
    [InlineData(304, "ETag: \"x\"\r\n")]
    [InlineData(304, "Content-Length: 2\r\n")]
    public async Task A_status_without_a_body_passes_without_one(int status, string headers)
    {
        foreach (var call in (ClientCall[])[ClientCall.Chat(), ClientCall.Messages(true)])
        {
            var body = headers.StartsWith("Content-Length: 2", StringComparison.Ordinal) && status == 205 ? "{}" : headers.StartsWith("Transfer", StringComparison.Ordinal) ? "2\r\n{}\r\n0\r\n\r\n" : "";
            var seen = await upstream.SeeAsync(call, Encoding.UTF8.GetBytes($"HTTP/1.1 {status} X\r\n{headers}\r\n{body}"));

            seen.Status.ShouldBe(status);
            seen.Body.ShouldBeEmpty();
            seen["outcome"].ShouldBe("completed");
            var next = await upstream.SeeAsync(ClientCall.Chat(), StreamSample.Plain());
            next.Text.ShouldContain("\"Hi\"");
        }
    }

    [Theory]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\n")]
    [InlineData("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")]
    [InlineData("HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\nHTTP/1.1 199 What\r\n\r\n")]
    public async Task Interim_answers_are_not_the_answer(string interim)
    {
        var seen = await upstream.SeeAsync(ClientCall.Chat(), [.. Encoding.ASCII.GetBytes(interim), .. StreamSample.Plain()]);

        seen.Status.ShouldBe(200);
        seen.Header("link").ShouldBeNull();
        (seen.Input, seen.Output).ShouldBe((12, 7));
    }

    [Fact]
    public async Task An_http_1_0_provider_without_a_length_or_a_content_type_is_read_to_its_close()
    {
        const string Body = """{"model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":7}}""";
        foreach (var head in (string[])["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
        {
            var seen = await upstream.SeeAsync(ClientCall.Chat(), async (_, socket) =>
            {
                await FakeProvider.SendAsync(socket, head + Body);
                socket.Close();
            });

            seen.Text.ShouldBe(Body);
            seen.Whole.ShouldBeTrue();
            seen.Header("content-type").ShouldBe(head.Contains("json", StringComparison.Ordinal) ? "application/json" : null);
            (seen.Input, seen.Output, seen["usage_source"]).ShouldBe((12, 7, "reported"));
        }
    }

    [Fact]
    public async Task The_providers_headers_pass_and_those_of_the_hop_do_not()
    {
        string[] pass =
        [
            "x-request-id: req_1", "request-id: req_2", "openai-organization: org", "openai-processing-ms: 12", "openai-version: 2020-10-01", "anthropic-organization-id: a", "anthropic-ratelimit-requests-limit: 5",
            "x-ratelimit-limit-requests: 1", "x-ratelimit-remaining-tokens: 2", "x-ratelimit-reset-requests: 1s", "retry-after: 3", "retry-after-ms: 3", "x-should-retry: false", "cf-ray: abc-FRA", "cache-control: no-store",
            "vary: Origin", "content-language: de", "etag: \"x\"", "x-unicode: caf\u00e9", "x-spaces: a  b", "warning: 199 - \"x\"", "content-disposition: attachment; filename=\"a.json\"", "azureml-model-session: d1", "x-goog-ext: 1",
            "www-authenticate: Bearer", "accept-ranges: none", "content-location: /x", "expires: 0", "deprecation: true", "sunset: Sat, 31 Dec 2026 23:59:59 GMT",
        ];
        string[] stop =
        [
            "connection: keep-alive, x-named", "x-named: 1", "keep-alive: timeout=5", "proxy-authenticate: Basic", "upgrade: h2c", "trailer: x-late", "te: trailers", "proxy-connection: keep-alive", "set-cookie: __cf_bm=1; path=/",
            "server: cloudflare", "strict-transport-security: max-age=1", "alt-svc: h3=\":443\"", "x-tokonomics-request-id: forged", "x-tokonomics-cost: 0", "x-powered-by: Express", "nel: {}",
        ];
        var plain = StreamSample.Plain();
        var head = plain.AsSpan().IndexOf("\r\n\r\n"u8) + 2;
        byte[] answer = [.. plain[..head], .. Encoding.Latin1.GetBytes(string.Concat(pass.Concat(stop).Select(h => h + "\r\n"))), .. plain[head..]];

        using var client = new HttpClient(new SocketsHttpHandler { ResponseHeaderEncodingSelector = (_, _) => Encoding.Latin1 });
        using var request = upstream.Request(ClientCall.Chat(), (_, socket) => FakeProvider.SendAsync(socket, answer));
        using var response = await client.SendAsync(request);

        string? Header(string name) => response.Headers.NonValidated.TryGetValues(name, out var v) || response.Content.Headers.NonValidated.TryGetValues(name, out v) ? v.ToString() : null;
        foreach (var line in pass)
            Header(line[..line.IndexOf(':')]).ShouldBe(line[(line.IndexOf(':') + 2)..], line);
        foreach (var line in stop.Where(l => !l.StartsWith("x-tokonomics-request-id", StringComparison.Ordinal)))
            Header(line[..line.IndexOf(':')]).ShouldBeNull(line);
        Header("x-tokonomics-request-id")!.ShouldStartWith("req_");
        (await upstream.RowAsync(response.RequestId())).GetProperty("provider_request_id").GetString().ShouldBe("req_1");
    }

    [Fact]
    public async Task Many_large_and_repeated_headers_pass_and_too_large_ones_are_said()
    {
        var many = await upstream.SeeAsync(ClientCall.Chat(), StreamSample.Plain(string.Concat(Enumerable.Range(0, 300).Select(i => $"x-h-{i}: v{i}\r\n"))));
        for (var i = 0; i < 300; i++)
            many.Header($"x-h-{i}").ShouldBe($"v{i}");

        var large = await upstream.SeeAsync(ClientCall.Chat(), StreamSample.Plain($"x-large: {new string('x', 60_000)}\r\n"));
        large.Header("x-large")!.Length.ShouldBe(60_000);

        using var repeated = await upstream.CallAsync(ClientCall.Chat(), (_, socket) => FakeProvider.SendAsync(socket, StreamSample.Plain("x-dup: a\r\nx-dup: b, c\r\nX-Dup: a\r\n")));
        repeated.Headers.NonValidated["x-dup"].ShouldBe(["a", "b, c", "a"]);

        var tooLarge = await upstream.SeeAsync(ClientCall.Chat(), StreamSample.Plain($"x-large: {new string('x', 70_000)}\r\n"));
        tooLarge.Status.ShouldBe(502);
        tooLarge.Text.ShouldContain("its answer's headers are too large");
        tooLarge["outcome"].ShouldBe("unreachable");
    }

    public static TheoryData<string> Bodies =>
    [
        """{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]}""",
        " \t\r\n{ \"model\" :\n\t\"gpt-4o-mini\" ,\r\n \"messages\" : [ ] } \r\n\n ",
        """{"model":"gpt-4o-mini","temperature":1.0,"top_p":1e0,"seed":-0,"max_tokens":1E1,"x":0.10000000000000000000001,"y":123456789012345678901234567890}""",
        """{"model":"gpt-4o-mini","messages":[{"role":"user","content":"\u00e9é\ud83d\udc4b👋\/\u0000\b\f\n"}]}""",
        """{"model":"gpt-4o-mini","metadata":{"a":1,"a":2},"unknown":null,"unknown":[]}""",
        """{"messages":[{"role":"user","content":"model\":\"no"}],"model":"gpt-4o-mini","user":"model"}""",
        """{"model":"gpt-4o-mini","messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"model":{"type":"string"},"stream":{"type":"boolean"}}}}}]}""",
        """{"\u006dodel":"gpt-4o-mini","messages":[]}""",
        """{"model":"gpt-4o-mini","stream":false,"stream_options":null}""",
        """{"model":"gpt-4o-mini","stream":true,"stream_options":{"include_usage":true}}""",
        """{"model":"gpt-4o-mini","stream":true , "stream_options" : { "x":1, "include_usage" : true }}""",
        "{\"model\":\"gpt-4o-mini\",\"messages\":\"" + "0123456789abcdef" + "\"}",
    ];

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task A_request_body_reaches_the_provider_byte_for_byte(string body)
    {
        foreach (var bytes in (byte[][])[Encoding.UTF8.GetBytes(body), [0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(body)]])
        {
            byte[]? got = null;
            var seen = await upstream.SeeAsync(new ClientCall("/proxy/openai/v1/chat/completions", bytes), (request, socket) =>
            {
                got = request.Body;
                return FakeProvider.SendAsync(socket, StreamSample.Plain());
            });

            seen.Status.ShouldBe(200, seen.Text);
            got.ShouldBe(bytes);
        }
    }

    [Fact]
    public async Task A_large_body_of_random_text_reaches_the_provider_byte_for_byte()
    {
        var random = new Random(7);
        var text = new StringBuilder("{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"");
        while (text.Length < 5_000_000)
            text.Append(random.Next(30) switch { 0 => "\\n", 1 => "é", 2 => "👋", 3 => "\\\"", 4 => "\\\\", var n => new string((char)('a' + (n % 26)), n) });
        var bytes = Encoding.UTF8.GetBytes(text.Append("\"}]}").ToString());
        byte[]? got = null;
        var seen = await upstream.SeeAsync(new ClientCall("/proxy/openai/v1/chat/completions", bytes), (request, socket) =>
        {
            got = request.Body;
            return FakeProvider.SendAsync(socket, StreamSample.Plain());
        });

        seen.Status.ShouldBe(200);
        got.AsSpan().SequenceEqual(bytes).ShouldBeTrue();
        seen["request_bytes"].ShouldBe(bytes.Length.ToString(CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("openai", "Authorization", "Bearer secret-of-openai")]
    [InlineData("anthropic", "x-api-key", "secret-of-anthropic")]
    [InlineData("gemini", "x-goog-api-key", "secret-of-gemini")]
    [InlineData("azure-openai", "api-key", "secret-of-azure-openai")]
    [InlineData("ollama", "Authorization", null)]
    public async Task The_providers_own_key_leaves_where_the_provider_wants_it_and_the_metering_key_never_does(string provider, string header, string? expected)
    {
        FakeRequest? got = null;
        await upstream.SeeAsync(new ClientCall($"/proxy/{provider}/chat/completions?key={upstream.Product.LiveKey}&api-version=1", ProxyCalls.Chat(), ("Cookie", "a=b"), ("X-Forwarded-For", "10.0.0.1"), ("x-custom", "kept"), ("User-Agent", "sdk/1.0")), (request, socket) =>
        {
            got = request;
            return FakeProvider.SendAsync(socket, StreamSample.Plain());
        });

        got!.Header(header).ShouldBe(expected);
        got.Line.ShouldEndWith("?api-version=1 HTTP/1.1");
        (got.Line + string.Join('\n', got.Headers)).ShouldNotContain("mk_");
        got.Header("cookie").ShouldBeNull();
        got.Header("x-forwarded-for").ShouldBeNull();
        got.Header("x-custom").ShouldBe("kept");
        got.Header("user-agent").ShouldBe("sdk/1.0");
        got.Headers.Count(h => h.Key.StartsWith("x-tokonomics", StringComparison.OrdinalIgnoreCase)).ShouldBe(0);
    }
}
