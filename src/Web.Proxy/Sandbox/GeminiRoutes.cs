using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>Gemini's own API, as on Google AI and on Vertex.</summary>
internal static class GeminiRoutes
{
    public static async Task GenerateAsync(SandboxCall call)
    {
        var body = call.Body;
        var contents = body.Require("contents");
        Count(call, body);
        var config = Either(body, "generationConfig", "generation_config");
        var calling = Either(Either(body, "toolConfig", "tool_config"), "functionCallingConfig", "function_calling_config");
        var last = contents.ValueKind == JsonValueKind.Array ? contents.Items().LastOrDefault() : contents;
        var ask = new SandboxAsk
        {
            Limit = config.GetLimit("maxOutputTokens", "max_output_tokens"),
            Tool = SandboxJson.Pick(
                [.. body.Get("tools").Items().SelectMany(t => Either(t, "functionDeclarations", "function_declarations").Items()).Where(f => f.GetText("name") is not null)
                    .Select(f => new SandboxTool(f.GetText("name")!, f.Get("parameters").ValueKind == JsonValueKind.Object ? f.Get("parameters") : f.Get("parametersJsonSchema")))],
                calling.GetText("mode"),
                Either(calling, "allowedFunctionNames", "allowed_function_names").Items().FirstOrDefault() is { ValueKind: JsonValueKind.String } name ? SandboxRoutes.Text(name) : null,
                last.GetText("role") is null or "user" && !last.Get("parts").Items().Any(p => p.Get("functionResponse").ValueKind == JsonValueKind.Object)),
            Json = (config.GetText("responseMimeType") ?? config.GetText("response_mime_type")) == "application/json",
            JsonSchema = config.Get("responseSchema").ValueKind == JsonValueKind.Object ? config.Get("responseSchema") : config.Get("responseJsonSchema"),
        };
        var replies = Enumerable.Range(0, config.GetChoices("candidateCount")).Select(i => SandboxReply.Make(call.Model, ask, call.Prompt.Bytes, i)).ToList();
        call.Prompt.ChargeWithAutomaticCache(call.Units);

        if (call.Stream)
        {
            await StreamAsync(call, replies);
            return;
        }

        await call.BeginAsync("application/json; charset=UTF-8");
        foreach (var reply in replies) await call.GenerateAsync(reply);
        await call.SendAsync(Answer(call, new JsonArray([.. replies.Select((r, i) => (JsonNode)Candidate(i, Part(r, r.Text), Finish(r)))])));
    }

    public static async Task EmbedAsync(SandboxCall call)
    {
        var requests = call.Body.Get("requests");
        if (requests.ValueKind == JsonValueKind.Array)
            foreach (var request in requests.EnumerateArray()) call.Prompt.Text(request.Require("content"));
        else
            call.Prompt.Text(call.Body.Require("content"));
        call.Prompt.Charge(call.Units);

        await call.BeginAsync("application/json; charset=UTF-8");
        var answer = requests.ValueKind == JsonValueKind.Array
            ? new JsonObject { ["embeddings"] = new JsonArray([.. Enumerable.Range(0, requests.GetArrayLength()).Select(i => (JsonNode)Values(i))]) }
            : new JsonObject { ["embedding"] = Values(0) };
        if (call.ReportsUsage)
            answer["usageMetadata"] = new JsonObject { ["promptTokenCount"] = call.Units.Input, ["promptTokenDetails"] = Details(call.Units.Input) };
        await call.SendAsync(answer);

        static JsonObject Values(int index) => new() { ["values"] = OpenAiOtherRoutes.Numbers(OpenAiOtherRoutes.Vector(index, 8)) };
    }

    public static async Task CountTokensAsync(SandboxCall call)
    {
        var request = call.Body.Get("generateContentRequest");
        var body = request.ValueKind == JsonValueKind.Object ? request : call.Body;
        body.Require("contents");
        Count(call, body);
        await call.BeginAsync("application/json; charset=UTF-8");
        await call.SendAsync(new JsonObject { ["totalTokens"] = call.Prompt.Tokens, ["promptTokensDetails"] = Details(call.Prompt.Tokens) });
    }

