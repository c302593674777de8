using System.ClientModel;
using System.ClientModel.Primitives;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using OpenAI;
using OpenAI.Audio;
using OpenAI.Chat;
using OpenAI.Embeddings;
using OpenAI.Files;
using OpenAI.Images;
using OpenAI.Models;
using OpenAI.Moderations;
using OpenAI.Responses;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Clients;

/// <summary>OpenAI's own library for .NET, unchanged but for base URL and key, through the product.</summary>
public sealed class OpenAiNetTests(OpenAiNetTests.Setting setting) : IClassFixture<OpenAiNetTests.Setting>
{
    private const string Answer =
        """{"id":"x","object":"chat.completion","created":1,"model":"gpt-5-mini","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}""";

    private static readonly ChatTool Weather = ChatTool.CreateFunctionTool(
        "weather", null, BinaryData.FromString("""{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city","days"]}"""));

    private TestProduct Product => setting.Product;

    /// <summary>One product and one provider for all tests; what the provider answers is set by each test.</summary>
    public sealed class Setting : IAsyncLifetime
    {
        public TestProduct Product { get; private set; } = null!;

        public FakeProvider Provider { get; private set; } = null!;

        public Func<FakeRequest, Socket, Task> Play { get; set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Provider = new FakeProvider((request, socket) => Play(request, socket));
            Product = await TestProduct.StartAsync(
                new Dictionary<string, string?>
                {
                    ["Providers:openai:BaseUrl"] = Provider.Url.ToString(),
                    ["Providers:groq:BaseUrl"] = "http://127.0.0.1:1",
                    ["Proxy:MaxBodyBytes"] = "1048576",
                },
                new Dictionary<string, string> { ["openai"] = "sk-stored-provider-key-0001", ["groq"] = "gsk-stored-provider-key-0001" });
        }

        public async ValueTask DisposeAsync()
        {
            await Product.DisposeAsync();
            await Provider.DisposeAsync();
        }

        /// <summary>Answers with these, one after another, the last one again and again.</summary>
        public void Script(params string[] answers)
        {
            var next = 0;
            Provider.Requests.Clear();
            Play = (_, socket) => FakeProvider.SendAsync(socket, answers[Math.Min(next++, answers.Length - 1)]);
        }
    }

    [Theory]
    [InlineData("/proxy/openai/v1")]
    [InlineData("/proxy/openai/v1/")]
    [InlineData("/proxy/openai")]
    [InlineData("/v1")]
    [InlineData("/v1/")]
    public async Task A_plain_answer_has_the_usage_that_ledger_and_bill_have(string path)
    {
        var answer = await Sandbox(path).GetChatClient("sandbox-small").CompleteChatAsync("Hello");
        answer.Value.Content[0].Text.ShouldContain("sandbox answering");
        await AgreesAsync(answer.GetRawResponse(), answer.Value.Usage.InputTokenCount, answer.Value.Usage.OutputTokenCount);
    }

    [Fact]
    public async Task A_stream_ends_with_the_usage_that_the_ledger_has()
    {
        // This library asks for usage in every stream by itself.
        var stream = Sandbox().GetChatClient("sandbox-small").CompleteChatStreamingAsync([new UserChatMessage("Hello")]);
        var text = new StringBuilder();
        ChatTokenUsage? usage = null;
        await foreach (var update in stream)
        {
            text.Append(string.Concat(update.ContentUpdate.Select(c => c.Text)));
            usage = update.Usage ?? usage;
        }

        text.ToString().ShouldContain("sandbox answering");
        var row = (await Product.EventsAsync("&environment=test"))[0];
        row.GetProperty("streamed").GetBoolean().ShouldBeTrue();
        Tokens(row).ShouldBe((usage!.InputTokenCount, usage.OutputTokenCount));
        Bill(row).ShouldBe(Cost(row));
    }

