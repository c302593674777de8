using System.Text;
using System.Text.Json;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Web.Proxy.Tests.Sandbox;

/// <summary>Every dialect, plain and streamed: the answer parses, its usage adds up, and the bill has the same figures.</summary>
public sealed class SandboxDialectTests
{
    // "Hi" is 1 token, and 3 for the message.
    private const int HiTokens = 4;

    private const string Tools = """[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"unit":{"enum":["c","f"]}},"required":["city","days","unit"]}}}]""";

    [Fact]
    public async Task A_chat_completion_reports_what_the_bill_says()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        using var response = await sandbox.PostAsync("v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]}""");
        var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;

        answer.GetProperty("model").GetString().ShouldBe("sandbox-small");
        var text = answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
        text.Split(' ').Length.ShouldBeInRange(20, 30);
        answer.GetProperty("choices")[0].GetProperty("finish_reason").GetString().ShouldBe("stop");

        var line = await sandbox.OnlyLineAsync();
        line.Id.ShouldBe(response.Headers.GetValues("x-request-id").Single());
        var output = answer.GetProperty("usage").GetProperty("completion_tokens").GetInt64();
        output.ShouldBe((Encoding.UTF8.GetByteCount(text) + 3) / 4);
        answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt64().ShouldBe(HiTokens);
        line.Units.Input.ShouldBe(HiTokens);
        line.Units.Output.ShouldBe(output);
        line.DeliveredOutput.ShouldBe(output);
        line.UsageDelivered.ShouldBeTrue();
        line.CostNanoUsd.ShouldBe((HiTokens * 1000) + (output * 2000)); // USD 1 and 2 per million are 1,000 and 2,000 nano-dollars each
        line.Outcome.ShouldBe(SandboxOutcome.Ok);
    }

    [Fact]
    public async Task A_chat_stream_says_usage_only_when_asked()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var without = await sandbox.PostSseAsync("openai/v1/chat/completions", """{"model":"sandbox-small","stream":true,"messages":[{"role":"user","content":"Hi"}]}""");
        without.Any(e => e.TryGetProperty("usage", out _)).ShouldBeFalse();

        var with = await sandbox.PostSseAsync("openai/v1/chat/completions", """{"model":"sandbox-small","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Hi"}]}""");
        with.SkipLast(1).ShouldAllBe(e => e.GetProperty("usage").ValueKind == JsonValueKind.Null);
        with[^1].GetProperty("choices").GetArrayLength().ShouldBe(0);

        var lines = await sandbox.LinesAsync();
        with[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt64().ShouldBe(lines[1].Units.Output);
        lines.Select(l => (l.Stream, l.UsageDelivered)).ShouldBe([(true, false), (true, true)]);
        lines[0].CostNanoUsd.ShouldBe(lines[1].CostNanoUsd);
        string.Concat(with.Where(e => e.GetProperty("choices").GetArrayLength() > 0).Select(e => e.GetProperty("choices")[0].GetProperty("delta")).Where(d => d.TryGetProperty("content", out _)).Select(d => d.GetProperty("content").GetString()))
            .ShouldStartWith("This is the sandbox answering");
    }

    [Fact]
    public async Task Choices_and_the_limit_of_each_are_honoured()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var answer = await sandbox.PostJsonAsync("v1/chat/completions", """{"model":"sandbox-large","n":3,"max_completion_tokens":5,"messages":[{"role":"user","content":"Hi"}]}""");
        answer.GetProperty("choices").EnumerateArray().Select(c => c.GetProperty("finish_reason").GetString()).ShouldBe(["length", "length", "length"]);
        answer.GetProperty("usage").GetProperty("completion_tokens").GetInt64().ShouldBe(15); // 3 x 5
        (await sandbox.OnlyLineAsync()).CostNanoUsd.ShouldBe((HiTokens * 10_000) + (15 * 40_000));
    }

    [Fact]
    public async Task The_first_tool_is_called_with_the_required_arguments_and_not_again_after_its_result()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var answer = await sandbox.PostJsonAsync("v1/chat/completions", $$"""{"model":"sandbox-small","tools":{{Tools}},"messages":[{"role":"user","content":"Hi"}]}""");
        var call = answer.GetProperty("choices")[0].GetProperty("message").GetProperty("tool_calls")[0].GetProperty("function");
        call.GetProperty("name").GetString().ShouldBe("weather");
        call.GetProperty("arguments").GetString().ShouldBe("""{"city":"sandbox","days":1,"unit":"c"}""");
        answer.GetProperty("choices")[0].GetProperty("finish_reason").GetString().ShouldBe("tool_calls");

        var after = await sandbox.PostJsonAsync("v1/chat/completions", $$"""{"model":"sandbox-small","tools":{{Tools}},"messages":[{"role":"user","content":"Hi"},{"role":"tool","tool_call_id":"x","content":"sunny"}]}""");
        after.GetProperty("choices")[0].GetProperty("finish_reason").GetString().ShouldBe("stop");

        var stream = await sandbox.PostSseAsync("v1/chat/completions", $$"""{"model":"sandbox-small","stream":true,"tools":{{Tools}},"messages":[{"role":"user","content":"Hi"}]}""");
        string.Concat(stream.Select(e => e.GetProperty("choices")[0].GetProperty("delta")).Where(d => d.TryGetProperty("tool_calls", out _)).Select(d => d.GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments").GetString()))
            .ShouldBe("""{"city":"sandbox","days":1,"unit":"c"}""");
    }

    [Fact]
    public async Task Json_is_answered_where_a_schema_asks_for_it()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var answer = await sandbox.PostJsonAsync("v1/chat/completions", """{"model":"sandbox-small","response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}}},"messages":[{"role":"user","content":"Hi"}]}""");
        answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString().ShouldBe("""{"ok":true}""");
    }

    [Fact]
    public async Task A_prompt_seen_before_is_cached_from_its_beginning()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var request = $$"""{"model":"sandbox-small","messages":[{"role":"user","content":"{{new string('x', 2000)}}"}]}""";
        var first = await sandbox.PostJsonAsync("v1/chat/completions", request);
        var second = await sandbox.PostJsonAsync("v1/chat/completions", request);
        first.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt64().ShouldBe(0);
        second.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt64().ShouldBe(384); // 1,536 of 2,000 bytes, in steps of 512
        second.GetProperty("usage").GetProperty("prompt_tokens").GetInt64().ShouldBe(503); // 2,000 / 4 + 3
        var line = (await sandbox.LinesAsync())[1];
        line.Units.ShouldBe(new SandboxUnits { Cached = 384, Input = 119, Output = line.Units.Output });
        line.CostNanoUsd.ShouldBe((384 * 100) + (119 * 1000) + (line.Units.Output * 2000));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Responses_end_in_an_event_with_the_usage(bool limited)
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var limit = limited ? ",\"max_output_tokens\":40" : "";
        var plain = await sandbox.PostJsonAsync("v1/responses", $$"""{"model":"sandbox-reason-tokens-50","input":"Hi"{{limit}}}""");
        var events = await sandbox.PostSseAsync("v1/responses", $$"""{"model":"sandbox-reason-tokens-50","stream":true,"input":"Hi"{{limit}}}""");

        events.Select(e => e.GetProperty("sequence_number").GetInt32()).ShouldBe(Enumerable.Range(0, events.Count));
        events[^1].GetProperty("type").GetString().ShouldBe(limited ? "response.incomplete" : "response.completed");
        foreach (var usage in new[] { plain.GetProperty("usage"), events[^1].GetProperty("response").GetProperty("usage") })
        {
            usage.GetProperty("input_tokens").GetInt64().ShouldBe(HiTokens);
            usage.GetProperty("output_tokens").GetInt64().ShouldBe(limited ? 40 : 82); // 32 of reasoning + 50, cut at 40
            usage.GetProperty("output_tokens_details").GetProperty("reasoning_tokens").GetInt64().ShouldBe(32);
        }

        foreach (var line in await sandbox.LinesAsync())
            (line.Units.Output, line.Units.Reasoning, line.DeliveredOutput).ShouldBe((limited ? 8 : 50, 32, limited ? 40 : 82));
    }

    [Fact]
    public async Task Anthropic_messages_are_cumulative_and_write_and_read_the_cache_where_it_is_marked()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        string Request(bool stream) => $$$"""{"model":"sandbox-small","max_tokens":100,"stream":{{{(stream ? "true" : "false")}}},"system":[{"type":"text","text":"{{{new string('a', 1200)}}}","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"{{{new string('b', 400)}}}","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"Hi"}]}""";
        var first = await sandbox.PostJsonAsync("v1/messages", Request(stream: false));
        var events = await sandbox.PostSseAsync("v1/messages", Request(stream: true));

        var written = first.GetProperty("usage");
        written.GetProperty("cache_creation").GetProperty("ephemeral_1h_input_tokens").GetInt64().ShouldBe(300); // 1,200 / 4
        written.GetProperty("cache_creation").GetProperty("ephemeral_5m_input_tokens").GetInt64().ShouldBe(100); // 400 / 4
        written.GetProperty("cache_creation_input_tokens").GetInt64().ShouldBe(400);
        written.GetProperty("input_tokens").GetInt64().ShouldBe(HiTokens);
        first.GetProperty("stop_reason").GetString().ShouldBe("end_turn");

        events.Select(e => e.GetProperty("type").GetString()).Where(t => t != "content_block_delta")
            .ShouldBe(["message_start", "content_block_start", "ping", "content_block_stop", "message_delta", "message_stop"]);
        events[0].GetProperty("message").GetProperty("usage").GetProperty("cache_read_input_tokens").GetInt64().ShouldBe(400);
        var read = events.Single(e => e.GetProperty("type").GetString() == "message_delta").GetProperty("usage");
        var lines = await sandbox.LinesAsync();
        read.GetProperty("output_tokens").GetInt64().ShouldBe(lines[1].Units.Output);
        lines[0].CostNanoUsd.ShouldBe((300 * 2000) + (100 * 1250) + (HiTokens * 1000) + (lines[0].Units.Output * 2000));
        lines[1].CostNanoUsd.ShouldBe((400 * 100) + (HiTokens * 1000) + (lines[1].Units.Output * 2000));
    }

    [Fact]
    public async Task Anthropic_thinks_uses_tools_and_counts_tokens_for_nothing()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        const string Request = """{"model":"sandbox-reason","max_tokens":900,"stream":STREAM,"tools":[{"name":"weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}],"messages":[{"role":"user","content":"Hi"}]}""";
        var answer = await sandbox.PostJsonAsync("v1/messages", Request.Replace("STREAM", "false"));
        answer.GetProperty("content").EnumerateArray().Select(c => c.GetProperty("type").GetString()).ShouldBe(["thinking", "tool_use"]);
        answer.GetProperty("content")[1].GetProperty("input").GetProperty("city").GetString().ShouldBe("sandbox");
        answer.GetProperty("stop_reason").GetString().ShouldBe("tool_use");

        var events = await sandbox.PostSseAsync("v1/messages", Request.Replace("STREAM", "true"));
        string.Concat(events.Where(e => e.TryGetProperty("delta", out var d) && d.TryGetProperty("partial_json", out _)).Select(e => e.GetProperty("delta").GetProperty("partial_json").GetString())).ShouldBe("""{"city":"sandbox"}""");

        var count = await sandbox.PostJsonAsync("v1/messages/count_tokens", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]}""");
        count.GetProperty("input_tokens").GetInt64().ShouldBe(HiTokens);
        (await sandbox.LinesAsync())[^1].CostNanoUsd.ShouldBe(0);
    }

    [Theory]
    [InlineData("generateContent", "")]
    [InlineData("streamGenerateContent", "?alt=sse")]
    [InlineData("streamGenerateContent", "")]
    public async Task Gemini_keeps_thoughts_apart_from_candidates(string method, string query)
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var path = $"v1beta/models/sandbox-reason:{method}{query}";
        const string Request = """{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{"maxOutputTokens":42}}""";
        JsonElement last;
        if (query.Length > 0) last = (await sandbox.PostSseAsync(path, Request))[^1];
        else
        {
            last = await sandbox.PostJsonAsync(path, Request);
            if (method == "streamGenerateContent") last = last.EnumerateArray().Last();
        }

        last.GetProperty("candidates")[0].GetProperty("finishReason").GetString().ShouldBe("MAX_TOKENS");
        var usage = last.GetProperty("usageMetadata");
        usage.GetProperty("promptTokenCount").GetInt64().ShouldBe(HiTokens);
        usage.GetProperty("thoughtsTokenCount").GetInt64().ShouldBe(32);
        usage.GetProperty("candidatesTokenCount").GetInt64().ShouldBe(10); // 42 - 32
        usage.GetProperty("totalTokenCount").GetInt64().ShouldBe(46);
        var line = await sandbox.OnlyLineAsync();
        line.Units.ShouldBe(new SandboxUnits { Input = HiTokens, Reasoning = 32, Output = 10 });
        (line.DeliveredOutput, line.UsageDelivered).ShouldBe((42, true));
    }

    [Theory]
    [InlineData("generateContent")]
    [InlineData("streamGenerateContent?alt=sse")]
    public async Task Gemini_calls_functions(string method)
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        using var response = await sandbox.PostAsync($"v1/projects/p/locations/l/publishers/google/models/sandbox-small:{method}", """{"contents":[{"parts":[{"text":"Hi"}]}],"tools":[{"functionDeclarations":[{"name":"weather","parameters":{"type":"OBJECT","properties":{"city":{"type":"STRING"}},"required":["city"]}}]}]}""");
        var text = await response.Content.ReadAsStringAsync();
        var answer = JsonDocument.Parse(text.StartsWith("data: ") ? text[6..] : text).RootElement;
        answer.GetProperty("candidates")[0].GetProperty("content").GetProperty("parts")[0].GetProperty("functionCall").GetProperty("args").GetProperty("city").GetString().ShouldBe("sandbox");
        answer.GetProperty("usageMetadata").GetProperty("candidatesTokenCount").GetInt64().ShouldBe(5); // {"city":"sandbox"} is 18 bytes
        (await sandbox.OnlyLineAsync()).Units.Output.ShouldBe(5);
    }

    [Fact]
    public async Task Cohere_answers_both_versions_of_its_chat()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var two = await sandbox.PostJsonAsync("v2/chat", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]}""");
        var twoStream = await sandbox.PostSseAsync("v2/chat", """{"model":"sandbox-small","stream":true,"messages":[{"role":"user","content":"Hi"}]}""");
        var one = await sandbox.PostJsonAsync("v1/chat", """{"model":"sandbox-small","message":"Hi"}""");
        using var response = await sandbox.PostAsync("v1/chat", """{"model":"sandbox-small","stream":true,"message":"Hi"}""");
        var oneStream = JsonDocument.Parse((await response.Content.ReadAsStringAsync()).TrimEnd().Split('\n')[^1]).RootElement;

        var lines = await sandbox.LinesAsync();
        JsonElement[] billed =
        [
            two.GetProperty("usage").GetProperty("billed_units"),
            twoStream[^1].GetProperty("delta").GetProperty("usage").GetProperty("billed_units"),
            one.GetProperty("meta").GetProperty("billed_units"),
            oneStream.GetProperty("response").GetProperty("meta").GetProperty("billed_units"),
        ];
        billed.Select(b => (b.GetProperty("input_tokens").GetInt64(), b.GetProperty("output_tokens").GetInt64())).ShouldBe(lines.Select(l => (l.Units.Input, l.Units.Output)));
        lines.ShouldAllBe(l => l.Units.Input == HiTokens && l.UsageDelivered);
    }

    [Theory]
    [InlineData("api/chat", """{"model":"sandbox-small","messages":[{"role":"user","content":"Hi"}]STREAM}""")]
    [InlineData("api/generate", """{"model":"sandbox-small","prompt":"Hi"STREAM}""")]
    public async Task Ollama_streams_lines_unless_told_not_to(string path, string request)
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var plain = await sandbox.PostJsonAsync(path, request.Replace("STREAM", ",\"stream\":false"));
        using var response = await sandbox.PostAsync(path, request.Replace("STREAM", ""));
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/x-ndjson");
        var rows = (await response.Content.ReadAsStringAsync()).TrimEnd().Split('\n').Select(l => JsonDocument.Parse(l).RootElement).ToList();
        rows.SkipLast(1).ShouldAllBe(r => !r.GetProperty("done").GetBoolean());
        var lines = await sandbox.LinesAsync();
        foreach (var end in new[] { plain, rows[^1] })
        {
            end.GetProperty("done").GetBoolean().ShouldBeTrue();
            end.GetProperty("prompt_eval_count").GetInt64().ShouldBe(HiTokens);
            end.GetProperty("eval_count").GetInt64().ShouldBe(lines[0].Units.Output);
        }

        lines[1].Stream.ShouldBeTrue();
    }

    [Fact]
    public async Task Routes_that_are_no_chat_answer_and_are_billed_by_their_units()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var embedding = await sandbox.PostJsonAsync("openai/deployments/sandbox-embed/embeddings?api-version=1", """{"input":["abcdefgh","abc"]}""");
        embedding.GetProperty("usage").GetProperty("prompt_tokens").GetInt64().ShouldBe(3); // 2 + 1
        embedding.GetProperty("model").GetString().ShouldBe("sandbox-embed");
        (await sandbox.PostJsonAsync("v1/images/generations", """{"model":"sandbox-image","prompt":"x","n":2}""")).GetProperty("data").GetArrayLength().ShouldBe(2);
        (await sandbox.PostJsonAsync("v1/moderations", """{"model":"sandbox-small","input":"x"}""")).GetProperty("results").GetArrayLength().ShouldBe(1);
        (await sandbox.PostJsonAsync("v2/rerank", """{"model":"sandbox-small","query":"x","documents":["a","b"],"top_n":1}""")).GetProperty("results").GetArrayLength().ShouldBe(1);
        (await sandbox.PostJsonAsync("v2/embed", """{"model":"sandbox-embed","texts":["abcd"],"embedding_types":["float"]}""")).GetProperty("meta").GetProperty("billed_units").GetProperty("input_tokens").GetInt64().ShouldBe(1);
        (await sandbox.PostJsonAsync("api/embed", """{"model":"sandbox-embed","input":"abcd"}""")).GetProperty("prompt_eval_count").GetInt64().ShouldBe(1);
        (await sandbox.PostJsonAsync("v1beta/models/sandbox-embed:batchEmbedContents", """{"requests":[{"content":{"parts":[{"text":"abcd"}]}}]}""")).GetProperty("embeddings").GetArrayLength().ShouldBe(1);
        (await sandbox.PostJsonAsync("v1/completions", """{"model":"sandbox-small","prompt":"abcd","max_tokens":2}""")).GetProperty("usage").GetProperty("total_tokens").GetInt64().ShouldBe(3);
        (await sandbox.PostJsonAsync("v1/complete", """{"model":"sandbox-small","prompt":"abcd","max_tokens_to_sample":2}""")).GetProperty("stop_reason").GetString().ShouldBe("max_tokens");
        using (var speech = await sandbox.PostAsync("v1/audio/speech", """{"model":"sandbox-small","input":"Hello","voice":"alloy"}"""))
            (await speech.Content.ReadAsByteArrayAsync()).AsSpan(0, 4).SequenceEqual("RIFF"u8).ShouldBeTrue();

        var form = new MultipartFormDataContent { { new StringContent("sandbox-small"), "model" }, { new ByteArrayContent(new byte[2500]), "file", "a.wav" } };
        using var heard = await sandbox.Client.PostAsync("v1/audio/transcriptions", form);
        JsonDocument.Parse(await heard.Content.ReadAsStringAsync()).RootElement.GetProperty("usage").GetProperty("input_tokens").GetInt64().ShouldBe(3); // 2,500 bytes / 1,000

        var lines = (await sandbox.LinesAsync()).ToDictionary(l => l.Dialect);
        lines["openai-embeddings"].CostNanoUsd.ShouldBe(300); // 3 x 100
        lines["openai-images"].CostNanoUsd.ShouldBe(40_000_000); // 2 x USD 0.02
        lines["openai-moderations"].CostNanoUsd.ShouldBe(0);
        lines["openai-completions"].CostNanoUsd.ShouldBe(5_000); // 1 x 1,000 + 2 x 2,000
        lines["anthropic-complete"].CostNanoUsd.ShouldBe(5_000);
        lines["anthropic-complete"].UsageDelivered.ShouldBeFalse(); // that API never reported usage
        lines["openai-speech"].Units.Characters.ShouldBe(5);
        lines["openai-speech"].CostNanoUsd.ShouldBeNull(); // no rate for characters
        lines["rerank"].CostNanoUsd.ShouldBeNull();
    }

    [Fact]
    public async Task Lists_of_models_come_in_the_shape_of_whoever_asks()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var openAi = JsonDocument.Parse(await sandbox.Client.GetStringAsync("v1/models")).RootElement.GetProperty("data");
        openAi.EnumerateArray().Select(m => m.GetProperty("id").GetString()).ShouldBe(ModelListRoutes.All.Select(m => m.Name));
        JsonDocument.Parse(await sandbox.Client.GetStringAsync("v1beta/models")).RootElement.GetProperty("models")[0].GetProperty("name").GetString().ShouldBe("models/sandbox-small");
        JsonDocument.Parse(await sandbox.Client.GetStringAsync("api/tags")).RootElement.GetProperty("models")[0].GetProperty("name").GetString().ShouldBe("sandbox-small");
        var request = new HttpRequestMessage(HttpMethod.Get, "v1/models") { Headers = { { "anthropic-version", "2023-06-01" } } };
        using var anthropic = await sandbox.Client.SendAsync(request);
        JsonDocument.Parse(await anthropic.Content.ReadAsStringAsync()).RootElement.GetProperty("has_more").GetBoolean().ShouldBeFalse();
    }

    [Fact]
    public async Task A_model_that_is_not_the_sandboxs_is_answered_and_has_no_cost()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        await sandbox.PostJsonAsync("v1/chat/completions", """{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}]}""");
        (await sandbox.OnlyLineAsync()).CostNanoUsd.ShouldBeNull();
    }
}
