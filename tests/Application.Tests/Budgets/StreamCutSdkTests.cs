using System.Buffers;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Tests.Dialects;

namespace Tokonomics.Application.Tests.Budgets;

/// <summary>The providers' own SDKs read streams that were cut, and see a normal finish for reason of length.</summary>
public sealed class StreamCutSdkTests
{
    private sealed record Case(string Name, string Sdk, string Type, string Body);

    private static Case Make(string name, string dialect, string request, bool pathStreams, params string[] events)
    {
        const string type = "text/event-stream";
        var relayed = Wire.Events(events);
        var cut = StreamCut.For(dialect, Wire.Peek(dialect, request, pathStreams: pathStreams), "m", type)!;
        cut.Feed(Encoding.UTF8.GetBytes(relayed));
        var end = new ArrayBufferWriter<byte>();
        cut.Write(end, new CutUsage(10, 20), usageAsked: true);
        return new Case(name, dialect, type, Named(relayed) + Encoding.UTF8.GetString(end.WrittenSpan));
    }

    // Anthropic's SDK wants the event's name as well.
    private static string Named(string events) => string.Concat(events.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(e =>
        JsonDocument.Parse(e["data: ".Length..]).RootElement.TryGetProperty("type", out var type) ? $"event: {type.GetString()}\n{e}\n\n" : e + "\n\n"));

    [Fact]
    public async Task Official_sdks_see_a_normal_finish()
    {
        var clients = new DirectoryInfo(AppContext.BaseDirectory);
        while (clients is not null && !File.Exists(Path.Combine(clients.FullName, "Tokonomics.sln")))
            clients = clients.Parent;
        var folder = Path.Combine(clients!.FullName, "tests", "clients");
        if (!Directory.Exists(Path.Combine(folder, "node_modules", "openai")))
            Assert.Skip("needs 'npm ci' in tests/clients");

        const string stream = """{"model":"m","stream":true}""";
        const string start = """{"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}}""";
        Case[] cases =
        [
            Make("chat", "openai-chat", stream, false, """{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"},"finish_reason":null}]}"""),
            Make("chat, nothing yet", "openai-chat", stream, false),
            Make("chat, two choices", "openai-chat", """{"model":"m","stream":true,"n":2}""", false,
                """{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"A"},"finish_reason":"stop"}]}""",
                """{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":1,"delta":{"role":"assistant","content":"B"},"finish_reason":null}]}"""),
            Make("chat, in a tool call", "openai-chat", stream, false,
                """{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{\"a\""}}]},"finish_reason":null}]}"""),
            Make("completions", "openai-completions", stream, false, """{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"text":"Hel","index":0,"finish_reason":null}]}"""),
            Make("responses", "openai-responses", stream, false,
                """{"type":"response.created","sequence_number":0,"response":{"id":"r1","object":"response","created_at":1,"status":"in_progress","model":"m","output":[]}}""",
                """{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"i","type":"message","role":"assistant","status":"in_progress","content":[]}}""",
                """{"type":"response.content_part.added","sequence_number":2,"item_id":"i","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}""",
                """{"type":"response.output_text.delta","sequence_number":3,"item_id":"i","output_index":0,"content_index":0,"delta":"Hel"}"""),
            Make("responses, nothing yet", "openai-responses", stream, false),
            Make("anthropic", "anthropic-messages", stream, false, start,
                """{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}""", """{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}"""),
            Make("anthropic, nothing yet", "anthropic-messages", stream, false),
            Make("anthropic, in thought", "anthropic-messages", stream, false, start,
                """{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}""", """{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}"""),
            Make("anthropic, in a tool call", "anthropic-messages", stream, false, start,
                """{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}""", """{"type":"content_block_stop","index":0}""",
                """{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}""", """{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\": 1"}}"""),
            Make("gemini", "gemini-generate", """{"contents":[]}""", true, """{"candidates":[{"content":{"parts":[{"text":"Hel"}],"role":"model"},"index":0}],"modelVersion":"m","responseId":"r"}"""),
            Make("gemini, nothing yet", "gemini-generate", """{"contents":[]}""", true),
        ];

        using var node = Process.Start(new ProcessStartInfo("node", "cut.mjs") { WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        await node.StandardInput.WriteAsync(JsonSerializer.Serialize(cases, JsonSerializerOptions.Web));
        node.StandardInput.Close();
        var errors = node.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var told = await node.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await node.WaitForExitAsync(TestContext.Current.CancellationToken);
        node.ExitCode.ShouldBe(0, await errors);

        var made = JsonDocument.Parse(told).RootElement.EnumerateArray().ToList();
        made.Count.ShouldBe(cases.Length);
        foreach (var m in made)
        {
            var name = m.GetProperty("name").GetString()!;
            m.GetProperty("reason").GetString().ShouldBe(
                name == "chat, two choices" ? "stop,length"
                : name.StartsWith("chat", StringComparison.Ordinal) || name == "completions" ? "length"
                : name.StartsWith("responses", StringComparison.Ordinal) ? "max_output_tokens"
                : name.StartsWith("anthropic", StringComparison.Ordinal) ? "max_tokens" : "MAX_TOKENS", $"{name}: {m}");
            m.GetProperty("outputTokens").GetInt32().ShouldBe(20, name);
            if (name is "chat" or "completions" or "responses" or "anthropic" or "gemini")
                m.GetProperty("text").GetString().ShouldBe("Hel", name);
        }
    }
}