    [Fact]
    public async Task A_tool_is_called_plain()
    {
        var answer = await Sandbox().GetChatClient("sandbox-small").CompleteChatAsync([new UserChatMessage("Hello")], new ChatCompletionOptions { Tools = { Weather } });
        answer.Value.FinishReason.ShouldBe(ChatFinishReason.ToolCalls);
        Names(answer.Value.ToolCalls.Single().FunctionArguments.ToString()).ShouldBe(["city", "days"]);
        await AgreesAsync(answer.GetRawResponse(), answer.Value.Usage.InputTokenCount, answer.Value.Usage.OutputTokenCount);
    }

    [Fact]
    public async Task A_tool_is_called_in_a_stream()
    {
        var arguments = new StringBuilder();
        await foreach (var update in Sandbox().GetChatClient("sandbox-small").CompleteChatStreamingAsync([new UserChatMessage("Hello")], new ChatCompletionOptions { Tools = { Weather } }))
            foreach (var call in update.ToolCallUpdates)
                arguments.Append(call.FunctionArgumentsUpdate?.ToString());
        Names(arguments.ToString()).ShouldBe(["city", "days"]);
        var row = (await Product.EventsAsync("&environment=test"))[0];
        Bill(row).ShouldBe(Cost(row));
    }

    [Fact]
    public async Task Structured_output_fits_its_schema()
    {
        var format = ChatResponseFormat.CreateJsonSchemaFormat(
            "book", BinaryData.FromString("""{"type":"object","properties":{"title":{"type":"string"}},"required":["title"],"additionalProperties":false}"""), jsonSchemaIsStrict: true);
        var answer = await Sandbox().GetChatClient("sandbox-small").CompleteChatAsync([new UserChatMessage("Hello")], new ChatCompletionOptions { ResponseFormat = format });
        Names(answer.Value.Content[0].Text).ShouldBe(["title"]);
        await AgreesAsync(answer.GetRawResponse(), answer.Value.Usage.InputTokenCount, answer.Value.Usage.OutputTokenCount);
    }

    [Fact]
    public async Task The_Responses_API_plain()
    {
        var answer = await Sandbox().GetResponsesClient().CreateResponseAsync("sandbox-small", "Hello");
        answer.Value.GetOutputText().ShouldContain("sandbox answering");
        await AgreesAsync(answer.GetRawResponse(), (int)answer.Value.Usage.InputTokenCount, (int)answer.Value.Usage.OutputTokenCount);
    }

    [Fact]
    public async Task The_Responses_API_streamed()
    {
        ResponseResult? whole = null;
        await foreach (var update in await Sandbox().GetResponsesClient().CreateResponseStreamingAsync("sandbox-small", "Hello"))
            whole = (update as StreamingResponseCompletedUpdate)?.Response ?? whole;
        var row = (await Product.EventsAsync("&environment=test"))[0];
        Tokens(row).ShouldBe(((int)whole!.Usage.InputTokenCount, (int)whole.Usage.OutputTokenCount));
        Bill(row).ShouldBe(Cost(row));
    }

    [Fact]
    public async Task Embeddings()
    {
        var answer = await Sandbox().GetEmbeddingClient("sandbox-embed").GenerateEmbeddingsAsync(["one", "two, a little longer"]);
        answer.Value.Count.ShouldBe(2);
        answer.Value[1].ToFloats().Span[1].ShouldBe(1f);
        await AgreesAsync(answer.GetRawResponse(), answer.Value.Usage.InputTokenCount, 0);
    }

    [Fact]
    public async Task Images_are_priced_by_the_piece()
    {
        var answer = await Sandbox().GetImageClient("sandbox-image").GenerateImagesAsync("a house", 2);
        answer.Value.Count.ShouldBe(2);
        var row = await RowAsync(answer.GetRawResponse());
        row.GetProperty("cost_usd").GetString().ShouldBe("0.04"); // 2 x 0.02
        Bill(row).ShouldBe(Cost(row));
    }

    [Fact]
    public async Task Speech_arrives_byte_for_byte_and_unpriced()
    {
        var answer = await Sandbox().GetAudioClient("sandbox-small").GenerateSpeechAsync("Hello ✓", GeneratedSpeechVoice.Alloy);
        answer.Value.ToMemory().Length.ShouldBe(4844); // 44 of WAV's head + a tenth of a second at 24 kHz and 16 bit
        var row = await RowAsync(answer.GetRawResponse());
        row.GetProperty("price_status").GetString().ShouldBe("unpriced");
        row.GetProperty("usage").GetProperty("units").GetProperty("character").GetInt32().ShouldBe(7);
    }