    private static void Count(SandboxCall call, JsonElement body)
    {
        call.Prompt.Text(Either(body, "systemInstruction", "system_instruction"));
        call.Prompt.Messages(body.Get("contents"));
        call.Prompt.Text(body.Get("tools"));
    }

    /// <summary>Server-sent events with <c>alt=sse</c>, else one JSON array that grows; usage so far in every chunk.</summary>
    private static async Task StreamAsync(SandboxCall call, List<SandboxReply> replies)
    {
        var sse = call.Http.Request.Query["alt"] == "sse";
        var first = true;
        await call.BeginAsync(sse ? "text/event-stream" : "application/json; charset=UTF-8");
        for (var i = 0; i < replies.Count; i++)
        {
            var reply = replies[i];
            foreach (var thought in reply.Reasoning) await call.HiddenPieceAsync(thought);
            if (reply.Tool is not null)
            {
                // A call comes whole, in the last chunk.
                await call.GenerateAsync(reply.WithoutReasoning());
                await ChunkAsync(i, Part(reply, reply.Text), Finish(reply), i == replies.Count - 1);
                continue;
            }

            for (var at = 0; at < reply.Pieces.Count; at++)
            {
                var piece = reply.Pieces[at];
                await call.PieceAsync(Frame(i, new JsonObject { ["text"] = piece.Text }, null, piece.Tokens), piece);
            }

            await ChunkAsync(i, new JsonObject { ["text"] = "" }, Finish(reply), i == replies.Count - 1);
        }

        if (!sse) await call.EndMarkerAsync("\n]");

        Task<bool> ChunkAsync(int index, JsonObject part, string finish, bool last) => call.EventAsync(Frame(index, part, finish, 0), usage: last);

        // The frame is made before its piece is counted, so that piece is added here.
        string Frame(int index, JsonObject part, string? finish, int coming)
        {
            var answer = Answer(call, new JsonArray(Candidate(index, part, finish)), coming);
            var frame = sse ? SandboxCall.Sse(answer) : (first ? "[" : "\n,\r\n") + SandboxCall.Line(answer).TrimEnd('\n');
            first = false;
            return frame;
        }
    }

    private static JsonObject Answer(SandboxCall call, JsonArray candidates, int coming = 0)
    {
        var answer = new JsonObject { ["candidates"] = candidates };
        if (call.ReportsUsage)
        {
            // Candidates leave thoughts out; the total has both.
            var usage = new JsonObject
            {
                ["promptTokenCount"] = call.Units.InputTotal,
                ["candidatesTokenCount"] = call.Units.Output + coming,
                ["totalTokenCount"] = call.Units.InputTotal + call.Units.OutputTotal + coming,
            };
            if (call.Units.Cached > 0)
            {
                usage["cachedContentTokenCount"] = call.Units.Cached;
                usage["cacheTokensDetails"] = Details(call.Units.Cached);
            }

            usage["promptTokensDetails"] = Details(call.Units.InputTotal);
            if (call.Units.Reasoning > 0) usage["thoughtsTokenCount"] = call.Units.Reasoning;
            answer["usageMetadata"] = usage;
        }

        answer["modelVersion"] = call.Model.Name;
        answer["responseId"] = call.Suffix;
        return answer;
    }

    private static JsonObject Candidate(int index, JsonObject part, string? finish)
    {
        var candidate = new JsonObject { ["content"] = new JsonObject { ["parts"] = new JsonArray(part), ["role"] = "model" } };
        if (finish is not null) candidate["finishReason"] = finish;
        candidate["index"] = index;
        return candidate;
    }

    private static JsonObject Part(SandboxReply reply, string text) => reply.Tool is { } tool
        ? new JsonObject { ["functionCall"] = new JsonObject { ["name"] = tool, ["args"] = reply.Arguments } }
        : new JsonObject { ["text"] = text };

    private static JsonArray Details(long tokens) => new(new JsonObject { ["modality"] = "TEXT", ["tokenCount"] = tokens });

    private static string Finish(SandboxReply reply) => reply.Limited ? "MAX_TOKENS" : "STOP";

    private static JsonElement Either(JsonElement element, string camel, string snake) =>
        element.Get(camel) is { ValueKind: not JsonValueKind.Undefined } found ? found : element.Get(snake);
}
