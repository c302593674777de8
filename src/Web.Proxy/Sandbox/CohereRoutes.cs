using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>Cohere's own API (chat of both versions, embed), and rerank, which others have taken over from it.</summary>
internal static class CohereRoutes
{
    public static async Task ChatV2Async(SandboxCall call)
    {
        var body = call.Body;
        var messages = body.Require("messages");
        call.Prompt.Messages(messages);
        call.Prompt.Text(body.Get("documents"));
        call.Prompt.Text(body.Get("tools"));
        call.Prompt.Charge(call.Units);
        var reply = SandboxReply.Make(call.Model, new SandboxAsk
        {
            Limit = body.GetLimit("max_tokens"),
            Tool = SandboxJson.Pick(
                [.. body.Get("tools").Items().Select(t => t.Get("function")).Where(f => f.GetText("name") is not null).Select(f => new SandboxTool(f.GetText("name")!, f.Get("parameters")))],
                body.GetText("tool_choice"),
                null,
                messages.Items().LastOrDefault().GetText("role") == "user"),
            Json = body.Get("response_format").GetText("type") == "json_object",
            JsonSchema = body.Get("response_format").Get("json_schema"),
        }, call.Prompt.Bytes);

        if (call.Stream)
        {
            await StreamV2Async(call, reply);
            return;
        }

        await call.BeginAsync("application/json");
        await call.GenerateAsync(reply);
        var message = new JsonObject { ["role"] = "assistant" };
        var content = new JsonArray();
        if (reply.Reasoning.Count > 0) content.Add((JsonNode)new JsonObject { ["type"] = "thinking", ["thinking"] = reply.ReasoningText });
        if (reply.Tool is { } tool) message["tool_calls"] = new JsonArray(ToolCall(call, tool, reply.Text));
        else content.Add((JsonNode)new JsonObject { ["type"] = "text", ["text"] = reply.Text });
        if (content.Count > 0) message["content"] = content;
        var answer = new JsonObject { ["id"] = call.Suffix, ["message"] = message, ["finish_reason"] = Finish(reply) };
        if (call.ReportsUsage) answer["usage"] = Usage(call);
        await call.SendAsync(answer);
    }

    private static async Task StreamV2Async(SandboxCall call, SandboxReply reply)
    {
        await call.BeginAsync("text/event-stream");
        await call.EventAsync(SandboxCall.Sse("message-start", new JsonObject
        {
            ["id"] = call.Suffix,
            ["type"] = "message-start",
            ["delta"] = new JsonObject { ["message"] = new JsonObject { ["role"] = "assistant", ["content"] = new JsonArray(), ["tool_plan"] = "", ["tool_calls"] = new JsonArray(), ["citations"] = new JsonArray() } },
        }));

        var index = 0;
        if (reply.Reasoning.Count > 0)
        {
            await call.EventAsync(Frame("content-start", index, Content("type", "thinking", "thinking", "")));
            foreach (var piece in reply.Reasoning) await call.PieceAsync(Frame("content-delta", index, Content("thinking", piece.Text)), piece, reasoning: true);
            await call.EventAsync(Frame("content-end", index++, null));
        }

        if (reply.Tool is { } tool)
        {
            await call.EventAsync(Frame("tool-call-start", 0, new JsonObject { ["tool_calls"] = ToolCall(call, tool, "") }));
            foreach (var piece in reply.Pieces)
                await call.PieceAsync(Frame("tool-call-delta", 0, new JsonObject { ["tool_calls"] = new JsonObject { ["function"] = new JsonObject { ["arguments"] = piece.Text } } }), piece);
            await call.EventAsync(Frame("tool-call-end", 0, null));
        }
        else
        {
            await call.EventAsync(Frame("content-start", index, Content("type", "text", "text", "")));
            foreach (var piece in reply.Pieces) await call.PieceAsync(Frame("content-delta", index, Content("text", piece.Text)), piece);
            await call.EventAsync(Frame("content-end", index, null));
        }

        var end = new JsonObject { ["finish_reason"] = Finish(reply) };
        if (call.ReportsUsage) end["usage"] = Usage(call);
        await call.EventAsync(SandboxCall.Sse("message-end", new JsonObject { ["type"] = "message-end", ["delta"] = end }), usage: true);
        await call.EndMarkerAsync("data: [DONE]\n\n");

        static string Frame(string type, int index, JsonObject? message)
        {
            var data = new JsonObject { ["type"] = type, ["index"] = index };
            if (message is not null) data["delta"] = new JsonObject { ["message"] = message };
            return SandboxCall.Sse(type, data);
        }

        static JsonObject Content(params ReadOnlySpan<string> pairs)
        {
            var content = new JsonObject();
            for (var i = 0; i < pairs.Length; i += 2) content[pairs[i]] = pairs[i + 1];
            return new JsonObject { ["content"] = content };
        }
    }