    [Fact]
    public async Task A_transcription_is_a_form_whose_model_is_found()
    {
        var answer = await Sandbox().GetAudioClient("sandbox-small").TranscribeAudioAsync(new MemoryStream(new byte[5000]), "speech.wav");
        answer.Value.Text.ShouldContain("sandbox answering");
        var row = await RowAsync(answer.GetRawResponse());
        row.GetProperty("request_model").GetString().ShouldBe("sandbox-small");
        Bill(row).ShouldBe(Cost(row));
    }

    [Fact]
    public async Task Moderations_are_free()
    {
        var answer = await Sandbox().GetModerationClient("omni-moderation-latest").ClassifyTextAsync("Hello");
        answer.Value.Flagged.ShouldBeFalse();
        Cost(await RowAsync(answer.GetRawResponse())).ShouldBe(0);
    }

    [Fact]
    public async Task Lists_of_models()
    {
        var theirs = await Sandbox().GetOpenAIModelClient().GetModelsAsync();
        theirs.Value.ShouldContain(m => m.Id == "sandbox-429");
        (await RowAsync(theirs.GetRawResponse())).GetProperty("price_status").GetString().ShouldBe("free");
        var ours = await Live("/v1").GetOpenAIModelClient().GetModelsAsync();
        ours.Value.ShouldContain(m => m.Id == "gpt-5-mini" && m.OwnedBy == "openai");
    }

    [Fact]
    public async Task A_file_is_uploaded_byte_for_byte_and_free()
    {
        var content = Enumerable.Range(0, 300_000).Select(i => (byte)(i % 251)).ToArray();
        setting.Script(FakeProvider.Json("""{"id":"file-1","object":"file","bytes":300000,"created_at":1,"filename":"a.bin","purpose":"user_data","status":"processed"}"""));
        var answer = await Live().GetOpenAIFileClient().UploadFileAsync(BinaryData.FromBytes(content), "a.bin", FileUploadPurpose.UserData);
        answer.Value.Id.ShouldBe("file-1");
        setting.Provider.Requests.Single().Body.AsSpan().IndexOf(content).ShouldBeGreaterThan(0);
        (await RowAsync(answer.GetRawResponse())).GetProperty("price_status").GetString().ShouldBe("free");
    }

    [Fact]
    public async Task In_pass_through_the_provider_sees_the_clients_key_and_no_metering_key()
    {
        setting.Script(FakeProvider.Json(Answer));
        var own = Client("sk-of-the-client-itself", "/proxy/openai/v1", o => o.AddPolicy(new Headers(("X-Tokonomics-Key", Product.LiveKey), ("X-Tokonomics-Tags", "feature=search")), PipelinePosition.PerCall));
        var answer = await own.GetChatClient("gpt-5-mini").CompleteChatAsync("Hello");
        var request = setting.Provider.Requests.Single();
        request.Header("Authorization").ShouldBe("Bearer sk-of-the-client-itself");
        request.Headers.ShouldNotContain(h => h.Value.Contains("mk_", StringComparison.Ordinal) || h.Key.StartsWith("X-Tokonomics", StringComparison.OrdinalIgnoreCase));
        var row = await RowAsync(answer.GetRawResponse());
        Tokens(row).ShouldBe((3, 2));
        row.GetProperty("tags").GetProperty("feature").GetString().ShouldBe("search");
    }

