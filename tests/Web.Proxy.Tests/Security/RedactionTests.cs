using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Ingress;

namespace Tokonomics.Web.Proxy.Tests.Security;

/// <summary>
/// What must be nowhere afterwards: every call carries words of its own in its prompt, headers, URL, tags and keys, most calls fail in some
/// way, and then everything that was logged at any level and every byte of the data folder is searched for them.
/// </summary>
public sealed class RedactionTests : IAsyncLifetime
{
    private const string Canary = "CANARY7Q";
    private const string Tagged = "TAGBIRD7Q";

    // In the prompts of calls along routes, by which the provider knows them.
    private const string Routed = Canary + "ROUTED";

    private FakeProvider _provider = null!;
    private OtlpReceiver _collector = null!;
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync()
    {
        var dice = new Random(42);
        // A provider that repeats what it was sent, in whatever it answers: headers, status lines, bodies, or no HTTP at all.
        _provider = new FakeProvider(async (request, socket) =>
        {
            if (request.Text.Contains(Routed, StringComparison.Ordinal))
            {
                await AnswerRoutedAsync(request, socket, dice);
                return;
            }

            var echo = Encoding.Latin1.GetString(request.Body).Replace("\r", " ", StringComparison.Ordinal).Replace("\n", " ", StringComparison.Ordinal);
            await FakeProvider.SendAsync(socket, dice.Next(9) switch
            {
                0 => FakeProvider.Json($$$"""{"error":{"message":"wrong: {{{Canary}}}"}}""", $"x-request-id: r1\r\nX-Echo: {Canary}\r\n").Replace("200 OK", "500 Error", StringComparison.Ordinal),
                1 => $"{Canary} this is no HTTP {echo}\r\n\r\n",
                2 => $"HTTP/1.1 2x0 {Canary}\r\n\r\n",
                3 => $"HTTP/1.1 200 OK\r\n{Canary} no colon {echo}\r\n\r\n",
                4 => $"HTTP/1.1 200 OK\r\nContent-Type: {Canary}\r\nContent-Length: 999999\r\n\r\n{echo}",
                5 => $"HTTP/1.1 200 {Canary}\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n{Canary}\r\n",
                6 => $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\n{Canary}",
                7 => $"HTTP/1.1 302 Found\r\nLocation: https://{Canary}.example/\r\nContent-Length: 0\r\n\r\n",
                _ => FakeProvider.Json($$$"""{"model":"gpt-4o-mini","choices":[{"message":{"content":"{{{Canary}}}"}}],"usage":{"prompt_tokens":3,"completion_tokens":5}}"""),
            });
            if (dice.Next(2) == 0)
                FakeProvider.Reset(socket);
            else
                socket.Close();
        });
        _collector = await OtlpReceiver.StartAsync();
        _product = await StartAsync();
    }

    private Task<TestProduct> StartAsync(params KeyValuePair<string, string?>[] settings) => TestProduct.StartAsync(
        new Dictionary<string, string?>(settings)
        {
            ["Providers:openai:BaseUrl"] = _provider.Url.ToString(), ["Providers:anthropic:BaseUrl"] = _provider.Url.ToString(), ["Providers:gemini:BaseUrl"] = _provider.Url.ToString(),
            ["Providers:groq:BaseUrl"] = "http://127.0.0.1:9", ["Providers:xai:BaseUrl"] = "http://no-such-host.invalid",
            ["Proxy:MaxBodyBytes"] = "4096",
            ["Telemetry:Prometheus"] = "true", ["Telemetry:PrometheusToken"] = Exposition.Token, ["Telemetry:OtlpEndpoint"] = _collector.Url.ToString(),
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "1000", ["OTEL_BSP_SCHEDULE_DELAY"] = "100", ["OTEL_BSP_MAX_QUEUE_SIZE"] = "20000",
        },
        new[] { "openai", "anthropic", "gemini", "groq", "xai" }.ToDictionary(n => n, n => $"sk-{n}-PROVIDERBIRD7Q-0123456789"));

    public async ValueTask DisposeAsync()
    {
        await _product.DisposeAsync();
        await _provider.DisposeAsync();
        await _collector.DisposeAsync();
    }

