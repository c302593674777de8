using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>Ollama's own API: streams lines of JSON, and streams unless told not to.</summary>
internal static class OllamaRoutes
{
    public static Task ChatAsync(SandboxCall call)
    {
        var body = call.Body;
        var messages = body.Require("messages");
        call.Prompt.Messages(messages);
        call.Prompt.Text(body.Get("tools"));
        var tool = SandboxJson.Pick(
            [.. body.Get("tools").Items().Select(t => t.Get("function")).Where(f => f.GetText("name") is not null).Select(f => new SandboxTool(f.GetText("name")!, f.Get("parameters")))],
            null,
            null,
            messages.Items().LastOrDefault().GetText("role") == "user");
        return AnswerAsync(call, tool, (data, reply, text, thinking) =>
        {
            var message = new JsonObject { ["role"] = "assistant", ["content"] = reply.Tool is null ? text : "" };
            if (thinking.Length > 0) message["thinking"] = thinking;
            if (reply.Tool is { } name && text.Length > 0)
                message["tool_calls"] = new JsonArray(new JsonObject { ["function"] = new JsonObject { ["name"] = name, ["arguments"] = reply.Arguments } });
            data["message"] = message;
        });
    }

    public static Task GenerateAsync(SandboxCall call)
    {
        call.Prompt.Text(call.Body.Get("system"));
        call.Prompt.Messages(call.Body.Require("prompt"));
        return AnswerAsync(call, null, (data, _, text, thinking) =>
        {
            data["response"] = text;
            if (thinking.Length > 0) data["thinking"] = thinking;
        });
    }

    public static async Task EmbedAsync(SandboxCall call)
    {
        var input = call.Body.Require("input");
        call.Prompt.Text(input);
        call.Prompt.Charge(call.Units);
        await call.BeginAsync("application/json; charset=utf-8");
        var count = input.ValueKind == JsonValueKind.Array ? input.GetArrayLength() : 1;
        var answer = new JsonObject
        {
            ["model"] = call.Model.Name,
            ["embeddings"] = new JsonArray([.. Enumerable.Range(0, count).Select(i => (JsonNode)OpenAiOtherRoutes.Numbers(OpenAiOtherRoutes.Vector(i, 8)))]),
            ["total_duration"] = 1_000_000,
            ["load_duration"] = 0,
        };
        if (call.ReportsUsage) answer["prompt_eval_count"] = call.Units.Input;
        await call.SendAsync(answer);
    }

    /// <param name="put">Puts a text and a thought into the answer, where this route has them.</param>
    private static async Task AnswerAsync(SandboxCall call, SandboxTool? tool, Action<JsonObject, SandboxReply, string, string> put)
    {
        call.Prompt.Charge(call.Units);
        var format = call.Body.Get("format");
        var limit = call.Body.Get("options").Get("num_predict");
        var reply = SandboxReply.Make(call.Model, new SandboxAsk
        {
            // -1 and -2 are Ollama's words for no limit.
            Limit = limit.ValueKind == JsonValueKind.Number && limit.TryGetInt64(out var tokens) && tokens > 0 ? tokens : null,
            Tool = tool,
            Json = format.ValueKind == JsonValueKind.Object || call.Body.GetText("format") == "json",
            JsonSchema = format,
        }, call.Prompt.Bytes);

        await call.BeginAsync(call.Stream ? "application/x-ndjson" : "application/json; charset=utf-8");
        if (!call.Stream)
        {
            await call.GenerateAsync(reply);
            await call.SendAsync(Last(reply.Text, reply.ReasoningText));
            return;
        }

        foreach (var piece in reply.Reasoning) await call.PieceAsync(SandboxCall.Line(Next("", piece.Text)), piece, reasoning: true);
        if (reply.Tool is not null)
        {
            await call.GenerateAsync(reply.WithoutReasoning());
            await call.EventAsync(SandboxCall.Line(Next(reply.Text, "")));
        }
        else
        {
            foreach (var piece in reply.Pieces) await call.PieceAsync(SandboxCall.Line(Next(piece.Text, "")), piece);
        }

        await call.EventAsync(SandboxCall.Line(Last("", "")), usage: true);

        JsonObject Next(string text, string thinking)
        {
            var data = new JsonObject { ["model"] = call.Model.Name, ["created_at"] = DateTimeOffset.FromUnixTimeSeconds(call.Created).UtcDateTime.ToString("O", CultureInfo.InvariantCulture) };
            put(data, reply, text, thinking);
            data["done"] = false;
            return data;
        }

        JsonObject Last(string text, string thinking)
        {
            var data = Next(text, thinking);
            data["done"] = true;
            data["done_reason"] = reply.Limited ? "length" : "stop";
            data["total_duration"] = 2_000_000;
            data["load_duration"] = 0;
            if (!call.ReportsUsage) return data;
            data["prompt_eval_count"] = call.Units.Input;
            data["prompt_eval_duration"] = 1_000_000;
            data["eval_count"] = call.Units.OutputTotal;
            data["eval_duration"] = 1_000_000;
            return data;
        }
    }
}