    [Theory]
    [InlineData("/proxy/openai/v1", "gpt-5-mini", "mk_live_nobodys", 401, "unknown_key", "no such metering key")]
    [InlineData("/proxy/mistral/v1", "gpt-5-mini", null, 401, "no_provider_key", "no key for mistral")]
    [InlineData("/proxy/nobody/v1", "gpt-5-mini", null, 404, "unknown_provider", "'nobody'")]
    [InlineData("/v1", "no-such-model", null, 404, "unknown_model", "'no-such-model'")]
    [InlineData("", "gpt-5-mini", null, 404, "no_target", "the base URL doesn't say where to")]
    public async Task A_refusal_is_the_librarys_exception_with_the_message_after_one_request(string path, string model, string? key, int status, string code, string message)
    {
        setting.Script(FakeProvider.Json(Answer));
        var count = new Attempts();
        var error = await Should.ThrowAsync<ClientResultException>(() =>
            Client(key ?? Product.LiveKey, path, o => o.AddPolicy(count, PipelinePosition.PerTry)).GetChatClient(model).CompleteChatAsync("Hello"));
        error.Status.ShouldBe(status);
        error.Message.ShouldContain(code);
        error.Message.ShouldContain(message);
        count.Sent.ShouldBe(1);
        setting.Provider.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_body_that_is_too_large_is_refused_with_the_message()
    {
        var error = await Should.ThrowAsync<ClientResultException>(() => Live().GetChatClient("gpt-5-mini").CompleteChatAsync(new string('x', 8_000_000)));
        error.Status.ShouldBe(413);
        error.Message.ShouldContain("1,048,576 bytes");
    }

    [Fact]
    public async Task A_key_that_is_revoked_while_the_product_serves_is_refused()
    {
        using var made = await Product.ApiAsync(HttpMethod.Post, "keys", new StringContent("""{"name":"short-lived","environment":"test"}""", Encoding.UTF8, "application/json"));
        var key = JsonDocument.Parse(await made.Content.ReadAsStringAsync()).RootElement;
        var chat = Client(key.GetProperty("key").GetString()!, "/v1").GetChatClient("sandbox-small");
        await chat.CompleteChatAsync("Hello");
        using var gone = await Product.ApiAsync(HttpMethod.Delete, $"keys/{key.GetProperty("id").GetString()}");
        gone.EnsureSuccessStatusCode();
        var error = await Should.ThrowAsync<ClientResultException>(() => chat.CompleteChatAsync("Hello"));
        error.Status.ShouldBe(401);
        error.Message.ShouldContain("revoked");
    }

    [Theory]
    [InlineData(400)]
    [InlineData(401)]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(503)]
    [InlineData(529)]
    public async Task A_providers_error_reaches_the_user_as_it_is(int status)
    {
        var body = $$$"""{"error":{"message":"what the provider says about {{{status}}}","type":"their_type","param":null,"code":"their_code"}}""";
        setting.Script($"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
        var error = await Should.ThrowAsync<ClientResultException>(() => Client(Product.LiveKey, "/proxy/openai/v1", o => o.RetryPolicy = new ClientRetryPolicy(0)).GetChatClient("gpt-5-mini").CompleteChatAsync("Hello"));
        error.Status.ShouldBe(status);
        error.Message.ShouldContain($"what the provider says about {status}");
        error.GetRawResponse()!.Content.ToString().ShouldBe(body);
        var row = await RowAsync(error.GetRawResponse()!);
        row.GetProperty("status").GetInt32().ShouldBe(status);
        Cost(row).ShouldBe(0);
    }

    [Fact]
    public async Task After_429_with_Retry_After_it_comes_again_and_both_calls_have_rows()
    {
        setting.Script("HTTP/1.1 429 X\r\nContent-Type: application/json\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}", FakeProvider.Json(Answer));
        var answer = await Tagged("net-429", Product.LiveKey, "/proxy/openai/v1").GetChatClient("gpt-5-mini").CompleteChatAsync("Hello");
        answer.Value.Content[0].Text.ShouldBe("Hi");
        var rows = await Product.EventsAsync("&environment=live&tag=test%3Dnet-429");
        rows.Select(r => r.GetProperty("status").GetInt32()).ShouldBe([200, 429]);
        rows.Select(r => r.GetProperty("id").GetString()).Distinct().Count().ShouldBe(2);
        Tokens(rows[0]).ShouldBe((3, 2));
        Cost(rows[1]).ShouldBe(0);
    }

    [Fact]
    public async Task A_provider_that_nobody_reaches_is_a_server_error()
    {
        var error = await Should.ThrowAsync<ClientResultException>(() =>
            Client(Product.LiveKey, "/proxy/groq/openai/v1", o => o.RetryPolicy = new ClientRetryPolicy(0)).GetChatClient("gpt-5-mini").CompleteChatAsync("Hello"));
        error.Status.ShouldBe(502);
        error.Message.ShouldContain("groq can't be reached: it refuses connections");
        (await RowAsync(error.GetRawResponse()!)).GetProperty("outcome").GetString().ShouldBe("unreachable");
    }

    [Fact]
    public async Task A_stream_that_is_broken_off_never_looks_whole()
    {
        var finished = false;
        ChatTokenUsage? usage = null;
        var error = await Record.ExceptionAsync(async () =>
        {
            await foreach (var update in Tagged("net-cut", Product.TestKey, "/v1").GetChatClient("sandbox-cut").CompleteChatStreamingAsync([new UserChatMessage("Hello")]))
                (finished, usage) = (finished || update.FinishReason is not null, update.Usage ?? usage);
        });
        finished.ShouldBeFalse();
        usage.ShouldBeNull();
        // This library reads an error inside a stream as an event without choices: it raises nothing, here as with OpenAI itself.
        error.ShouldBeNull();
        (await Product.EventsAsync("&environment=test&tag=test%3Dnet-cut")).Single().GetProperty("outcome").GetString().ShouldBe("truncated");
    }

    [Fact]
    public async Task Cancelled_in_mid_stream_the_provider_is_cut_off_and_the_row_says_that_the_client_has_gone()
    {
        var order = new List<string>();
        var gone = new TaskCompletionSource();
        setting.Play = async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
            await FakeProvider.ChunkAsync(socket, "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n");
            try
            {
                await socket.ReceiveAsync(new byte[1]);
            }
            catch (SocketException)
            {
                // Closed by a reset: gone as well.
            }

            lock (order)
                order.Add("the provider saw the connection close");
            gone.SetResult();
        };
        using var cancel = new CancellationTokenSource();
        await Should.ThrowAsync<OperationCanceledException>(async () =>
        {
            await foreach (var update in Tagged("net-gone", Product.LiveKey, "/v1").GetChatClient("gpt-5-mini").CompleteChatStreamingAsync([new UserChatMessage("Hello")], cancellationToken: cancel.Token))
            {
                lock (order)
                    order.Add(update.ContentUpdate[0].Text);
                await cancel.CancelAsync();
            }
        });
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(60));
        order.ShouldBe(["Hello", "the provider saw the connection close"]);
        var row = await OnlyAsync("net-gone");
        row.GetProperty("outcome").GetString().ShouldBe("client_gone");
        row.GetProperty("usage_source").GetString().ShouldBe("estimated");
        Tokens(row).Output.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task Its_own_time_out_is_a_row_of_a_client_that_has_gone()
    {
        setting.Play = (_, _) => Task.CompletedTask; // never answers
        var own = Client(Product.LiveKey, "/v1", o =>
        {
            o.NetworkTimeout = TimeSpan.FromMilliseconds(300);
            o.RetryPolicy = new ClientRetryPolicy(0);
            o.AddPolicy(new Headers(("X-Tokonomics-Tags", "test=net-timeout")), PipelinePosition.PerCall);
        });
        await Should.ThrowAsync<Exception>(() => own.GetChatClient("gpt-5-mini").CompleteChatAsync("Hello"));
        var row = await OnlyAsync("net-timeout");
        row.GetProperty("outcome").GetString().ShouldBe("client_gone");
        row.GetProperty("status").GetInt32().ShouldBe(0);
    }

