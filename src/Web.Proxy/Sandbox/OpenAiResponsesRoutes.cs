using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>The Responses API.</summary>
internal static class OpenAiResponsesRoutes
{
    public static async Task ResponsesAsync(SandboxCall call)
    {
        var body = call.Body;
        var input = body.Require("input");
        call.Prompt.Text(body.Get("instructions"));
        call.Prompt.Messages(input);
        call.Prompt.Text(body.Get("tools"));
        var last = input.Items().LastOrDefault();
        var reply = SandboxReply.Make(call.Model, new SandboxAsk
        {
            Limit = body.GetLimit("max_output_tokens"),
            Tool = SandboxJson.Pick(
                [.. body.Get("tools").Items().Where(t => t.GetText("type") == "function" && t.GetText("name") is not null).Select(t => new SandboxTool(t.GetText("name")!, t.Get("parameters")))],
                body.GetText("tool_choice"),
                body.Get("tool_choice").GetText("name"),
                input.ValueKind == JsonValueKind.String || last.GetText("role") == "user"),
            Json = body.Get("text").Get("format").GetText("type") is "json_object" or "json_schema",
            JsonSchema = body.Get("text").Get("format").Get("schema"),
        }, call.Prompt.Bytes);
        call.Prompt.ChargeWithAutomaticCache(call.Units);

        if (call.Stream)
        {
            await StreamAsync(call, reply);
            return;
        }

        await call.BeginAsync("application/json");
        await call.GenerateAsync(reply);
        await call.SendAsync(Response(call, reply, ended: true));
    }

    private static async Task StreamAsync(SandboxCall call, SandboxReply reply)
    {
        var sequence = 0;
        await call.BeginAsync("text/event-stream; charset=utf-8");
        await EventAsync("response.created", new JsonObject { ["response"] = Response(call, reply, ended: false) });
        await EventAsync("response.in_progress", new JsonObject { ["response"] = Response(call, reply, ended: false) });

        var index = 0;
        if (reply.Reasoning.Count > 0)
        {
            await EventAsync("response.output_item.added", new JsonObject { ["output_index"] = index, ["item"] = Reasoning(call) });
            foreach (var hidden in reply.Reasoning) await call.HiddenPieceAsync(hidden);
            await EventAsync("response.output_item.done", new JsonObject { ["output_index"] = index++, ["item"] = Reasoning(call) });
        }

        var item = Item(call, reply, ended: false);
        var id = (string)item["id"]!;
        await EventAsync("response.output_item.added", new JsonObject { ["output_index"] = index, ["item"] = item });
        if (reply.Tool is null)
        {
            await EventAsync("response.content_part.added", new JsonObject { ["item_id"] = id, ["output_index"] = index, ["content_index"] = 0, ["part"] = Part("") });
            foreach (var piece in reply.Pieces)
                await call.PieceAsync(Frame("response.output_text.delta", new JsonObject { ["item_id"] = id, ["output_index"] = index, ["content_index"] = 0, ["delta"] = piece.Text, ["logprobs"] = new JsonArray() }), piece);
            await EventAsync("response.output_text.done", new JsonObject { ["item_id"] = id, ["output_index"] = index, ["content_index"] = 0, ["text"] = reply.Text, ["logprobs"] = new JsonArray() });
            await EventAsync("response.content_part.done", new JsonObject { ["item_id"] = id, ["output_index"] = index, ["content_index"] = 0, ["part"] = Part(reply.Text) });
        }
        else
        {
            foreach (var piece in reply.Pieces)
                await call.PieceAsync(Frame("response.function_call_arguments.delta", new JsonObject { ["item_id"] = id, ["output_index"] = index, ["delta"] = piece.Text }), piece);
            await EventAsync("response.function_call_arguments.done", new JsonObject { ["item_id"] = id, ["output_index"] = index, ["arguments"] = reply.Text });
        }

        await EventAsync("response.output_item.done", new JsonObject { ["output_index"] = index, ["item"] = Item(call, reply, ended: true) });
        await call.EventAsync(Frame(reply.Limited ? "response.incomplete" : "response.completed", new JsonObject { ["response"] = Response(call, reply, ended: true) }), usage: true);

        Task<bool> EventAsync(string name, JsonObject data) => call.EventAsync(Frame(name, data));

        string Frame(string name, JsonObject data)
        {
            data.Insert(0, "type", name);
            data.Insert(1, "sequence_number", sequence++);
            return SandboxCall.Sse(name, data);
        }
    }

    private static JsonObject Response(SandboxCall call, SandboxReply reply, bool ended)
    {
        var output = new JsonArray();
        if (ended && reply.Reasoning.Count > 0) output.Add((JsonNode)Reasoning(call));
        if (ended) output.Add((JsonNode)Item(call, reply, ended: true));
        return new JsonObject
        {
            ["id"] = $"resp_{call.Suffix}",
            ["object"] = "response",
            ["created_at"] = call.Created,
            ["status"] = !ended ? "in_progress" : reply.Limited ? "incomplete" : "completed",
            ["background"] = false,
            ["error"] = null,
            ["incomplete_details"] = ended && reply.Limited ? new JsonObject { ["reason"] = "max_output_tokens" } : null,
            ["instructions"] = null,
            ["max_output_tokens"] = call.Body.GetLimit("max_output_tokens"),
            ["model"] = call.Model.Name,
            ["output"] = output,
            ["parallel_tool_calls"] = true,
            ["previous_response_id"] = null,
            ["reasoning"] = new JsonObject { ["effort"] = null, ["summary"] = null },
            ["service_tier"] = ended ? "default" : "auto",
            ["store"] = false,
            ["temperature"] = 1.0,
            ["text"] = new JsonObject { ["format"] = new JsonObject { ["type"] = "text" } },
            ["tool_choice"] = "auto",
            ["tools"] = new JsonArray(),
            ["top_p"] = 1.0,
            ["truncation"] = "disabled",
            ["usage"] = ended && call.ReportsUsage ? Usage(call) : null,
            ["user"] = null,
            ["metadata"] = new JsonObject(),
        };
    }

    private static JsonObject Item(SandboxCall call, SandboxReply reply, bool ended)
    {
        var status = !ended ? "in_progress" : reply.Limited ? "incomplete" : "completed";
        return reply.Tool is { } tool
            ? new JsonObject { ["id"] = $"fc_{call.Suffix}", ["type"] = "function_call", ["status"] = status, ["arguments"] = ended ? reply.Text : "", ["call_id"] = $"call_{call.Suffix}", ["name"] = tool }
            : new JsonObject { ["id"] = $"msg_{call.Suffix}", ["type"] = "message", ["status"] = status, ["content"] = ended ? new JsonArray(Part(reply.Text)) : new JsonArray(), ["role"] = "assistant" };
    }

    private static JsonObject Reasoning(SandboxCall call) => new() { ["id"] = $"rs_{call.Suffix}", ["type"] = "reasoning", ["summary"] = new JsonArray() };

    private static JsonObject Part(string text) => new() { ["type"] = "output_text", ["annotations"] = new JsonArray(), ["logprobs"] = new JsonArray(), ["text"] = text };

    private static JsonObject Usage(SandboxCall call) => new()
    {
        ["input_tokens"] = call.Units.InputTotal,
        ["input_tokens_details"] = new JsonObject { ["cached_tokens"] = call.Units.Cached },
        ["output_tokens"] = call.Units.OutputTotal,
        ["output_tokens_details"] = new JsonObject { ["reasoning_tokens"] = call.Units.Reasoning },
        ["total_tokens"] = call.Units.InputTotal + call.Units.OutputTotal,
    };
}
