using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Web.Proxy.Tests.Sandbox;

/// <summary>What a model's name can ask for.</summary>
public sealed class SandboxBehaviourTests
{
    private static string Chat(string model, bool stream = false, string more = "") =>
        $$"""{"model":"{{model}}","stream":{{(stream ? "true" : "false")}},"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Hi"}]{{more}}}""";

    [Theory]
    [InlineData("v1/chat/completions", """{"model":"sandbox-STATUS","messages":[]}""", "error.message")]
    [InlineData("v1/messages", """{"model":"sandbox-STATUS","max_tokens":1,"messages":[]}""", "error.type")]
    [InlineData("v1beta/models/sandbox-STATUS:streamGenerateContent?alt=sse", "{}", "error.status")]
    [InlineData("v2/chat", """{"model":"sandbox-STATUS","messages":[]}""", "message")]
    [InlineData("api/chat", """{"model":"sandbox-STATUS","messages":[]}""", "error")]
    public async Task Every_dialect_refuses_in_its_own_shape_and_for_nothing(string path, string request, string has)
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        foreach (var status in new[] { 400, 401, 429, 500, 503, 529 })
        {
            using var response = await sandbox.PostAsync(path.Replace("STATUS", $"{status}"), request.Replace("STATUS", $"{status}"));
            ((int)response.StatusCode).ShouldBe(status);
            if (status == 429) response.Headers.GetValues("Retry-After").ShouldBe(["1"]);
            if (status == 429) response.Headers.ShouldContain(h => h.Key.Contains("ratelimit"));
            var found = has.Split('.').Aggregate(JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement, (e, name) => e.GetProperty(name));
            found.GetString().ShouldNotBeNullOrEmpty();
        }

