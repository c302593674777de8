using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>Chat completions, and the older completions.</summary>
internal static class OpenAiChatRoutes
{
    private const string Fingerprint = "fp_sandbox";

    public static async Task ChatAsync(SandboxCall call)
    {
        var body = call.Body;
        var messages = body.Require("messages");
        call.Prompt.Messages(messages);
        call.Prompt.Text(body.Get("tools"));
        var last = messages.Items().LastOrDefault();
        var ask = new SandboxAsk
        {
            Limit = body.GetLimit("max_completion_tokens", "max_tokens"),
            Tool = SandboxJson.Pick(
                [.. body.Get("tools").Items().Select(t => t.Get("function")).Where(f => f.GetText("name") is not null).Select(f => new SandboxTool(f.GetText("name")!, f.Get("parameters")))],
                body.GetText("tool_choice"),
                body.Get("tool_choice").Get("function").GetText("name"),
                last.GetText("role") == "user"),
            Json = body.Get("response_format").GetText("type") is "json_object" or "json_schema",
            JsonSchema = body.Get("response_format").Get("json_schema").Get("schema"),
            Grades = call.Model.Is(SandboxBehaviour.Grades) ? SandboxGrades.Of(last.GetText("content") ?? "") : null,
        };
        var replies = Replies(call, ask, body.GetChoices("n"));
        call.Prompt.ChargeWithAutomaticCache(call.Units);
        if (call.Stream) await StreamChatAsync(call, replies);
        else await SendChatAsync(call, replies);
    }

    public static async Task CompletionsAsync(SandboxCall call)
    {
        var prompt = call.Body.Require("prompt");
        call.Prompt.Text(prompt);
        var prompts = prompt.ValueKind == JsonValueKind.Array && prompt.Items().All(p => p.ValueKind == JsonValueKind.String) ? Math.Clamp(prompt.GetArrayLength(), 1, 128) : 1;
        var replies = Replies(call, new SandboxAsk { Limit = call.Body.GetLimit("max_tokens") }, prompts * call.Body.GetChoices("n"));
        call.Prompt.ChargeWithAutomaticCache(call.Units);
        if (call.Stream) await StreamCompletionsAsync(call, replies);
        else await SendCompletionsAsync(call, replies);
    }

    private static List<SandboxReply> Replies(SandboxCall call, SandboxAsk ask, int choices) =>
        [.. Enumerable.Range(0, choices).Select(i => SandboxReply.Make(call.Model, ask, call.Prompt.Bytes, i))];

    private static async Task SendChatAsync(SandboxCall call, List<SandboxReply> replies)
    {
        await call.BeginAsync("application/json");
        foreach (var reply in replies) await call.GenerateAsync(reply);
        var answer = new JsonObject
        {
            ["id"] = $"chatcmpl-{call.Suffix}",
            ["object"] = "chat.completion",
            ["created"] = call.Created,
            ["model"] = call.Model.Name,
            ["choices"] = new JsonArray([.. replies.Select((reply, i) => (JsonNode)new JsonObject
            {
                ["index"] = i,
                ["message"] = Message(call, reply, i),
                ["logprobs"] = null,
                ["finish_reason"] = Finish(reply),
            })]),
        };
        if (call.ReportsUsage) answer["usage"] = Usage(call);
        answer["service_tier"] = "default";
        answer["system_fingerprint"] = Fingerprint;
        await call.SendAsync(answer);
    }

    private static JsonObject Message(SandboxCall call, SandboxReply reply, int choice)
    {
        var message = new JsonObject { ["role"] = "assistant", ["content"] = reply.Tool is null ? reply.Text : null };
        if (reply.Tool is not null) message["tool_calls"] = new JsonArray(ToolCall(call, choice, reply.Tool, reply.Text));
        message["refusal"] = null;
        message["annotations"] = new JsonArray();
        return message;
    }

    private static JsonObject ToolCall(SandboxCall call, int choice, string name, string arguments) => new()
    {
        ["id"] = $"call_{call.Suffix}{choice}",
        ["type"] = "function",
        ["function"] = new JsonObject { ["name"] = name, ["arguments"] = arguments },
    };

