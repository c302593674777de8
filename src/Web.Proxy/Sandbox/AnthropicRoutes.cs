using System.Text.Json.Nodes;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>Anthropic's messages, its token count, and its older completions.</summary>
internal static class AnthropicRoutes
{
    public static async Task MessagesAsync(SandboxCall call)
    {
        var body = call.Body;
        Count(call);
        body.Require("max_tokens");
        var last = body.Get("messages").Items().LastOrDefault();
        var choice = body.Get("tool_choice");
        var reply = SandboxReply.Make(call.Model, new SandboxAsk
        {
            Limit = body.GetLimit("max_tokens"),
            Tool = SandboxJson.Pick(
                [.. body.Get("tools").Items().Where(t => t.GetText("name") is not null).Select(t => new SandboxTool(t.GetText("name")!, t.Get("input_schema")))],
                choice.GetText("type"),
                choice.GetText("name"),
                last.GetText("role") == "user" && !last.Get("content").Items().Any(b => b.GetText("type") == "tool_result")),
        }, call.Prompt.Bytes);
        call.Prompt.ChargeWithBreakpoints(call.Units);

        if (call.Stream)
        {
            await StreamAsync(call, reply);
            return;
        }

        await call.BeginAsync("application/json");
        await call.GenerateAsync(reply);
        var answer = Message(call, Content(call, reply), Stop(reply));
        if (call.ReportsUsage) answer["usage"] = Usage(call, call.Units.OutputTotal);
        await call.SendAsync(answer);
    }

    public static async Task CountTokensAsync(SandboxCall call)
    {
        Count(call);
        await call.BeginAsync("application/json");
        await call.SendAsync(new JsonObject { ["input_tokens"] = call.Prompt.Tokens });
    }

    /// <summary>The older API reports no usage at all; it is billed all the same.</summary>
    public static async Task CompleteAsync(SandboxCall call)
    {
        call.Prompt.Text(call.Body.Require("prompt"));
        call.Prompt.Charge(call.Units);
        var reply = SandboxReply.Make(call.Model, new SandboxAsk { Limit = call.Body.GetLimit("max_tokens_to_sample") }, call.Prompt.Bytes);
        if (!call.Stream)
        {
            await call.BeginAsync("application/json");
            await call.GenerateAsync(reply);
            await call.SendAsync(Completion(reply.Text, StopReason()), usage: false);
            return;
        }

        await call.BeginAsync("text/event-stream; charset=utf-8");
        foreach (var piece in reply.Pieces) await call.PieceAsync(SandboxCall.Sse("completion", Completion(piece.Text, null)), piece);
        await call.EventAsync(SandboxCall.Sse("completion", Completion("", StopReason())));

        string StopReason() => reply.Limited ? "max_tokens" : "stop_sequence";

        JsonObject Completion(string text, string? reason)
        {
            var id = $"compl_{call.Suffix}";
            return new JsonObject
            {
                ["type"] = "completion", ["id"] = id, ["completion"] = text, ["stop_reason"] = reason, ["model"] = call.Model.Name,
                ["stop"] = reason == "stop_sequence" ? "\n\nHuman:" : null, ["log_id"] = id,
            };
        }
    }

    // The order in which Anthropic caches: tools, system, messages.
    private static void Count(SandboxCall call)
    {
        call.Body.Require("messages");
        call.Prompt.Text(call.Body.Get("tools"));
        call.Prompt.Text(call.Body.Get("system"));
        call.Prompt.Messages(call.Body.Get("messages"));
    }