    [Fact]
    public async Task Thousands_of_calls_leave_no_word_behind()
    {
        var dice = new Random(7);
        var statuses = new Dictionary<int, int>();
        for (var i = 0; i < 2500; i++)
        {
            var answer = await SendAsync(Request(i, dice));
            statuses[answer] = statuses.GetValueOrDefault(answer) + 1;
        }

        // Each kind of end is among them, else the search below would prove nothing.
        foreach (var status in (int[])[200, 302, 400, 401, 404, 413, 431, 500, 502])
            statuses.ShouldContainKey(status);
        await _product.FlushAsync();
        foreach (var line in _product.Log.Lines)
            line.ShouldNotContain(Tagged, Case.Insensitive);
        var tags = (await NowhereAsync(_product)).Count(f => f.AsSpan().IndexOf(Encoding.UTF8.GetBytes(Tagged)) >= 0);

        // The tags are what the ledger is for: the search finds what is there.
        tags.ShouldBeGreaterThan(0);
        await NothingSentAsync("chat gpt-4o-mini", "unreachable");
        _product.Log.Lines.ShouldContain(l => l.Contains("can't be reached", StringComparison.Ordinal));
    }

    /// <summary>The first target fails in some way and is tried again, the second speaks another dialect and answers with words of its own, calls of tools among them; half of it in streams.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Calls_along_routes_leave_no_word_behind_in_files_logs_and_tables(bool postgres)
    {
        var server = postgres ? await PostgresServer.SharedAsync() : null;
        var database = server is null ? null : await server.CreateDatabaseAsync();
        var other = database is null ? null : await StartAsync(new KeyValuePair<string, string?>("ConnectionStrings:Postgres", database));
        var product = other ?? _product;
        var told = new List<string>();
        for (var i = 0; i < 8; i++)
        {
            // Models of its own: one that has failed five times would be left alone.
            var rules = $$"""[{"when":{"tools":true},"targets":[{"model":"openai/gpt-4o-mini-{{i}}"},{"model":"anthropic/claude-haiku-4-5"}],"retries":1},{"targets":[{"model":"anthropic/claude-haiku-4-5"}]}]""";
            using (var made = await product.ApiAsync(HttpMethod.Post, "routes", new StringContent($$"""{"name":"route-{{i}}","rules":{{rules}}}""", Encoding.UTF8, "application/json")))
                ((int)made.StatusCode).ShouldBe(201, await made.Content.ReadAsStringAsync());
            using var answer = await product.PostAsync("/v1/chat/completions", Conversation($"route-{i}", i % 2 == 0), product.LiveKey, ("X-Tokonomics-Tags", $"customer={Tagged}"));
            var text = await answer.Content.ReadAsStringAsync();
            ((int)answer.StatusCode).ShouldBe(200, text);
            text.ShouldContain(Canary);
            text.ShouldContain("look_up");
            told.Add(answer.Headers.GetValues("x-tokonomics-route").Single());
            // What the target's dialect can't say is refused by its name.
            using var refused = await product.PostAsync("/v1/chat/completions", $$"""{"model":"route-{{i}}","messages":[{"role":"user","content":"{{Canary}}"}],"logprobs":true,"{{Canary}}":{"{{Canary}}":1} }""", product.LiveKey);
            ((int)refused.StatusCode).ShouldBe(400);
        }

        // A quality group's sample, its judge, and what was learned of them.
        const string Group = """[{"targets":[{"model":"anthropic/claude-haiku-4-5"}],"quality":{"candidates":["anthropic/claude-sonnet-4-5"],"sample_percent":100,"sample_limit_usd":"100","judge":"anthropic/claude-opus-4-5"}}]""";
        using (var made = await product.ApiAsync(HttpMethod.Post, "routes", new StringContent($$"""{"name":"group","rules":{{Group}}}""", Encoding.UTF8, "application/json")))
            ((int)made.StatusCode).ShouldBe(201, await made.Content.ReadAsStringAsync());
        foreach (var stream in (bool[])[false, true])
            using (var answer = await product.PostAsync("/v1/chat/completions", Conversation("group", stream), product.LiveKey))
                (await answer.Content.ReadAsStringAsync()).ShouldContain(Canary);
        var learned = product.Services.GetRequiredService<IRoutingStore>();
        var label = TimeSpan.FromSeconds(60);
        for (var waited = TimeSpan.Zero; waited < label && !await Learned(); waited += TimeSpan.FromMilliseconds(50))
            await Task.Delay(50);
        (await Learned()).ShouldBeTrue();

        async Task<bool> Learned() => await learned.PairsAsync(product.TenantId, KeyEnvironment.Live, null, default) is [var (pair, stored)] && RoutingSums.Read(stored.Sums, stored.Fingerprint) is { Labels: 2 } sums
            && pair.Candidate == "anthropic/claude-sonnet-4-5" && sums.All is { Strong: 1.5, Candidate: 1.5 };

        told.ShouldAllBe(t => t.Contains("target=anthropic/claude-haiku-4-5; attempt=", StringComparison.Ordinal));
        told.ShouldContain(t => t.Contains("; attempt=3; why=fallback after", StringComparison.Ordinal));
        await product.FlushAsync();
        var kept = await NowhereAsync(product, database is null ? [] : [await RowsAsync(database)]);
        (database is null ? kept : kept[..1]).Count(f => f.AsSpan().IndexOf(Encoding.UTF8.GetBytes(Tagged)) >= 0).ShouldBeGreaterThan(0);
        if (other is not null)
            await other.DisposeAsync();
        if (server is not null)
            await server.DropAsync(database!);
    }