    /// <summary>The first version: one message, and a stream of lines, not of server-sent events.</summary>
    public static async Task ChatV1Async(SandboxCall call)
    {
        var body = call.Body;
        call.Prompt.Text(body.Get("preamble"));
        call.Prompt.Messages(body.Get("chat_history"));
        call.Prompt.Messages(body.Require("message"));
        call.Prompt.Text(body.Get("documents"));
        call.Prompt.Charge(call.Units);
        var reply = SandboxReply.Make(call.Model, new SandboxAsk { Limit = body.GetLimit("max_tokens") }, call.Prompt.Bytes);

        await call.BeginAsync(call.Stream ? "application/stream+json" : "application/json");
        if (!call.Stream)
        {
            await call.GenerateAsync(reply);
            await call.SendAsync(Response());
            return;
        }

        await call.EventAsync(SandboxCall.Line(new JsonObject { ["is_finished"] = false, ["event_type"] = "stream-start", ["generation_id"] = call.Suffix }));
        foreach (var hidden in reply.Reasoning) await call.HiddenPieceAsync(hidden);
        foreach (var piece in reply.Pieces)
            await call.PieceAsync(SandboxCall.Line(new JsonObject { ["is_finished"] = false, ["event_type"] = "text-generation", ["text"] = piece.Text }), piece);
        await call.EventAsync(SandboxCall.Line(new JsonObject { ["is_finished"] = true, ["event_type"] = "stream-end", ["response"] = Response(), ["finish_reason"] = Finish(reply) }), usage: true);

        JsonObject Response()
        {
            var meta = new JsonObject { ["api_version"] = new JsonObject { ["version"] = "1" } };
            if (call.ReportsUsage)
            {
                meta["billed_units"] = Billed(call);
                meta["tokens"] = Billed(call);
            }

            return new JsonObject
            {
                ["response_id"] = call.Suffix, ["text"] = reply.Text, ["generation_id"] = call.Suffix, ["chat_history"] = new JsonArray(), ["finish_reason"] = Finish(reply), ["meta"] = meta,
            };
        }
    }

    public static async Task EmbedAsync(SandboxCall call)
    {
        var texts = call.Body.Require("texts");
        call.Prompt.Text(texts);
        call.Prompt.Charge(call.Units);
        await call.BeginAsync("application/json");
        var vectors = new JsonArray([.. texts.Items().Select((_, i) => (JsonNode)OpenAiOtherRoutes.Numbers(OpenAiOtherRoutes.Vector(i, 8)))]);
        var byType = call.Body.Get("embedding_types").ValueKind == JsonValueKind.Array;
        var meta = new JsonObject { ["api_version"] = new JsonObject { ["version"] = "2" } };
        if (call.ReportsUsage) meta["billed_units"] = new JsonObject { ["input_tokens"] = call.Units.Input };
        await call.SendAsync(new JsonObject
        {
            ["id"] = call.Suffix,
            ["texts"] = new JsonArray([.. texts.Items().Select(_ => (JsonNode)"")]), // Cohere repeats the texts; the sandbox repeats nothing
            ["embeddings"] = byType ? new JsonObject { ["float"] = vectors } : vectors,
            ["meta"] = meta,
            ["response_type"] = byType ? "embeddings_by_type" : "embeddings_floats",
        });
    }

    public static async Task RerankAsync(SandboxCall call)
    {
        call.Body.Require("query");
        var documents = call.Body.Require("documents");
        var count = documents.ValueKind == JsonValueKind.Array ? documents.GetArrayLength() : 0;
        var top = (int)Math.Min(call.Body.GetLimit("top_n") ?? count, count);
        await call.BeginAsync("application/json");
        call.Units.SearchUnits = Math.Max(1, (count + 99) / 100); // Cohere: one search unit covers up to 100 documents
        var meta = new JsonObject { ["api_version"] = new JsonObject { ["version"] = "2" } };
        if (call.ReportsUsage) meta["billed_units"] = new JsonObject { ["search_units"] = call.Units.SearchUnits };
        await call.SendAsync(new JsonObject
        {
            ["id"] = call.Suffix,
            ["results"] = new JsonArray([.. Enumerable.Range(0, top).Select(i => (JsonNode)new JsonObject { ["index"] = i, ["relevance_score"] = 1m / (i + 1) })]),
            ["meta"] = meta,
        });
    }

    private static JsonObject ToolCall(SandboxCall call, string name, string arguments) => new()
    {
        ["id"] = $"{name}_{call.Suffix}", ["type"] = "function", ["function"] = new JsonObject { ["name"] = name, ["arguments"] = arguments },
    };

    private static JsonObject Billed(SandboxCall call) => new() { ["input_tokens"] = call.Units.Input, ["output_tokens"] = call.Units.OutputTotal };

    private static JsonObject Usage(SandboxCall call)
    {
        var tokens = Billed(call);
        if (call.Units.Reasoning > 0) tokens["reasoning_tokens"] = call.Units.Reasoning;
        return new JsonObject { ["billed_units"] = Billed(call), ["tokens"] = tokens };
    }

    private static string Finish(SandboxReply reply) => reply.Limited ? "MAX_TOKENS" : reply.Tool is null ? "COMPLETE" : "TOOL_CALL";
}