    private static async Task StreamAsync(SandboxCall call, SandboxReply reply)
    {
        await call.BeginAsync("text/event-stream; charset=utf-8");
        var message = Message(call, [], null);
        if (call.ReportsUsage) message["usage"] = Usage(call, 1);
        await EventAsync("message_start", new JsonObject { ["message"] = message });

        var index = 0;
        if (reply.Reasoning.Count > 0)
        {
            await BlockAsync(new JsonObject { ["type"] = "thinking", ["thinking"] = "", ["signature"] = "" });
            foreach (var piece in reply.Reasoning)
                await call.PieceAsync(Delta(new JsonObject { ["type"] = "thinking_delta", ["thinking"] = piece.Text }), piece, reasoning: true);
            await call.EventAsync(Delta(new JsonObject { ["type"] = "signature_delta", ["signature"] = "c2FuZGJveA==" }));
            await EventAsync("content_block_stop", new JsonObject { ["index"] = index++ });
        }

        await BlockAsync(reply.Tool is { } tool
            ? new JsonObject { ["type"] = "tool_use", ["id"] = $"toolu_{call.Suffix}", ["name"] = tool, ["input"] = new JsonObject() }
            : new JsonObject { ["type"] = "text", ["text"] = "" });
        if (index == 0) await call.EventAsync("event: ping\ndata: {\"type\": \"ping\"}\n\n");
        foreach (var piece in reply.Pieces)
            await call.PieceAsync(Delta(reply.Tool is null
                ? new JsonObject { ["type"] = "text_delta", ["text"] = piece.Text }
                : new JsonObject { ["type"] = "input_json_delta", ["partial_json"] = piece.Text }), piece);
        await EventAsync("content_block_stop", new JsonObject { ["index"] = index });

        // Cumulative: these values replace those of message_start.
        var end = new JsonObject { ["delta"] = new JsonObject { ["stop_reason"] = Stop(reply), ["stop_sequence"] = null } };
        if (call.ReportsUsage)
        {
            end["usage"] = new JsonObject
            {
                ["input_tokens"] = call.Units.Input,
                ["cache_creation_input_tokens"] = call.Units.CacheWrite + call.Units.CacheWrite1h,
                ["cache_read_input_tokens"] = call.Units.Cached,
                ["output_tokens"] = call.Units.OutputTotal,
            };
        }

        await call.EventAsync(Frame("message_delta", end), usage: true);
        await call.EndMarkerAsync(Frame("message_stop", new JsonObject()));

        Task<bool> EventAsync(string name, JsonObject data) => call.EventAsync(Frame(name, data));

        Task<bool> BlockAsync(JsonObject block) => EventAsync("content_block_start", new JsonObject { ["index"] = index, ["content_block"] = block });

        string Delta(JsonObject delta) => Frame("content_block_delta", new JsonObject { ["index"] = index, ["delta"] = delta });

        static string Frame(string name, JsonObject data)
        {
            data.Insert(0, "type", name);
            return SandboxCall.Sse(name, data);
        }
    }

    private static JsonObject Message(SandboxCall call, JsonArray content, string? stop) => new()
    {
        ["model"] = call.Model.Name, ["id"] = $"msg_{call.Suffix}", ["type"] = "message", ["role"] = "assistant", ["content"] = content, ["stop_reason"] = stop, ["stop_sequence"] = null,
    };

    private static JsonArray Content(SandboxCall call, SandboxReply reply)
    {
        var content = new JsonArray();
        if (reply.Reasoning.Count > 0) content.Add((JsonNode)new JsonObject { ["type"] = "thinking", ["thinking"] = reply.ReasoningText, ["signature"] = "c2FuZGJveA==" });
        content.Add((JsonNode)(reply.Tool is { } tool
            ? new JsonObject { ["type"] = "tool_use", ["id"] = $"toolu_{call.Suffix}", ["name"] = tool, ["input"] = reply.Arguments }
            : new JsonObject { ["type"] = "text", ["text"] = reply.Text }));
        return content;
    }

    private static string Stop(SandboxReply reply) => reply.Limited ? "max_tokens" : reply.Tool is null ? "end_turn" : "tool_use";

    /// <summary>Input tokens exclude what was read from or written to the cache.</summary>
    private static JsonObject Usage(SandboxCall call, long output) => new()
    {
        ["input_tokens"] = call.Units.Input,
        ["cache_creation_input_tokens"] = call.Units.CacheWrite + call.Units.CacheWrite1h,
        ["cache_read_input_tokens"] = call.Units.Cached,
        ["cache_creation"] = new JsonObject { ["ephemeral_5m_input_tokens"] = call.Units.CacheWrite, ["ephemeral_1h_input_tokens"] = call.Units.CacheWrite1h },
        ["output_tokens"] = output,
        ["service_tier"] = "standard",
    };
}
