using System.Text;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Relay;

/// <summary>F30: whatever a provider sends is passed on as it is and recorded once, and nothing of the product minds.</summary>
public sealed class MalformedAnswerTests(Upstream upstream) : IClassFixture<Upstream>
{
    // Bodies of plain answers, and of streams; some fit one dialect more than the others, all go through each.
    private static readonly string[] Plain =
    [
        "", " ", "\uFEFF", "null", "true", "0", "\"", "\"text\"", "{", "}", "[", "]", "{}", "[]", "[{}", "{\"usage\"", "{\"usage\":", "{\"usage\":{", "{\"usage\":null}", "{\"usage\":[]}", "{\"usage\":7}",
        "{\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":-5}}",
        "{\"usage\":{\"prompt_tokens\":NaN,\"completion_tokens\":Infinity}}",
        "{\"usage\":{\"prompt_tokens\":1e308,\"completion_tokens\":1e-308,\"input_tokens\":1e400,\"output_tokens\":99999999999999999999999999}}",
        "{\"usage\":{\"prompt_tokens\":\"12\",\"completion_tokens\":{}}}",
        "{\"usage\":{\"prompt_tokens\":1.5,\"completion_tokens\":2.999}}",
        "{\"usage\":{\"prompt_tokens\":1},\"usage\":{\"prompt_tokens\":2}}",
        "{\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}trailing",
        "{\"usageMetadata\":{\"promptTokenCount\":-9,\"candidatesTokenCount\":1e30}}",
        "{\"model\":{},\"choices\":{},\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}",
        "{\"model\":\"\\ud800\",\"choices\":[null,1,[],{\"message\":null}]}",
        "{\"model\":\"" + new string('m', 5000) + "\",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}",
        "{\"a\":" + new string('[', 3000) + new string(']', 3000) + "}",
        "{\"a\":" + new string('[', 100_000),
        "{\"usage\":{\"x\":\"" + new string('x', 200_000) + "\",\"prompt_tokens\":1}}",
        "<html><body>502</body></html>", "\u0000\u0001\u0002", "{\u0000\"usage\":{}}", "{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}\u0000}", "{'usage':{}}", "{\"usage\":{},}", "/* no */{\"usage\":{}}",
        "{\"message\":{\"usage\":{\"input_tokens\":1}},\"usage\":{\"output_tokens\":null}}",
        "{\"prompt_eval_count\":-1,\"eval_count\":1e99,\"done\":true}",
        "data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n",
    ];

    private static readonly string[] Streamed =
    [
        "\n", "\n\n\n\n", "\r", "\r\r", "\r\n\r\n", ":", ": ", ":\n\n", ": only a comment\n\n: and another\n\n", "data", "data:", "data:\n\n", "data\n\n", "data: \n\n", "data:[DONE]", "data: [DONE]\n\n",
        "data: [DONE]\n\ndata: [DONE]\n\n", "data: [DO\n\n", "data: [DONE]]\n\n", "event: x\n\n", "id: 7\nretry: 10\n\n", "nonsense without a colon\n\n",
        "\uFEFFdata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\r\rdata: [DONE]\r\r",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\r\n\r\ndata: [DONE]\n\n",
        "data: {\"choices\":[{\"index\":0,\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n",
        "data: {\"choices\":[\ndata: {\"index\":0,\"delta\":{\"content\":\"x\"}}\ndata: ]}\n\ndata: [DONE]\n\n",
        "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":-3,\"completion_tokens\":NaN}}\n\ndata: [DONE]\n\n",
        "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\ndata: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
        "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1e308,\"completion_tokens\":99999999999999999999}}\n\ndata: [DONE]\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"no end",
        "data: \u0000\u0001\u00ff\n\n", "\u0000\n\n",
        "event: message_start\ndata: {\"type\":\"message_start\"}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":-1}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":5,\"input_tokens\":1e30}}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":null}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":[1],\"output_tokens\":{}}}}\n\n",
        "data: {\"usageMetadata\":{\"promptTokenCount\":\"x\",\"candidatesTokenCount\":-2}}\n\n",
        "data: " + new string('{', 5000) + "\n\n", "data: " + new string('x', 200_000) + "\n\ndata: [DONE]\n\n",
        "{\"message\":{\"content\":\"x\"},\"done\":false}\n{broken\n{\"done\":true,\"eval_count\":-4}\n",
        "{\"error\":{\"message\":\"json where a stream was to be\"}}", "[{\"candidates\":[]}\n,\n{\"candidates\"",
    ];

    public static TheoryData<string> Names => StreamSample.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_malformed_answer_passes_byte_for_byte_and_has_one_row(string name)
    {
        var sample = StreamSample.Named(name);
        var cases = Streamed.Concat(Plain).SelectMany((body, i) => (IEnumerable<(string Body, string Type, bool Chunks)>)[(body, sample.ContentType, i % 2 == 0), (body, "application/json", i % 2 == 1)]).ToList();
        var errors = Errors();

        var rows = new System.Collections.Concurrent.ConcurrentBag<string>();
        await Parallel.ForEachAsync(cases, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (c, _) =>
        {
            // Latin 1, so that invalid UTF-8 is among them.
            var body = c.Body.Contains('\u00ff', StringComparison.Ordinal) ? Encoding.Latin1.GetBytes(c.Body) : Encoding.UTF8.GetBytes(c.Body);
            byte[] framed = c.Chunks
                ? [.. Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: {c.Type}\r\nx-odd: yes\r\nTransfer-Encoding: chunked\r\n\r\n"), .. body.Length > 0 ? StreamSample.Chunked(body) : [], .. "0\r\n\r\n"u8]
                : [.. Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: {c.Type}\r\nx-odd: yes\r\nContent-Length: {body.Length}\r\n\r\n"), .. body];
            var label = $"{name} {c.Type} {(body.Length < 300 ? c.Body : c.Body[..100])}";

            var seen = await upstream.SeeAsync(sample.Call, framed);

            seen.Status.ShouldBe(200, label);
            seen.Whole.ShouldBeTrue(label);
            seen.Body.ShouldBe(body, label);
            seen.Header("x-odd").ShouldBe("yes", label);
            seen.Header("content-type").ShouldBe(c.Type, label);
            seen["outcome"].ShouldBe("completed", label);
            seen.Input.ShouldBeGreaterThanOrEqualTo(0L, label);
            seen.Output.ShouldBeGreaterThanOrEqualTo(0L, label);
            (seen["cost_usd"] ?? "0").ShouldNotStartWith("-", customMessage: label);
            rows.Add(seen["id"]!);
        });

        rows.Count.ShouldBe(cases.Count);
        rows.Distinct().Count().ShouldBe(cases.Count);
        Errors().Except(errors).ShouldBeEmpty();
    }

    public static TheoryData<string> NotHttp =>
    [
        "garbage\r\n\r\n", "\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 \r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/3.0 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n{}", "HTTP/1.1 200 OK\r\n: no name\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n{}", "HTTP/1.1 200", "", "<html></html>", "{\"usage\":{}}", "HTTP/1.1 200 OK\r\nx: y", "HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n",
    ];

    [Theory]
    [MemberData(nameof(NotHttp))]
    public async Task An_answer_that_is_not_http_is_a_502_and_one_row(string answer)
    {
        var errors = Errors();
        var seen = await upstream.SeeAsync(ClientCall.Chat(), async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, answer);
            socket.Close();
        });

        seen.Status.ShouldBe(502);
        seen.Text.ShouldContain("provider_unreachable");
        seen["outcome"].ShouldBe("unreachable");
        seen["status"].ShouldBe("0");
        Errors().Except(errors).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("x-bad: a\u0001b\r\n", "x-bad", null)] // what no server may pass on is left out
    [InlineData("x-bad: a\u007fb\r\n", "x-bad", null)]
    [InlineData("x-tab: a\tb\r\n", "x-tab", "a\tb")]
    [InlineData("x-latin: caf\u00e9\r\n", "x-latin", "caf\u00e9")]
    [InlineData("x-empty:\r\n", "x-empty", "")]
    [InlineData("x-folded: a\r\n b\r\n", "x-folded", "a   b")]
    [InlineData("Content-Length: 2\r\nContent-Length: 2\r\n", "x-none", null)]
    [InlineData("Content-Length: 2\r\nContent-Length: 3\r\n", "x-none", null)]
    [InlineData("Content-Length: +2\r\n", "x-none", null)]
    [InlineData("Content-Length: 99999999999999999999999\r\n", "x-none", null)]
    [InlineData("Transfer-Encoding: gzip, chunked\r\n", "x-none", null)]
    [InlineData("Transfer-Encoding: identity\r\n", "x-none", null)]
    [InlineData("Content-Type: \r\n", "x-none", null)]
    [InlineData("Content-Type: a/b; \"\r\n", "x-none", null)]
    [InlineData("Content-Type: text/event-stream\r\nContent-Type: application/json\r\n", "x-none", null)]
    [InlineData("Content-Encoding: \r\n", "x-none", null)]
    [InlineData("Connection: x-secret\r\nx-secret: a\r\n", "x-secret", null)]
    [InlineData("Date: not a date\r\nExpires: never\r\nETag: none\r\nLast-Modified: x\r\n", "expires", "never")]
    public async Task Odd_headers_cost_the_client_nothing_but_themselves(string headers, string name, string? expected)
    {
        var errors = Errors();
        var seen = await upstream.SeeAsync(ClientCall.Chat(), async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, Encoding.Latin1.GetBytes($"HTTP/1.1 200 OK\r\n{headers}\r\n{{}}"));
            socket.Close();
        });

        if (seen.Status == 502 || !seen.Whole)
            headers.ShouldMatch("(?i)content-length|transfer-encoding"); // a body that can't be told apart may be refused
        else
            (seen.Status, seen.Text).ShouldBe((200, "{}"));
        if (seen.Status == 200)
            seen.Header(name).ShouldBe(expected);
        Errors().Except(errors).ShouldBeEmpty();
    }

    private List<string> Errors() => [.. upstream.Product.Log.Lines.Where(l => l.StartsWith("Error ", StringComparison.Ordinal) || l.StartsWith("Critical ", StringComparison.Ordinal))];
}