    // Metrics and spans, as they were scraped and sent.
    private async Task NothingSentAsync(params string[] butThis)
    {
        var scraped = await Exposition.OfAsync(_product);
        scraped.Sum("gen_ai_client_operation_duration_seconds_count").ShouldBeGreaterThan(100);
        scraped.Values("gen_ai_request_model").ShouldContain("gpt-4o-mini");
        await _collector.WaitAsync("/v1/traces", butThis);
        string[] words = [Canary, Tagged, "PROVIDERBIRD7Q", Exposition.Token, _product.LiveKey[18..], _product.TestKey[18..], _product.Token[12..]];
        foreach (var sent in _collector.Received.Select(r => Encoding.Latin1.GetString(r.Body)).Append(scraped.Text))
            foreach (var word in words)
                sent.ShouldNotContain(word, Case.Insensitive);
    }

    /// <summary>Searches the log and every byte of the data folder.</summary>
    /// <param name="more">What is kept elsewhere.</param>
    /// <returns>What was searched besides the log.</returns>
    private static async Task<List<byte[]>> NowhereAsync(TestProduct product, params byte[][] more)
    {
        string[] words = [Canary, "PROVIDERBIRD7Q", product.LiveKey[18..], product.TestKey[18..], product.Token[12..]];
        foreach (var line in product.Log.Lines)
            foreach (var word in words)
                line.ShouldNotContain(word, Case.Insensitive);
        var searched = more.ToList();
        foreach (var file in Directory.GetFiles(product.DataFolder, "*", SearchOption.AllDirectories).Where(f => !f.EndsWith("lock", StringComparison.Ordinal)))
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var copy = new MemoryStream();
            await stream.CopyToAsync(copy);
            searched.Add(copy.ToArray());
        }