        var lines = await sandbox.LinesAsync();
        lines.Select(l => l.Status).ShouldBe([400, 401, 429, 500, 503, 529]);
        lines.ShouldAllBe(l => l.CostNanoUsd == 0 && l.Outcome == SandboxOutcome.Error);
    }

    [Theory]
    [InlineData("v1/chat/completions", "{")]
    [InlineData("v1/chat/completions", "[]")]
    [InlineData("v1/chat/completions", "")]
    [InlineData("v1/chat/completions", """{"model":"sandbox-small"}""")]
    [InlineData("v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"\ud800"}]}""")]
    [InlineData("v1/chat/completions", """{"model":"sandbox-small","max_tokens":-1,"messages":[]}""")]
    [InlineData("v1/chat/completions", """{"model":"sandbox-small","max_tokens":"9","messages":[]}""")]
    [InlineData("v1/chat/completions", """{"model":"sandbox-small","n":100000,"messages":[]}""")]
    [InlineData("v1/messages", """{"model":"sandbox-small","messages":[]}""")]
    [InlineData("v1beta/models/sandbox-small:generateContent", "{}")]
    public async Task What_cannot_be_read_is_a_400(string path, string request)
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        using var response = await sandbox.PostAsync(path, request);
        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("error").GetProperty("message").GetString().ShouldNotBeNullOrEmpty();
        (await sandbox.OnlyLineAsync()).CostNanoUsd.ShouldBe(0);
    }

    [Fact]
    public async Task Json_of_any_shape_never_crashes_it()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        string[] paths = ["v1/chat/completions", "v1/completions", "v1/responses", "v1/embeddings", "v1/images/generations", "v1/audio/speech", "v1/audio/transcriptions", "v1/moderations", "v1/rerank", "v1/messages",
            "v1/messages/count_tokens", "v1/complete", "v1beta/models/m:generateContent", "v1beta/models/m:embedContent", "v1beta/models/m:batchEmbedContents", "v1beta/models/m:countTokens", "v2/chat", "v1/chat", "v1/embed", "api/chat", "api/generate", "api/embed"];
        string[] values = ["1", "-1", "1e308", "null", "true", "\"x\"", "[]", "[1]", "[null]", "[[]]", "{}", "[{\"role\":1,\"content\":{\"x\":[1]}}]", "[{\"function\":1,\"name\":\"f\",\"input_schema\":1}]"];
        string[] names = ["model", "messages", "input", "prompt", "contents", "content", "requests", "texts", "query", "documents", "message", "tools", "tool_choice", "response_format", "stream_options", "options", "format", "generationConfig", "system", "text"];
        foreach (var path in paths)
        foreach (var value in values)
        {
            using var response = await sandbox.PostAsync(path, "{\"max_tokens\":5," + string.Join(',', names.Select(n => $"\"{n}\":{value}")) + "}");
            ((int)response.StatusCode).ShouldBeOneOf([200, 400, 404], $"{path} {value}");
            await response.Content.ReadAsByteArrayAsync();
        }

        (await sandbox.LinesAsync()).Count.ShouldBe(paths.Length * values.Length);
    }

    [Fact]
    public async Task An_unknown_path_is_a_404_and_a_body_too_large_a_413()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        using var unknown = await sandbox.PostAsync("v1/nothing", "{}");
        unknown.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        JsonDocument.Parse(await unknown.Content.ReadAsStringAsync()).RootElement.GetProperty("error").GetProperty("type").GetString().ShouldBe("invalid_request_error");

        await using var small = await SandboxServer.StartNewAsync(new SandboxOptions { MaxBodyBytes = 1000 });
        using var large = await sandbox.Client.PostAsync(new Uri(small.BaseUrl, "v1/chat/completions"), new StringContent(new string(' ', 2000)));
        large.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
    }

    [Theory]
    [InlineData("sandbox-hang-mid", true, 3)]
    [InlineData("sandbox-cut", true, 6)]
    [InlineData("sandbox-reset", true, 3)]
    [InlineData("sandbox-hang-mid", false, 0)]
    [InlineData("sandbox-cut", false, 0)]
    [InlineData("sandbox-reset", false, 0)]
    public async Task An_answer_that_breaks_off_is_billed_as_far_as_it_was_generated(string model, bool stream, int events)
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        using var leave = new CancellationTokenSource();
        using (var response = await sandbox.PostAsync("v1/chat/completions", Chat(model, stream)))
        {
            var body = await response.Content.ReadAsStreamAsync();
            var read = new MemoryStream();
            if (model == "sandbox-hang-mid") leave.CancelAfter(TimeSpan.FromMilliseconds(500));
            await Should.ThrowAsync<Exception>(() => body.CopyToAsync(read, leave.Token));
            var text = System.Text.Encoding.UTF8.GetString(read.ToArray());
            if (stream && model != "sandbox-reset") text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(events); // a reset may overtake what was sent
        }

        var line = await sandbox.OnlyLineAsync();
        line.Outcome.ShouldBe(model == "sandbox-hang-mid" ? SandboxOutcome.ClientGone : SandboxOutcome.Cut);
        line.UsageDelivered.ShouldBeFalse();
        if (stream) line.Units.Output.ShouldBe(events - 1); // the first event has the role only
        else line.Units.Output.ShouldBeGreaterThan(20);
        line.CostNanoUsd.ShouldBe((4 * 1000) + (line.Units.Output * 2000));
    }

    [Fact]
    public async Task Hanging_before_the_headers_costs_nothing()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        using var leave = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        await Should.ThrowAsync<OperationCanceledException>(() => sandbox.PostAsync("v1/messages", """{"model":"sandbox-hang"}""", leave.Token));
        var line = await sandbox.OnlyLineAsync();
        (line.Outcome, line.CostNanoUsd, line.Status).ShouldBe((SandboxOutcome.ClientGone, 0L, 0));
    }

    [Fact]
    public async Task A_reset_is_a_reset_and_a_cut_is_not()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        foreach (var (model, reset) in new[] { ("sandbox-reset", true), ("sandbox-cut", false) })
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync(IPAddress.Loopback, sandbox.Server.BaseUrl.Port);
            var body = Chat(model, stream: true);
            await socket.GetStream().WriteAsync(System.Text.Encoding.UTF8.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
            var wasReset = false;
            try
            {
                await socket.GetStream().CopyToAsync(Stream.Null);
            }
            catch (IOException e) when (e.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionReset })
            {
                wasReset = true;
            }

            wasReset.ShouldBe(reset, model);
        }
    }

    [Fact]
    public async Task A_client_that_leaves_a_stream_stops_it_and_pays_for_what_was_generated()
    {
        await using var sandbox = await SandboxFixture.StartAsync(new SandboxPace(TimeSpan.Zero, TimeSpan.FromMilliseconds(5)));
        using (var response = await sandbox.PostAsync("v1/chat/completions", Chat("sandbox-long", stream: true)))
        {
            var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            for (var i = 0; i < 20; i++) await reader.ReadLineAsync(); // 10 events: the role and 9 tokens
        }

        var line = await sandbox.OnlyLineAsync(); // would be 10 s of stream
        line.Outcome.ShouldBe(SandboxOutcome.ClientGone);
        line.Units.Output.ShouldBeInRange(9, 200);
        line.DeliveredOutput.ShouldBeInRange(9, line.Units.Output);
        line.CostNanoUsd.ShouldBe((4 * 1000) + (line.Units.Output * 2000));
    }

    [Fact]
    public async Task A_client_that_leaves_a_plain_answer_pays_for_what_was_generated()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        using var leave = new CancellationTokenSource(TimeSpan.FromMilliseconds(400));
        await Should.ThrowAsync<OperationCanceledException>(() => sandbox.PostAsync("v1/chat/completions", Chat("sandbox-slow-tokens-500"), leave.Token)); // 500 x 20 ms
        var line = await sandbox.OnlyLineAsync();
        (line.Outcome, line.Status, line.DeliveredOutput).ShouldBe((SandboxOutcome.ClientGone, 0, 0L));
        line.Units.Output.ShouldBeInRange(1, 100);
        line.CostNanoUsd.ShouldBe((4 * 1000) + (line.Units.Output * 2000));
    }

    [Fact]
    public async Task Bills_on_generates_and_charges_to_the_end_after_the_client_has_gone()
    {
        await using var sandbox = await SandboxFixture.StartAsync(new SandboxPace(TimeSpan.Zero, TimeSpan.FromMilliseconds(1)));
        using (var response = await sandbox.PostAsync("v1/chat/completions", Chat("sandbox-bills-on-tokens-300", stream: true)))
            await new StreamReader(await response.Content.ReadAsStreamAsync()).ReadLineAsync();
        var line = await sandbox.OnlyLineAsync();
        line.Units.Output.ShouldBe(300);
        line.DeliveredOutput.ShouldBeLessThan(300);
        (line.Outcome, line.UsageDelivered).ShouldBe((SandboxOutcome.ClientGone, false));
    }

    [Fact]
    public async Task Chunks_leave_before_the_next_ones_are_made()
    {
        // The client reads the third event of a stream that then stops for good: it can only do so if events are not held back.
        await using var sandbox = await SandboxFixture.StartAsync();
        using var response = await sandbox.PostAsync("v1/messages", """{"model":"sandbox-hang-mid","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"Hi"}]}""");
        var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var names = new List<string>();
        while (names.Count < 3)
            if (await reader.ReadLineAsync() is { } text && text.StartsWith("event: ")) names.Add(text);
        names.ShouldBe(["event: message_start", "event: content_block_start", "event: ping"]);
        sandbox.Server.Bill.OpenCalls.ShouldBe(1);
        SandboxBill.Read(sandbox.BillPath).ShouldHaveSingleItem().Outcome.ShouldBe(SandboxOutcome.Open);
    }

    [Theory]
    [InlineData("sandbox-gzip", "gzip")]
    [InlineData("sandbox-br", "br")]
    [InlineData("sandbox-deflate", "deflate")]
    public async Task Compressed_answers_are_whole(string model, string encoding)
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        foreach (var stream in new[] { false, true })
        {
            using var response = await sandbox.PostAsync("v1/chat/completions", Chat(model, stream));
            response.Content.Headers.ContentEncoding.ShouldBe([encoding]);
            var body = await response.Content.ReadAsStreamAsync();
            await using Stream plain = encoding switch { "gzip" => new GZipStream(body, CompressionMode.Decompress), "br" => new BrotliStream(body, CompressionMode.Decompress), _ => new ZLibStream(body, CompressionMode.Decompress) };
            var text = await new StreamReader(plain).ReadToEndAsync();
            if (stream) text.ShouldEndWith("data: [DONE]\n\n");
            else JsonDocument.Parse(text).RootElement.GetProperty("usage").GetProperty("prompt_tokens").GetInt64().ShouldBe(4);
        }

        (await sandbox.LinesAsync()).ShouldAllBe(l => l.UsageDelivered && l.Outcome == SandboxOutcome.Ok);
    }

    [Fact]
    public async Task A_limit_is_ignored_tenfold_on_request()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var answer = await sandbox.PostJsonAsync("v1/chat/completions", Chat("sandbox-ignores-max-tokens", more: ",\"max_tokens\":100"));
        answer.GetProperty("usage").GetProperty("completion_tokens").GetInt64().ShouldBe(1000);
        answer.GetProperty("choices")[0].GetProperty("finish_reason").GetString().ShouldBe("stop");
    }

    [Theory]
    [InlineData("sandbox-long", 2_000)]
    [InlineData("sandbox-tokens-7", 7)]
    [InlineData("sandbox-huge", 2_097_152)]
    public async Task Lengths_are_exact(string model, long tokens)
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var events = await sandbox.PostSseAsync("v1/chat/completions", Chat(model, stream: true));
        events[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt64().ShouldBe(tokens);
        var plain = await sandbox.PostJsonAsync("v1/chat/completions", Chat(model));
        plain.GetProperty("usage").GetProperty("completion_tokens").GetInt64().ShouldBe(tokens);
        var text = plain.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
        if (model == "sandbox-huge") text.Length.ShouldBe(8 * 1024 * 1024);
        (await sandbox.LinesAsync()).ShouldAllBe(l => l.Units.Output == tokens && l.DeliveredOutput == tokens);
    }

    [Fact]
    public async Task Words_are_counted_out()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var answer = await sandbox.PostJsonAsync("v1/chat/completions", Chat("sandbox-small-words-90"));
        answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!.Split(' ').Length.ShouldBe(90);
    }

    [Fact]
    public async Task Usage_is_left_out_and_billed_all_the_same()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        (await sandbox.PostJsonAsync("v1/chat/completions", Chat("sandbox-no-usage"))).TryGetProperty("usage", out _).ShouldBeFalse();
        (await sandbox.PostSseAsync("v1/chat/completions", Chat("sandbox-no-usage", stream: true))).Any(e => e.TryGetProperty("usage", out var usage) && usage.ValueKind != JsonValueKind.Null).ShouldBeFalse();
        (await sandbox.LinesAsync()).ShouldAllBe(l => !l.UsageDelivered && l.CostNanoUsd > 4_000);
    }

    [Fact]
    public async Task Broken_answers_are_broken()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        using var json = await sandbox.PostAsync("v1/chat/completions", Chat("sandbox-bad-json"));
        var text = await json.Content.ReadAsStringAsync();
        Should.Throw<JsonException>(() => JsonDocument.Parse(text));

        using var sse = await sandbox.PostAsync("v1/chat/completions", Chat("sandbox-bad-sse", stream: true));
        var bytes = await sse.Content.ReadAsByteArrayAsync();
        bytes.AsSpan(0, 3).SequenceEqual("\uFEFF"u8).ShouldBeTrue();
        var stream = System.Text.Encoding.UTF8.GetString(bytes);
        stream.ShouldContain("\r\r");
        stream.ShouldContain("data\n\nevent: nothing\n\n");
        stream.ShouldNotContain("[DONE]");

        using var empty = await sandbox.PostAsync("v1/chat/completions", Chat("sandbox-empty"));
        (await empty.Content.ReadAsByteArrayAsync()).ShouldBeEmpty();
        (await sandbox.LinesAsync())[^1].CostNanoUsd.ShouldBe(4_000);
    }

    [Fact]
    public async Task Flaky_fails_every_second_time_and_a_redirect_leads_back_here()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var statuses = new List<int>();
        for (var i = 0; i < 4; i++)
        {
            using var response = await sandbox.PostAsync("v1/chat/completions", Chat("sandbox-flaky"));
            statuses.Add((int)response.StatusCode);
        }

        statuses.ShouldBe([200, 500, 200, 500]);
        using var redirect = await sandbox.PostAsync("v1/chat/completions", Chat("sandbox-redirect"));
        redirect.StatusCode.ShouldBe(HttpStatusCode.Found);
        redirect.Headers.Location.ShouldBe(new Uri(sandbox.Server.BaseUrl, "elsewhere"));
    }

    [Fact]
    public async Task Drip_sends_every_byte_and_the_same_ones()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var events = await sandbox.PostSseAsync("v1/chat/completions", Chat("sandbox-drip", stream: true));
        events[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt64().ShouldBe((await sandbox.OnlyLineAsync()).Units.Output);
    }

    [Fact]
    public async Task Requests_are_remembered_only_where_that_is_asked_for_and_only_the_last()
    {
        await using var forgetful = await SandboxFixture.StartAsync();
        await forgetful.PostJsonAsync("v1/chat/completions", Chat("sandbox-small"));
        forgetful.Server.Requests.ShouldBeEmpty();

        await using var sandbox = await SandboxFixture.StartAsync(remember: 2);
        for (var i = 0; i < 3; i++) await sandbox.PostJsonAsync($"v1/chat/completions?i={i}", Chat("sandbox-small"));
        sandbox.Server.Requests.Select(r => r.PathAndQuery).ShouldBe(["/v1/chat/completions?i=1", "/v1/chat/completions?i=2"]);
        sandbox.Server.Requests[0].Headers["content-type"].ShouldStartWith("application/json");
        sandbox.Server.Requests[0].Body.Length.ShouldBe(Chat("sandbox-small").Length);
    }
}
