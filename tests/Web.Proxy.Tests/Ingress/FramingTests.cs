using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Ingress;

/// <summary>
/// Requests whose end two servers could see at different places, and bytes that no request may have: each is refused once, by 4xx, and the
/// connection is no longer used, so that what follows can't be taken for a request.
/// </summary>
[Collection("ingress")]
public sealed class FramingTests(IngressProduct ingress)
{
    private const string Smuggled = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n";

    private const string Chat = """{"model":"gpt-4o-mini","messages":[]}""";

    // {0}: the request target with its key. Each case is a whole request but for the fault in it.
    private static readonly (string Name, string Request)[] Cases =
    [
        ("a length and chunks", P("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("chunks and a length", P("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n")),
        ("a length of 0 and chunks", P("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("two lengths", P("Content-Length: 3\r\nContent-Length: 4\r\n\r\n{ }")),
        ("two equal lengths", P("Content-Length: 3\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a list of lengths", P("Content-Length: 3, 3\r\n\r\n{ }")),
        ("a list of different lengths", P("Content-Length: 3, 4\r\n\r\n{ }")),
        ("a length with plus", P("Content-Length: +3\r\n\r\n{ }")),
        ("a length with minus", P("Content-Length: -3\r\n\r\n{ }")),
        ("a length in hexadecimal", P("Content-Length: 0x3\r\n\r\n{ }")),
        ("a length with a fraction", P("Content-Length: 3.0\r\n\r\n{ }")),
        ("a length with an exponent", P("Content-Length: 3e0\r\n\r\n{ }")),
        ("a length with an underscore", P("Content-Length: 1_0\r\n\r\n{ }")),
        ("an empty length", P("Content-Length: \r\n\r\n{ }")),
        ("a length in words", P("Content-Length: three\r\n\r\n{ }")),
        ("a length beyond 64 bits", P("Content-Length: 99999999999999999999\r\n\r\n{ }")),
        ("a length with a space inside", P("Content-Length: 1 0\r\n\r\n{ }")),
        ("a length in quotes", P("Content-Length: \"3\"\r\n\r\n{ }")),
        ("a space before the colon of the length", P("Content-Length : 3\r\n\r\n{ }")),
        ("a tab before the colon of the length", P("Content-Length\t: 3\r\n\r\n{ }")),
        ("a space before the colon of the coding", P("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")),
        ("an unknown coding", P("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")),
        ("chunked that is not last", P("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")),
        ("gzip behind chunked", P("Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n")),
        ("identity alone", P("Transfer-Encoding: identity\r\n\r\n")),
        ("gzip alone", P("Transfer-Encoding: gzip\r\n\r\n")),
        ("an empty coding", P("Transfer-Encoding: \r\n\r\n0\r\n\r\n")),
        ("chunked in quotes", P("Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n")),
        ("chunked behind a vertical tab", P("Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n")),
        ("chunked with a NUL", P("Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n")),
        ("chunked twice in one line", P("Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n")),
        ("chunked in two lines", P("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("chunked and identity in two lines", P("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n")),
        ("identity and chunked in two lines", P("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("a folded coding", P("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")),
        ("a folded header", P("X-Note: a\r\n b\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a folded header by tab", P("X-Note: a\r\n\tb\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a first header that is folded", "POST /v1/chat/completions HTTP/1.1\r\n X: y\r\nHost: localhost\r\n\r\n"),
        ("bare line feeds throughout", P("Content-Length: 3\r\n\r\n{ }").Replace("\r\n", "\n", StringComparison.Ordinal)),
        ("one bare line feed in the head", P("X-Note: a\nContent-Length: 3\r\n\r\n{ }")),
        ("a bare line feed after the request line", P("Content-Length: 3\r\n\r\n{ }").Replace("HTTP/1.1\r\n", "HTTP/1.1\n", StringComparison.Ordinal)),
        ("bare carriage returns throughout", P("Content-Length: 3\r\n\r\n{ }").Replace("\r\n", "\r", StringComparison.Ordinal)),
        ("one bare carriage return in a value", P("X-Note: a\rX-Other: b\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a carriage return before the line's end", P("X-Note: a\r\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a header without a colon", P("X-Note\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a header without a name", P(": note\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a header name with a space", P("X Note: a\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a header name with a NUL", P("X\0Note: a\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a header name with a letter beyond ASCII", P("X-N\u00f6te: a\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a value with a NUL", P("X-Note: a\0b\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a value with a bell", P("X-Note: a\ab\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a value with an escape", P("X-Note: a\u001bb\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a value with a delete", P("X-Note: a\u007fb\r\nContent-Length: 3\r\n\r\n{ }")),
        ("no Host", $"POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer {{0}}\r\nContent-Length: {Chat.Length}\r\n\r\n{Chat}"),
        ("two Hosts", P("Host: other.example\r\nContent-Length: 3\r\n\r\n{ }")),
        ("two equal Hosts", P("Host: localhost\r\nContent-Length: 3\r\n\r\n{ }")),
        ("a Host with a user", WithHost("user@localhost")),
        ("a Host with a path", WithHost("localhost/v1")),
        ("a Host with a space", WithHost("local host")),
        ("a Host list", WithHost("localhost, other.example")),
        ("a Host with a port that is none", WithHost("localhost:port")),
        ("an absolute target that contradicts the Host", "GET http://other.example/v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {0}\r\n\r\n"),
        ("a space in the target", "GET /v1/mod els HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("two spaces before the target", "GET  /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("a tab after the method", "GET\t/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("a NUL in the target", "GET /v1/mod\0els HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("an encoded NUL in the target", "GET /v1/mod%00els HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {0}\r\n\r\n"),
        ("a target without slash", "GET v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("no version", "GET /v1/models\r\nHost: localhost\r\n\r\n"),
        ("version 0.9", "GET /v1/models HTTP/0.9\r\nHost: localhost\r\n\r\n"),
        ("version 1.2 (named by no standard)", "GET /v1/models HTTP/1.2\r\nHost: localhost\r\n\r\n"),
        ("version 3", "GET /v1/models HTTP/3.0\r\nHost: localhost\r\n\r\n"),
        ("version in small letters", "GET /v1/models http/1.1\r\nHost: localhost\r\n\r\n"),
        ("words behind the version", "GET /v1/models HTTP/1.1 x\r\nHost: localhost\r\n\r\n"),
        ("a method with a control character", "G\u0001T /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("TLS to a plain port", "\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003\r\n\r\n"),
        ("a chunk size with a sign", Chunked("+3\r\n{ }\r\n0\r\n\r\n")),
        ("a chunk size with 0x", Chunked("0x3\r\n{ }\r\n0\r\n\r\n")),
        ("a chunk size with a minus", Chunked("-3\r\n{ }\r\n0\r\n\r\n")),
        ("a chunk size that is a word", Chunked("size\r\n{ }\r\n0\r\n\r\n")),
        ("an empty chunk size", Chunked("\r\n{ }\r\n0\r\n\r\n")),
        ("a chunk size past 32 bits", Chunked("100000003\r\n{ }\r\n0\r\n\r\n")),
        ("a chunk size past 64 bits", Chunked("FFFFFFFFFFFFFFFFF\r\n{ }\r\n0\r\n\r\n")),
        ("a chunk size of 2^63", Chunked("8000000000000000\r\n{ }\r\n0\r\n\r\n")),
        ("a chunk size past 64 bits that wraps to 3", Chunked("10000000000000003\r\n{ }\r\n0\r\n\r\n")),
        ("a chunk size ended by a bare line feed", Chunked("3\n{ }\r\n0\r\n\r\n")),
        ("a chunk size ended by a bare carriage return", Chunked("3\r{ }\r\n0\r\n\r\n")),
        ("a chunk extension with a bare line feed", Chunked("3;a\nb\r\n{ }\r\n0\r\n\r\n")),
        ("a chunk extension with a bare carriage return", Chunked("3;a\rb\r\n{ }\r\n0\r\n\r\n")),
        ("a chunk longer than its size", Chunked("1\r\n{ }\r\n0\r\n\r\n")),
        ("a chunk ended by a bare line feed", Chunked("3\r\n{ }\n0\r\n\r\n")),
        ("a trailer with a bare line feed", Chunked("3\r\n{ }\r\n0\r\nX: a\nY: b\r\n\r\n")),
        ("a trailer without a colon", Chunked("3\r\n{ }\r\n0\r\nX\r\n\r\n")),
    ];

    internal static IEnumerable<(string Name, string Request)> AllCases => Cases;

    public static TheoryData<string> Names => [.. Cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task An_ambiguous_request_is_refused_once_and_forwarded_never(string name)
    {
        var request = Cases.Single(c => c.Name == name).Request.Replace("{0}", ingress.Key, StringComparison.Ordinal);
        RawAnswer? answer = null;
        var second = false;
        var counted = await ingress.CountAsync(async () =>
        {
            await using var client = await ingress.ConnectAsync();
            await client.SendAsync(request + Smuggled);
            answer = await client.ReadAsync();
            second = answer is not null && !await client.EndsAsync();
        });

        answer.ShouldNotBeNull("a refusal says so before it closes");
        if (name.Contains("version", StringComparison.Ordinal) && answer.Status == 505)
            answer = answer with { Status = 400 };
        answer.Status.ShouldBeInRange(400, 499, answer.Text);
        second.ShouldBeFalse("what follows an ambiguous request must not be read as another");
        counted.ShouldBe((0, 0));
    }

    [Fact]
    public async Task Sound_requests_of_every_framing_pass()
    {
        (string Name, string Request)[] sound =
        [
            ("a length", Good($"Content-Length: {Chat.Length}\r\n\r\n{Chat}")),
            ("a length with leading zeros", Good($"Content-Length: 00{Chat.Length}\r\n\r\n{Chat}")),
            ("one chunk", Good($"Transfer-Encoding: chunked\r\n\r\n{Chat.Length:x}\r\n{Chat}\r\n0\r\n\r\n")),
            ("chunked in capitals", Good($"Transfer-Encoding: CHUNKED\r\n\r\n{Chat.Length:X}\r\n{Chat}\r\n0\r\n\r\n")),
            ("chunks of one byte", Good("Transfer-Encoding: chunked\r\n\r\n" + string.Concat(Chat.Select(c => $"1\r\n{c}\r\n")) + "0\r\n\r\n")),
            ("a chunk extension", Good($"Transfer-Encoding: chunked\r\n\r\n{Chat.Length:x};a=b\r\n{Chat}\r\n0\r\n\r\n")),
            ("a trailer", Good($"Transfer-Encoding: chunked\r\n\r\n{Chat.Length:x}\r\n{Chat}\r\n0\r\nX-Sum: 1\r\n\r\n")),
            ("a tab in a value", Good($"X-Note: a\tb\r\nContent-Length: {Chat.Length}\r\n\r\n{Chat}")),
            ("a value beyond ASCII", Good($"X-Note: \u00e4\u00df\r\nContent-Length: {Chat.Length}\r\n\r\n{Chat}")),
            ("no space after the colon", Good($"X-Note:a\r\nContent-Length:{Chat.Length}\r\n\r\n{Chat}")),
            ("an empty value", Good($"X-Note:\r\nContent-Length: {Chat.Length}\r\n\r\n{Chat}")),
            ("an empty line before", "\r\n" + Good($"Content-Length: {Chat.Length}\r\n\r\n{Chat}")),
        ];
        foreach (var (name, request) in sound)
        {
            await using var client = await ingress.ConnectAsync();
            await client.SendAsync(request + request);
            for (var i = 0; i < 2; i++)
            {
                var answer = (await client.ReadAsync()).ShouldNotBeNull(name);
                answer.Status.ShouldBe(200, $"{name}: {answer.Text}");
                ingress.LastRequest.Text.ShouldBe(Chat, name);
            }
        }

        string Good(string rest) => $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ingress.Key}\r\nContent-Type: application/json\r\n{rest}";
    }

    [Theory]
    [InlineData("/healthz")]
    [InlineData("/api/v1/keys")]
    [InlineData("/")]
    public async Task Every_path_is_strict_not_the_proxys_alone(string path)
    {
        await using var client = await ingress.ConnectAsync();
        await client.SendAsync($"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{Smuggled}");

        (await client.ReadAsync())!.Status.ShouldBe(400);
        (await client.EndsAsync()).ShouldBeTrue();
    }

    // A free route's body isn't read before it is forwarded: what is wrong with it shows up in the middle of sending.
    [Theory]
    [InlineData("FFFFFFFFFFFFFFFFF\r\n{ }\r\n0\r\n\r\n")]
    [InlineData("3\r\n{ }\n0\r\n\r\n")]
    [InlineData("3\n{ }\r\n0\r\n\r\n")]
    [InlineData("x\r\n")]
    public async Task A_broken_upload_is_the_clients_fault_and_not_the_providers(string chunks)
    {
        var answer = await ingress.SendAsync(ingress.Head("POST /proxy/openai/v1/files HTTP/1.1", "Transfer-Encoding: chunked\r\nContent-Type: application/octet-stream\r\n") + chunks);

        answer.ShouldNotBeNull();
        answer.Status.ShouldBe(400, answer.Text);
        IngressProduct.ErrorMessage("openai", answer.Text).ShouldContain("length or its chunks");
    }

    private static string P(string rest) => $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {{0}}\r\nContent-Type: application/json\r\n{rest}";

    private static string Chunked(string chunks) => P("Transfer-Encoding: chunked\r\n\r\n" + chunks);

    private static string WithHost(string host) => $"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {{0}}\r\nContent-Length: {Chat.Length}\r\n\r\n{Chat}";
}