        foreach (var bytes in searched)
            foreach (var word in words)
                foreach (var coding in (byte[][])[Encoding.UTF8.GetBytes(word), Encoding.Unicode.GetBytes(word), Encoding.ASCII.GetBytes(Convert.ToHexStringLower(Encoding.UTF8.GetBytes(word)))])
                    bytes.AsSpan().IndexOf(coding).ShouldBe(-1, word[..4]);
        return searched;
    }

    // Every row of every table as text; bytes are hexadecimal there.
    private static async Task<byte[]> RowsAsync(string database)
    {
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync();
        var tables = new List<string>();
        await using (var command = new NpgsqlCommand("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')", connection))
        await using (var reader = await command.ExecuteReaderAsync())
            while (await reader.ReadAsync())
                tables.Add(reader.GetString(0));
        var rows = new StringBuilder();
        foreach (var table in tables)
        {
            await using var command = new NpgsqlCommand($"SELECT t::text FROM {table} t", connection);
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync())
                rows.AppendLine(reader.GetString(0));
        }

        return Encoding.UTF8.GetBytes(rows.ToString());
    }

    private static string Conversation(string model, bool stream) =>
        $$$"""
        {"model":"{{{model}}}","stream":{{{(stream ? "true" : "false")}}},"user":"{{{Canary}}}","messages":[{"role":"system","content":"{{{Routed}}}"},{"role":"user","content":"{{{Canary}}}"},
        {"role":"assistant","content":"{{{Canary}}}","tool_calls":[{"id":"call_1","type":"function","function":{"name":"look_up","arguments":"{\"q\":\"{{{Canary}}}\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"{{{Canary}}}"}],
        "tools":[{"type":"function","function":{"name":"look_up","description":"{{{Canary}}}","parameters":{"type":"object","properties":{"q":{"type":"string"} } } } }]}
        """;

    private static async Task AnswerRoutedAsync(FakeRequest request, System.Net.Sockets.Socket socket, Random dice)
    {
        if (!request.Line.Contains("/messages", StringComparison.Ordinal))
        {
            var failure = FakeProvider.Json($$$"""{"error":{"message":"wrong: {{{Canary}}}"}}""", $"x-request-id: r1\r\nX-Echo: {Canary}\r\nConnection: close\r\n");
            await FakeProvider.SendAsync(socket, dice.Next(3) switch
            {
                0 => failure.Replace("200 OK", "500 " + Canary, StringComparison.Ordinal),
                1 => failure.Replace("200 OK", "429 " + Canary, StringComparison.Ordinal),
                _ => $"HTTP/1.1 2x0 {Canary} {request.Text.ReplaceLineEndings("")}\r\n\r\n",
            });
            socket.Close();
            return;
        }

        // The judge finds whatever comes first better; the candidate says something else.
        if (request.Text.Contains("answer-a-", StringComparison.Ordinal))
        {
            await FakeProvider.SendAsync(socket, FakeProvider.Json("""{"id":"msg_1","type":"message","role":"assistant","model":"claude-opus-4-5","content":[{"type":"text","text":"{\"a\": 8, \"b\": 7}"}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":5}}"""));
            return;
        }

        var said = request.Text.Contains("claude-sonnet-4-5", StringComparison.Ordinal) ? Canary + " differently" : Canary;
        var call = $$$"""{"type":"tool_use","id":"toolu_1","name":"look_up","input":{"q":"{{{said}}}"}}""";
        if (!request.Text.Contains("\"stream\":true", StringComparison.Ordinal))
        {
            await FakeProvider.SendAsync(socket, FakeProvider.Json($$$"""{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{"type":"text","text":"{{{Canary}}}"},{{{call}}}],"stop_reason":"tool_use","usage":{"input_tokens":9,"output_tokens":5}}"""));
            return;
        }

        await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
        string[] events =
        [
            """{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[],"stop_reason":null,"usage":{"input_tokens":9,"output_tokens":1}}}""",
            """{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}""",
            $$$"""{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"{{{Canary}}}"}}""",
            """{"type":"content_block_stop","index":0}""",
            """{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"look_up","input":{}}}""",
            $$$"""{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"q\":\"{{{said}}}\"}"}}""",
            """{"type":"content_block_stop","index":1}""",
            """{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":5}}""",
            """{"type":"message_stop"}""",
        ];
        foreach (var one in events)
            await FakeProvider.ChunkAsync(socket, $"event: {one[9..one.IndexOf('"', 9)]}\ndata: {one}\n\n");
        await FakeProvider.ChunkAsync(socket, "");
    }

    private string Request(int i, Random dice)
    {
        var key = dice.Next(8) switch { 0 => _product.TestKey, 1 => "mk_live_" + Canary + new string('a', 31), 2 => "sk-" + Canary, _ => _product.LiveKey };
        var target = dice.Next(10) switch
        {
            0 => "/proxy/anthropic/v1/messages", 1 => $"/proxy/gemini/v1beta/models/gemini-2.5-flash:generateContent?key={key}", 2 => "/proxy/groq/v1/chat/completions", 3 => "/proxy/xai/v1/chat/completions",
            4 => $"/v1/{Canary}?x={Canary}", 5 => $"/proxy/{Canary}/v1/chat", 6 => $"/v1/chat/completions?api_key={_product.LiveKey}", _ => $"/v1/chat/completions?note={Canary}",
        };
        var body = dice.Next(8) switch
        {
            0 => $"{{\"model\":\"{Canary}", 1 => $"{Canary}", 2 => $$"""{"model":{"{{Canary}}":1},"x":"{{Canary}}"}""", 3 => new string('x', 5000) + Canary,
            _ => $$"""{"model":"gpt-4o-mini","messages":[{"role":"user","content":"{{Canary}} {{i}}"}],"stream":{{(i % 2 == 0 ? "true" : "false")}}}""",
        };
        var headers = dice.Next(12) switch
        {
            0 => "X-Tokonomics-Tags: =broken " + Tagged + "\r\n", 1 => "Content-Encoding: " + Canary + "\r\n", 2 => $"X-Large: {new string('a', 40_000)}{Canary}\r\n", 3 => "Content-Length: " + Canary + "\r\n", 4 => $"X-Bell: {Canary}\a\r\n",
            5 => $"Transfer-Encoding: {Canary}\r\n", _ => $"X-Tokonomics-Tags: customer={Tagged}{i % 50}\r\n",
        };
        return $"POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nX-Note: {Canary}\r\nCookie: {Canary}\r\nUser-Agent: {Canary}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n{headers}\r\n{body}";
    }

    private async Task<int> SendAsync(string request)
    {
        await using var client = await RawClient.ConnectAsync(_product.Url.Port);
        await client.SendAsync(request);
        return (await client.ReadAsync())?.Status ?? 0;
    }
}