    [Fact]
    public async Task Fifty_calls_at_once_are_fifty_rows()
    {
        var chat = Tagged("net-fifty", Product.TestKey, "/v1").GetChatClient("sandbox-small");
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => chat.CompleteChatAsync("Hello")));
        var rows = await Product.EventsAsync("&environment=test&tag=test%3Dnet-fifty");
        rows.Select(r => r.GetProperty("id").GetString()).Order().ShouldBe(answers.Select(a => Id(a.GetRawResponse())).Order());
        rows.ShouldAllBe(r => Bill(r) == Cost(r));
    }

    private OpenAIClient Sandbox(string path = "/proxy/openai/v1") => Client(Product.TestKey, path);

    private OpenAIClient Live(string path = "/proxy/openai/v1") => Client(Product.LiveKey, path);

    private OpenAIClient Tagged(string test, string key, string path) => Client(key, path, o => o.AddPolicy(new Headers(("X-Tokonomics-Tags", $"test={test}")), PipelinePosition.PerCall));

    private OpenAIClient Client(string key, string path, Action<OpenAIClientOptions>? configure = null)
    {
        var options = new OpenAIClientOptions { Endpoint = new Uri(Product.Url, path) };
        configure?.Invoke(options);
        return new OpenAIClient(new ApiKeyCredential(key), options);
    }

    private static string Id(PipelineResponse answer) => answer.Headers.TryGetValue("x-tokonomics-request-id", out var id) ? id! : throw new InvalidOperationException("the answer has no request id");

    private Task<JsonElement> RowAsync(PipelineResponse answer) => Product.EventAsync(Id(answer));

    /// <summary>The only row with a tag, once it is there: a client that left knows nothing of it.</summary>
    private async Task<JsonElement> OnlyAsync(string test)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            var rows = await Product.EventsAsync($"&environment=live&tag=test%3D{test}");
            if (rows.Count > 0)
                return rows.Single();
            await Task.Delay(20, patience.Token);
        }
    }

    private async Task AgreesAsync(PipelineResponse answer, int input, int output)
    {
        var row = await RowAsync(answer);
        Tokens(row).ShouldBe((input, output));
        row.GetProperty("usage_source").GetString().ShouldBe("reported");
        row.GetProperty("outcome").GetString().ShouldBe("completed");
        Bill(row).ShouldBe(Cost(row));
    }

    private static (int Input, int Output) Tokens(JsonElement row) =>
        (row.GetProperty("usage").GetProperty("input_tokens").GetInt32(), row.GetProperty("usage").GetProperty("output_tokens").GetInt32());

    /// <summary>Nano-dollars in the ledger.</summary>
    private static long? Cost(JsonElement row) => row.GetProperty("cost_usd").GetString() is { } usd ? (long)(decimal.Parse(usd, CultureInfo.InvariantCulture) * 1_000_000_000m) : null;

    /// <summary>Nano-dollars on the sandbox's own bill.</summary>
    private long? Bill(JsonElement row)
    {
        var id = row.GetProperty("provider_request_id").GetString();
        return Product.Sandbox.Bill.Lines.Single(l => l.Id == id).CostNanoUsd;
    }

    private static string[] Names(string json) => [.. JsonDocument.Parse(json).RootElement.EnumerateObject().Select(p => p.Name)];

    /// <summary>Default headers, the way this library has for them.</summary>
    private sealed class Headers(params (string Name, string Value)[] all) : PipelinePolicy
    {
        public override void Process(PipelineMessage message, IReadOnlyList<PipelinePolicy> pipeline, int currentIndex) => throw new NotSupportedException("the tests call asynchronously");

        public override ValueTask ProcessAsync(PipelineMessage message, IReadOnlyList<PipelinePolicy> pipeline, int currentIndex)
        {
            foreach (var (name, value) in all)
                message.Request.Headers.Set(name, value);
            return ProcessNextAsync(message, pipeline, currentIndex);
        }
    }

    private sealed class Attempts : PipelinePolicy
    {
        public int Sent { get; private set; }

        public override void Process(PipelineMessage message, IReadOnlyList<PipelinePolicy> pipeline, int currentIndex) => throw new NotSupportedException("the tests call asynchronously");

        public override ValueTask ProcessAsync(PipelineMessage message, IReadOnlyList<PipelinePolicy> pipeline, int currentIndex)
        {
            Sent++;
            return ProcessNextAsync(message, pipeline, currentIndex);
        }
    }
}