    private static async Task StreamChatAsync(SandboxCall call, List<SandboxReply> replies)
    {
        // As OpenAI: with include_usage every chunk has "usage": null, and one more chunk without choices has the figures.
        var includeUsage = call.Body.Get("stream_options").IsTrue("include_usage");
        await call.BeginAsync("text/event-stream; charset=utf-8");
        foreach (var hidden in replies.SelectMany(r => r.Reasoning)) await call.HiddenPieceAsync(hidden);
        for (var i = 0; i < replies.Count; i++)
        {
            var first = new JsonObject { ["role"] = "assistant", ["content"] = replies[i].Tool is null ? "" : null };
            if (replies[i].Tool is { } tool)
            {
                var started = ToolCall(call, i, tool, "");
                started.Insert(0, "index", 0);
                first["tool_calls"] = new JsonArray(started);
            }

            first["refusal"] = null;
            await call.EventAsync(Chunk(i, first, null));
        }

        for (var at = 0; replies.Any(r => at < r.Pieces.Count); at++)
        for (var i = 0; i < replies.Count; i++)
        {
            if (at >= replies[i].Pieces.Count) continue;
            var piece = replies[i].Pieces[at];
            var delta = replies[i].Tool is null
                ? new JsonObject { ["content"] = piece.Text }
                : new JsonObject { ["tool_calls"] = new JsonArray(new JsonObject { ["index"] = 0, ["function"] = new JsonObject { ["arguments"] = piece.Text } }) };
            await call.PieceAsync(Chunk(i, delta, null), piece);
        }

        for (var i = 0; i < replies.Count; i++) await call.EventAsync(Chunk(i, new JsonObject(), Finish(replies[i])));
        if (includeUsage && call.ReportsUsage)
        {
            var last = Head(call, "chat.completion.chunk", "chatcmpl");
            last["choices"] = new JsonArray();
            last["usage"] = Usage(call);
            await call.EventAsync(SandboxCall.Sse(last), usage: true);
        }

        await call.EndMarkerAsync("data: [DONE]\n\n");

        string Chunk(int index, JsonObject delta, string? finish)
        {
            var chunk = Head(call, "chat.completion.chunk", "chatcmpl");
            chunk["choices"] = new JsonArray(new JsonObject { ["index"] = index, ["delta"] = delta, ["logprobs"] = null, ["finish_reason"] = finish });
            if (includeUsage) chunk["usage"] = null;
            return SandboxCall.Sse(chunk);
        }
    }

    private static async Task SendCompletionsAsync(SandboxCall call, List<SandboxReply> replies)
    {
        await call.BeginAsync("application/json");
        foreach (var reply in replies) await call.GenerateAsync(reply);
        var answer = Head(call, "text_completion", "cmpl");
        answer["choices"] = new JsonArray([.. replies.Select((reply, i) => (JsonNode)new JsonObject { ["text"] = reply.Text, ["index"] = i, ["logprobs"] = null, ["finish_reason"] = Finish(reply) })]);
        if (call.ReportsUsage) answer["usage"] = Usage(call);
        await call.SendAsync(answer);
    }

    private static async Task StreamCompletionsAsync(SandboxCall call, List<SandboxReply> replies)
    {
        var includeUsage = call.Body.Get("stream_options").IsTrue("include_usage");
        await call.BeginAsync("text/event-stream; charset=utf-8");
        for (var i = 0; i < replies.Count; i++)
        {
            foreach (var hidden in replies[i].Reasoning) await call.HiddenPieceAsync(hidden);
            foreach (var piece in replies[i].Pieces) await call.PieceAsync(Chunk(i, piece.Text, null), piece);
            await call.EventAsync(Chunk(i, "", Finish(replies[i])));
        }

        if (includeUsage && call.ReportsUsage)
        {
            var last = Head(call, "text_completion", "cmpl");
            last["choices"] = new JsonArray();
            last["usage"] = Usage(call);
            await call.EventAsync(SandboxCall.Sse(last), usage: true);
        }

        await call.EndMarkerAsync("data: [DONE]\n\n");

        string Chunk(int index, string text, string? finish)
        {
            var chunk = Head(call, "text_completion", "cmpl");
            chunk["choices"] = new JsonArray(new JsonObject { ["text"] = text, ["index"] = index, ["logprobs"] = null, ["finish_reason"] = finish });
            if (includeUsage) chunk["usage"] = null;
            return SandboxCall.Sse(chunk);
        }
    }

    private static JsonObject Head(SandboxCall call, string type, string prefix) => new()
    {
        ["id"] = $"{prefix}-{call.Suffix}",
        ["object"] = type,
        ["created"] = call.Created,
        ["model"] = call.Model.Name,
        ["service_tier"] = "default",
        ["system_fingerprint"] = Fingerprint,
    };

    private static string Finish(SandboxReply reply) => reply.Limited ? "length" : reply.Tool is null ? "stop" : "tool_calls";

    /// <summary>Prompt tokens include the cached ones, completion tokens include reasoning.</summary>
    private static JsonObject Usage(SandboxCall call) => new()
    {
        ["prompt_tokens"] = call.Units.InputTotal,
        ["completion_tokens"] = call.Units.OutputTotal,
        ["total_tokens"] = call.Units.InputTotal + call.Units.OutputTotal,
        ["prompt_tokens_details"] = new JsonObject { ["cached_tokens"] = call.Units.Cached, ["audio_tokens"] = 0 },
        ["completion_tokens_details"] = new JsonObject
        {
            ["reasoning_tokens"] = call.Units.Reasoning,
            ["audio_tokens"] = 0,
            ["accepted_prediction_tokens"] = 0,
            ["rejected_prediction_tokens"] = 0,
        },
    };
}
