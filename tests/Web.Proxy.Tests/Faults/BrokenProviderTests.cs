using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Compression;
using System.Net.Sockets;
using System.Text;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Relay;

namespace Tokonomics.Web.Proxy.Tests.Faults;

/// <summary>F28, F29, F33, F34: connections that break, lengths that lie, refusals, limits that are ignored, compressed answers.</summary>
public sealed class BrokenProviderTests(Upstream upstream) : IClassFixture<Upstream>
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_stream_that_breaks_off_ends_with_an_error_event_and_is_flagged(bool reset)
    {
        foreach (var stream in StreamSample.All.Where(s => s.Name is not "gemini, array"))
        {
            var received = new TaskCompletionSource();
            using var response = await upstream.CallAsync(stream.Call, async (_, socket) =>
            {
                await FakeProvider.SendAsync(socket, stream.Head);
                await FakeProvider.ChunkAsync(socket, stream.Events[0]);
                await received.Task; // RST overtakes what has not been read
                if (reset)
                    FakeProvider.Reset(socket);
                else
                    socket.Close();
            });
            var body = await response.Content.ReadAsStreamAsync();
            var first = new byte[Encoding.UTF8.GetByteCount(stream.Events[0])];
            await body.ReadExactlyAsync(first);
            received.SetResult();
            var rest = await new StreamReader(body).ReadToEndAsync();

            Encoding.UTF8.GetString(first).ShouldBe(stream.Events[0]);
            rest.ShouldContain("the provider broke off its answer; what came before is incomplete", customMessage: stream.Name);
            var row = await upstream.RowAsync(response.RequestId());
            row.GetProperty("outcome").GetString().ShouldBe("truncated", stream.Name);
            row.GetProperty("usage_source").GetString().ShouldBe(stream.Name is "messages" or "gemini" ? "partial" : "estimated", stream.Name);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_provider_that_had_the_prompt_and_closes_before_it_answers_is_a_502_and_its_row_an_estimate(bool reset)
    {
        var seen = await upstream.SeeAsync(ClientCall.Chat(model: "gpt-4.1-nano"), (_, socket) =>
        {
            if (reset)
                FakeProvider.Reset(socket);
            else
                socket.Close();
            return Task.CompletedTask;
        });

        seen.Status.ShouldBe(502);
        seen["outcome"].ShouldBe("unreachable");
        seen["usage_source"].ShouldBe("estimated");
        seen["cost_usd"].ShouldBe("0.0000009"); // 9 tokens at 0.10 USD per million
    }

    [Fact]
    public async Task A_json_array_and_a_compressed_stream_that_break_off_break_the_clients_connection_too()
    {
        var array = await upstream.SeeAsync(StreamSample.GeminiArray.Call, async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, StreamSample.GeminiArray.Head);
            await FakeProvider.ChunkAsync(socket, StreamSample.GeminiArray.Events[0]);
            socket.Close();
        });
        var gzip = await upstream.SeeAsync(ClientCall.ChatStream(), async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, FakeProvider.StreamHead.Replace("\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n", StringComparison.Ordinal));
            await FakeProvider.ChunkAsync(socket, Compressed("gzip", StreamSample.Chat.Text).AsMemory(0, 40));
            socket.Close();
        });

        array.Whole.ShouldBeFalse();
        array["outcome"].ShouldBe("truncated");
        array["usage_source"].ShouldBe("partial");
        gzip.Whole.ShouldBeFalse();
        gzip.Body.ShouldBe(Compressed("gzip", StreamSample.Chat.Text)[..gzip.Body.Length]);
        gzip["outcome"].ShouldBe("truncated");
    }

    [Fact]
    public async Task A_plain_answer_that_breaks_off_is_never_a_regular_end()
    {
        var plain = StreamSample.Plain();
        var head = plain.AsSpan().IndexOf("\r\n\r\n"u8) + 4;
        foreach (var cut in (int[])[0, 1, 20, plain.Length - head - 1])
        {
            var seen = await upstream.SeeAsync(ClientCall.Chat(), async (_, socket) =>
            {
                await FakeProvider.SendAsync(socket, plain.AsMemory(0, head + cut));
                socket.Close();
            });

            seen.Status.ShouldBe(cut == 0 ? 502 : seen.Status); // nothing had left yet
            seen.Whole.ShouldBe(cut == 0);
            seen["outcome"].ShouldBe("truncated");
            seen["usage_source"].ShouldBe(cut < 100 ? "estimated" : "partial"); // of the last case the usage object was whole
        }
    }

    [Fact]
    public async Task Bytes_beyond_the_length_that_was_said_poison_no_other_answer()
    {
        for (var i = 0; i < 5; i++)
        {
            byte[] tooLong = [.. StreamSample.Plain(), .. Encoding.ASCII.GetBytes(FakeProvider.Json("""{"poison":true}"""))];
            var seen = await upstream.SeeAsync(ClientCall.Chat(), tooLong);
            seen.Whole.ShouldBeTrue();
            seen.Text.ShouldNotContain("poison");
            seen["outcome"].ShouldBe("completed");
            (seen.Input, seen.Output).ShouldBe((12, 7));

            var next = await upstream.SeeAsync(ClientCall.Chat(), StreamSample.Plain());
            next.Status.ShouldBe(200);
            next.Text.ShouldContain("\"Hi\"");
        }
    }

    [Theory]
    [InlineData("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n", "{\"a\":1}", true)] // chunks win over a length
    [InlineData("Transfer-Encoding: chunked\r\n", "5\r\n{\"a\":\r\n2\r\n1", "{\"a\":1", false)] // cut inside a chunk
    [InlineData("Transfer-Encoding: chunked\r\n", "5\r\n{\"a\":\r\nzz\r\n1}", "{\"a\":", false)] // a size that is none
    [InlineData("Transfer-Encoding: chunked\r\n", "5\r\n{\"a\":\r\nfffffffffffffffff\r\n1}", "{\"a\":", false)] // a size beyond 64 bits
    [InlineData("Transfer-Encoding: chunked\r\n", "5;name=value\r\n{\"a\":\r\n2\r\n1}\r\n0\r\nx-trailer: late\r\n\r\n", "{\"a\":1}", true)] // extensions and trailers
    [InlineData("", "{\"a\":1}", "{\"a\":1}", true)] // neither: read to the close
    [InlineData("Content-Length: abc\r\n", "{\"a\":1}", "{\"a\":1}", true)]
    [InlineData("Content-Length: -7\r\n", "{\"a\":1}", "{\"a\":1}", true)]
    public async Task Framings_of_all_kinds_reach_the_client_as_what_they_are(string headers, string body, string expected, bool whole)
    {
        var seen = await upstream.SeeAsync(ClientCall.Chat(), async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n{body}");
            socket.Close();
        });

        if (seen.Status == 502)
        {
            // HTTP that can't be read, seen before anything had left.
            seen["outcome"].ShouldBe(headers.StartsWith("Content-Length:", StringComparison.Ordinal) ? "unreachable" : "truncated");
            whole.ShouldBe(headers.StartsWith("Content-Length:", StringComparison.Ordinal));
            return;
        }

        seen.Whole.ShouldBe(whole);
        if (whole)
            seen.Text.ShouldBe(expected);
        else
            expected.ShouldStartWith(seen.Text); // what of a broken body arrives before the connection breaks is up to the network
        seen["outcome"].ShouldBe(whole ? "completed" : "truncated");
    }

    public static TheoryData<int> ErrorStatuses => [400, 401, 402, 403, 404, 408, 409, 413, 415, 418, 422, 424, 429, 451, 498, 499, 500, 501, 502, 503, 504, 520, 529, 599];

    [Theory]
    [MemberData(nameof(ErrorStatuses))]
    public async Task A_refusal_passes_byte_for_byte_with_its_headers_and_costs_nothing(int status)
    {
        foreach (var (call, body) in (IEnumerable<(ClientCall, string)>)[
            (ClientCall.Chat(), """{"error":{"message":"Rate limit reached — try again","type":"requests","param":null,"code":"rate_limit_exceeded"}}"""),
            (ClientCall.ChatStream(), "  {\n \"error\" : null }\t"),
            (ClientCall.Chat(stream: true), """{"error":{"message":"x"},"usage":{"prompt_tokens":1,"completion_tokens":2}}"""),
            (ClientCall.Messages(true), """{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_011"}"""),
            (ClientCall.Gemini(true), """[{"error":{"code":429,"message":"Resource has been exhausted","status":"RESOURCE_EXHAUSTED"}}]"""),
            (ClientCall.Gemini(false), "<html><body>Bad gateway</body></html>"),
            (ClientCall.Ollama(true), "")])
        {
            const string Headers = "Retry-After: 17\r\nretry-after-ms: 16500\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-tokens: 6m0s\r\nanthropic-ratelimit-tokens-reset: 2026-11-21T00:00:00Z\r\nx-should-retry: true\r\nx-request-id: up-7\r\n";
            var answer = FakeProvider.Json(body, Headers).Replace("200 OK", $"{status} Whatever", StringComparison.Ordinal);

            var seen = await upstream.SeeAsync(call, Encoding.UTF8.GetBytes(answer));

            seen.Status.ShouldBe(status);
            seen.Text.ShouldBe(body);
            seen.Whole.ShouldBeTrue();
            foreach (var line in Headers.Split("\r\n", StringSplitOptions.RemoveEmptyEntries))
                seen.Header(line[..line.IndexOf(':')]).ShouldBe(line[(line.IndexOf(':') + 2)..]);
            seen["status"].ShouldBe(status.ToString(CultureInfo.InvariantCulture));
            seen["outcome"].ShouldBe("completed");
            seen["provider_request_id"].ShouldBe("up-7");
            if (!body.Contains("usage", StringComparison.Ordinal))
                decimal.Parse(seen["cost_usd"]!, CultureInfo.InvariantCulture).ShouldBe(0m);
        }
    }

    [Theory]
    [InlineData("chat", "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\"}}\n\ndata: [DONE]\n\n")]
    [InlineData("messages", "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n")]
    [InlineData("gemini", "{\"error\":{\"code\":503,\"message\":\"overloaded\",\"status\":\"UNAVAILABLE\"}}")]
    [InlineData("responses", "event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"no\"},\"sequence_number\":0}\n\n")]
    [InlineData("ollama", "{\"error\":\"model 'llama3.2' not found\"}\n")]
    public async Task An_error_in_an_answer_of_status_200_passes_and_costs_nothing(string name, string body)
    {
        var stream = StreamSample.Named(name);
        var seen = await upstream.SeeAsync(stream.Call, [.. Encoding.UTF8.GetBytes(stream.Head), .. StreamSample.Chunked(Encoding.UTF8.GetBytes(body)), .. "0\r\n\r\n"u8]);

        seen.Status.ShouldBe(200);
        seen.Text.ShouldBe(body);
        seen["usage_source"].ShouldBe("none");
        decimal.Parse(seen["cost_usd"]!, CultureInfo.InvariantCulture).ShouldBe(0m);
    }

    [Fact]
    public async Task A_huge_error_body_passes_whole()
    {
        var body = "{\"error\":{\"message\":\"" + new string('x', 8_000_000) + "\"}}";
        var seen = await upstream.SeeAsync(ClientCall.Chat(), Encoding.UTF8.GetBytes(FakeProvider.Json(body).Replace("200 OK", "500 No", StringComparison.Ordinal)));

        seen.Text.Length.ShouldBe(body.Length);
        seen.Text.ShouldBe(body);
        seen["cost_usd"].ShouldBe("0");
    }

    [Fact]
    public async Task Output_beyond_the_limit_that_was_set_is_charged_in_full()
    {
        var call = ClientCall.Chat(more: ",\"max_tokens\":10");
        var seen = await upstream.SeeAsync(call, StreamSample.Plain(usage: """{"prompt_tokens":12,"completion_tokens":100,"total_tokens":112}"""));

        seen.Output.ShouldBe(100);
        // gpt-4o-mini: 12 x 0.15 + 100 x 0.60 = 1.8 + 60 = 61.8 USD per million
        seen["cost_usd"].ShouldBe("0.0000618");
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("x-gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    [InlineData("raw deflate")]
    public async Task A_compressed_answer_passes_untouched_and_is_metered(string coding)
    {
        foreach (var asked in (bool[])[true, false])
            foreach (var stream in StreamSample.All)
            {
                var body = Compressed(coding, stream.Text);
                var head = stream.Head.Replace("\r\n\r\n", $"\r\nContent-Encoding: {coding.Replace("raw ", "", StringComparison.Ordinal)}\r\n\r\n", StringComparison.Ordinal);
                var call = asked ? stream.Call with { Headers = [("Accept-Encoding", "gzip, br, deflate")] } : stream.Call;

                // In two chunks, cut in the middle.
                var half = body.Length / 2;
                var seen = await upstream.SeeAsync(call, [.. Encoding.UTF8.GetBytes(head), .. StreamSample.Chunked(body[..half]), .. StreamSample.Chunked(body[half..]), .. "0\r\n\r\n"u8]);

                seen.Body.ShouldBe(body, $"{stream}, {coding}");
                seen.Header("content-encoding").ShouldBe(coding.Replace("raw ", "", StringComparison.Ordinal));
                (seen.Input, seen.Output).ShouldBe((12, 7), $"{stream}, {coding}");
                seen["usage_source"].ShouldBe("reported");
            }
    }

    [Theory]
    [InlineData("zstd")]
    [InlineData("gzip, br")]
    [InlineData("\u00e4")]
    [InlineData("compress")]
    public async Task An_encoding_that_nobody_knows_passes_and_is_estimated(string coding)
    {
        var body = Compressed("gzip", StreamSample.Chat.Text);
        byte[] head = [.. Encoding.Latin1.GetBytes(FakeProvider.StreamHead.Replace("\r\n\r\n", $"\r\nContent-Encoding: {coding}\r\n\r\n", StringComparison.Ordinal))];
        var seen = await upstream.SeeAsync(ClientCall.ChatStream(), [.. head, .. StreamSample.Chunked(body), .. "0\r\n\r\n"u8]);

        seen.Body.ShouldBe(body);
        seen["usage_source"].ShouldBe("estimated");
        seen.Input.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task Bytes_that_are_not_what_their_encoding_says_pass_and_are_estimated()
    {
        foreach (var coding in (string[])["gzip", "br", "deflate"])
        {
            var body = Encoding.ASCII.GetBytes("this is not compressed at all");
            var seen = await upstream.SeeAsync(ClientCall.Chat(), [.. Encoding.UTF8.GetBytes($"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {body.Length}\r\n\r\n"), .. body]);
            seen.Body.ShouldBe(body);
            seen["usage_source"].ShouldBe("estimated");
        }
    }

    [Fact]
    public async Task A_kept_connection_that_dies_under_the_next_request_loses_and_doubles_nothing()
    {
        // Each connection answers once and closes on its second request, unanswered. A request whose body was on its way may have been read and
        // charged: it is not repeated behind the client's back, but told as a 502 that is worth a retry.
        var answered = new ConcurrentDictionary<Socket, int>();
        var dropped = 0;
        async Task Answer(FakeRequest request, Socket socket)
        {
            if (answered.AddOrUpdate(socket, 1, (_, n) => n + 1) == 2)
            {
                Interlocked.Increment(ref dropped);
                socket.Close();
                return;
            }

            await FakeProvider.SendAsync(socket, StreamSample.Plain());
        }

        var attempts = 0;
        for (var i = 0; i < 12; i++)
        {
            var before = dropped;
            var seen = await upstream.SeeAsync(ClientCall.Chat(provider: "venice"), Answer);
            var rows = await upstream.RowsAsync(seen["id"]!, 1);
            attempts += rows.Count;
            rows.Count.ShouldBe(1);
            seen.Status.ShouldBe(dropped == before ? 200 : 502);
            rows[0].GetProperty("outcome").GetString().ShouldBe(dropped == before ? "completed" : "unreachable");
            if (dropped == before)
                continue;
            rows[0].GetProperty("usage_source").GetString().ShouldBe("estimated");
            seen.Header("x-should-retry").ShouldBe("true");
            seen.Text.ShouldContain("it closed the connection before it answered");
        }

        // What the provider saw is what the ledger has: each request that arrived is one attempt.
        dropped.ShouldBeGreaterThan(0);
        attempts.ShouldBe(answered.Values.Sum());
    }

    [Fact]
    public async Task A_free_request_without_a_body_is_repeated_by_the_connection_pool_and_stands_in_the_ledger_once()
    {
        var answered = new ConcurrentDictionary<Socket, int>();
        for (var i = 0; i < 6; i++)
        {
            using var request = upstream.Request(new ClientCall("/proxy/zai/models", ""), async (_, socket) =>
            {
                if (answered.AddOrUpdate(socket, 1, (_, n) => n + 1) == 2)
                    socket.Close();
                else
                    await FakeProvider.SendAsync(socket, FakeProvider.Json("""{"data":[]}"""));
            });
            request.Method = HttpMethod.Get;
            request.Content = null;
            using var response = await upstream.Product.Client.SendAsync(request);

            ((int)response.StatusCode).ShouldBe(200);
            var row = (await upstream.RowsAsync(response.RequestId(), 1)).ShouldHaveSingleItem();
            (row.GetProperty("cost_usd").GetString(), row.GetProperty("price_status").GetString(), row.GetProperty("outcome").GetString()).ShouldBe(("0", "free", "completed"));
        }

        answered.Values.Sum().ShouldBeGreaterThan(6); // some were sent twice
    }

    private static byte[] Compressed(string coding, string text)
    {
        var output = new MemoryStream();
        using (Stream stream = coding switch
        {
            "gzip" or "x-gzip" => new GZipStream(output, CompressionLevel.Optimal, true),
            "br" => new BrotliStream(output, CompressionLevel.Optimal, true),
            "deflate" => new ZLibStream(output, CompressionLevel.Optimal, true),
            _ => new DeflateStream(output, CompressionLevel.Optimal, true),
        })
            stream.Write(Encoding.UTF8.GetBytes(text));
        return output.ToArray();
    }
}
