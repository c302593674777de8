using System.Text.Json;

namespace Tokonomics.Application.Translation;

/// <summary>Anthropic's <c>messages</c>, in the version 2023-06-01.</summary>
/// <remarks>
/// Checked 2026-11-30 against the types of Anthropic's own SDKs 0.137 and 1.12: <c>output_config.format</c> holds an answer to a JSON schema and needs no
/// beta; there is no JSON without a schema; <c>system</c> is also a role, for models since Opus 4.8, after a user's turn. The version 2026-10-21 refuses
/// <c>temperature</c>, <c>top_p</c> and <c>top_k</c>: what is translated is sent as 2023-06-01, which takes them.
/// </remarks>
internal sealed partial class AnthropicWire : IClientWire, IProviderWire
{
    private const string Thoughts = "what one model thought isn't carried to another";

    public NeutralRequest ReadRequest(JsonElement body, bool stream, Carriage carriage)
    {
        var request = new NeutralRequest { Stream = stream };
        var fields = new Fields(body, "", carriage);
        fields.Take("model", out _); // the target's is written
        fields.Take("stream", out _); // as the caller has seen it
        fields.Take("anthropic_version", out _); // Vertex's place for the header
        request.AddSystem(ReadContent(fields, "system", null, carriage), carriage);
        var calls = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var message in fields.Objects("messages"))
        {
            var role = message.Text("role")?.Value;
            if (role is not ("user" or "assistant" or "system"))
            {
                carriage.Refuse(message.At("role"), $"{role ?? "a message without a role"} has no counterpart");
                continue;
            }

            var speaker = role switch { "user" => Speaker.User, "assistant" => Speaker.Assistant, _ => Speaker.System };
            request.Turns.Add(new Turn(speaker, [.. ReadContent(message, "content", calls, carriage)], message.Path));
            message.End();
        }

        foreach (var tool in fields.Objects("tools"))
            ReadTool(tool, request, carriage);
        ReadChoice(fields.Object("tool_choice"), request, carriage);
        request.MaxOutputTokens = fields.Whole("max_tokens");
        if (request.MaxOutputTokens is { Value: 0 } nothing)
            carriage.Refuse(nothing.Path, "0 only fills Anthropic's cache");
        request.Temperature = fields.Number("temperature");
        request.TopP = fields.Number("top_p");
        request.TopK = fields.Whole("top_k");
        request.Stop.AddRange(fields.Texts("stop_sequences"));
        var metadata = fields.Object("metadata");
        request.User = metadata?.Text("user_id");
        metadata?.End();

        var output = fields.Object("output_config");
        request.Effort = output?.Text("effort") is { } effort ? Wires.Effort(effort, carriage) : null;
        // output_format is what output_config.format was called in its beta.
        request.Format = ReadFormat(output?.Object("format") ?? fields.Object("output_format"), carriage);
        output?.End();
        request.ThinkingBudget = ReadThinking(fields.Object("thinking"), carriage);

        fields.Refuse("speed", "only Anthropic sells speed", "standard");
        fields.Hint("service_tier", "each provider has tiers of its own", "auto");
        fields.Hint("cache_control", Omissions.CacheControl);
        fields.End();
        return request;
    }

    private static Said<long>? ReadThinking(Fields? thinking, Carriage carriage)
    {
        if (thinking is null)
            return null;
        var budget = thinking.Whole("budget_tokens");
        if (budget is null)
            thinking.Hint("type", "whether and how it thinks is left to the model");
        else
            thinking.Take("type", out _); // enabled, or there were no budget
        thinking.Hint("display", "thoughts are shown by Anthropic's models alone");
        thinking.End();
        return budget;
    }

    private static IEnumerable<Part> ReadContent(Fields holder, string name, Dictionary<string, string>? calls, Carriage carriage)
    {
        foreach (var (whole, block) in holder.Content(name))
        {
            if (block is null)
            {
                yield return new TextPart(whole!.Value, whole.Path);
                continue;
            }

            block.Hint("cache_control", Omissions.CacheControl);
            var type = block.Text("type")?.Value;
            switch (type)
            {
                case "text" when block.Text("text") is { } text:
                    block.Hint("citations", "sources aren't sent back");
                    if (text.Value.Length > 0)
                        yield return new TextPart(text.Value, text.Path);
                    break;

                case "image" or "document":
                    if (ReadMedia(block, type, carriage) is not { } media)
                        continue;
                    yield return media;
                    break;

                case "tool_use" when calls is not null && block.Text("id") is { } id && block.Text("name") is { } tool && block.Take("input", out var input):
                    block.Hint("caller", "who called is not told elsewhere", "{\"type\":\"direct\"}");
                    calls[id.Value] = tool.Value;
                    yield return new ToolCallPart(id.Value, tool.Value, input.GetRawText(), block.At("input"));
                    break;

                case "tool_result" when calls is not null && block.Text("tool_use_id") is { } id:
                    if (!calls.TryGetValue(id.Value, out var called))
                    {
                        carriage.Refuse(id.Path, "no call of that id stands before it");
                        continue;
                    }

                    yield return new ToolResultPart(id.Value, called, [.. ReadContent(block, "content", null, carriage)], block.Flag("is_error")?.Value ?? false, block.Path);
                    break;

                case "thinking" or "redacted_thinking" when calls is not null:
                    carriage.Note(block.Path, Thoughts);
                    continue;

                default:
                    carriage.Refuse(block.Path, $"a block of the type {type} has no counterpart");
                    continue;
            }

            block.End();
        }
    }

    private static MediaPart? ReadMedia(Fields block, string type, Carriage carriage)
    {
        var source = block.Object("source");
        var title = block.Text("title")?.Value;
        MediaPart media;
        switch (source?.Text("type")?.Value)
        {
            case "base64" when source.Text("media_type") is { } mediaType && source.Text("data") is { } data:
                media = new MediaPart(mediaType.Value, data.Value, null, title, source.Path);
                break;

            case "url" when source.Text("url") is { } url:
                media = new MediaPart(type == "document" ? "application/pdf" : null, null, url.Value, title, url.Path);
                break;

            default:
                carriage.Refuse(block.At("source"), "only bytes and addresses are carried");
                return null;
        }

        source.End();
        block.Refuse("citations", "only Anthropic cites passages", "{\"enabled\":false}", "{\"enabled\": false}");
        return media;
    }

    private static void ReadTool(Fields tool, NeutralRequest request, Carriage carriage)
    {
        var type = tool.Text("type");
        if (type is not (null or { Value: "custom" }) || tool.Text("name") is not { } name)
        {
            carriage.Refuse(tool.Path, $"a tool of the type {type?.Value} is the provider's own");
            return;
        }

        tool.Hint("cache_control", Omissions.CacheControl);
        tool.Hint("eager_input_streaming", "arguments come as the provider sends them", "false");
        tool.Refuse("defer_loading", "only Anthropic looks tools up", "false");
        var description = tool.Text("description")?.Value;
        JsonElement? schema = tool.Take("input_schema", out var input) ? input : null;
        request.Tools.Add(new ToolDeclaration(name.Value, description, schema, tool.Flag("strict")?.Value ?? false, tool.Path));
        tool.End();
    }

    private static void ReadChoice(Fields? choice, NeutralRequest request, Carriage carriage)
    {
        if (choice?.Text("type") is not { } type)
            return;
        if (choice.Flag("disable_parallel_tool_use") is { Value: true } single)
            request.ParallelCalls = new(false, single.Path);
        switch (type.Value)
        {
            case "auto":
                request.Choice = new(new(Choosing.Auto), type.Path);
                break;

            case "any":
                request.Choice = new(new(Choosing.Any), type.Path);
                break;

            case "none":
                request.Choice = new(new(Choosing.None), type.Path);
                break;

            case "tool" when choice.Text("name") is { } name:
                request.Choice = new(new(Choosing.One, name.Value), type.Path);
                break;

            default:
                carriage.Refuse(type.Path, "this choice has no counterpart");
                break;
        }

        choice.End();
    }

    private static Said<AnswerFormat>? ReadFormat(Fields? format, Carriage carriage)
    {
        if (format is null)
            return null;
        if (format.Text("type")?.Value != "json_schema" || !format.Take("schema", out var schema))
        {
            carriage.Refuse(format.Path, "this format has no counterpart");
            return null;
        }

        format.End();
        return new(new AnswerFormat(schema), format.Path);
    }

    public (string Path, string? Query, KeyValuePair<string, string>? Header) Route(in TranslationTarget target) => ("messages", null, new("anthropic-version", "2023-06-01"));

    public void WriteRequest(NeutralRequest request, Utf8JsonWriter json, in TranslationTarget target, Carriage carriage)
    {
        json.WriteStartObject();
        json.WriteString("model", target.Model);
        if ((request.MaxOutputTokens?.Value ?? target.DefaultMaxTokens) is { } limit)
            json.WriteNumber("max_tokens", limit);
        else
            carriage.Refuse("", "Anthropic's messages need a limit of output tokens, and none is known for this model: set one");
        if (request.System.Count == 1)
        {
            json.WriteString("system", request.System[0].Value);
        }
        else if (request.System.Count > 1)
        {
            json.WriteStartArray("system");
            foreach (var text in request.System)
                WriteText(json, text.Value);
            json.WriteEndArray();
        }

        if (request.MaxOutputTokens is { Value: < 1 } nothing)
            carriage.Refuse(nothing.Path, "Anthropic's messages take a limit of 1 token at least");
        WriteTurns(request, json, carriage);
        WriteTools(request, json);
        if (request.Format is not null || request.Effort is not null)
            WriteOutput(request, json, carriage);
        if (request.ThinkingBudget is { } budget)
        {
            if (budget.Value is > 0 and < 1024)
                carriage.Refuse(budget.Path, "Anthropic's budgets of thought begin at 1024 tokens");
            json.WriteStartObject("thinking");
            json.WriteString("type", budget.Value == 0 ? "disabled" : "enabled");
            if (budget.Value > 0)
                json.WriteNumber("budget_tokens", budget.Value);
            json.WriteEndObject();
        }

        Wires.Maybe(json, "temperature", request.Temperature);
        if (request.Temperature is { Value: > 1 } hot)
            carriage.Refuse(hot.Path, "Anthropic's messages take 0 to 1");
        Wires.Maybe(json, "top_p", request.TopP);
        if (request.TopK is { } topK)
            json.WriteNumber("top_k", topK.Value);
        if (request.Stop.Count > 0)
        {
            json.WriteStartArray("stop_sequences");
            foreach (var stop in request.Stop)
                json.WriteStringValue(stop.Value);
            json.WriteEndArray();
        }

        if (request.User is { } user)
        {
            json.WriteStartObject("metadata");
            json.WriteString("user_id", user.Value);
            json.WriteEndObject();
        }

        foreach (var path in new[] { request.Seed?.Path, request.PresencePenalty?.Path, request.FrequencyPenalty?.Path })
            if (path is not null)
                carriage.Refuse(path, "Anthropic's messages can't say it");
        if (request.Stream)
            json.WriteBoolean("stream", true);
        json.WriteEndObject();
    }

    private static void WriteOutput(NeutralRequest request, Utf8JsonWriter json, Carriage carriage)
    {
        json.WriteStartObject("output_config");
        if (request.Effort is { } effort)
            json.WriteString("effort", effort.Value);
        if (request.Format is { Value.Schema: { } schema } format)
        {
            json.WriteStartObject("format");
            json.WriteString("type", "json_schema");
            json.WritePropertyName("schema");
            schema.WriteTo(json);
            json.WriteEndObject();
            if (format.Value.Description is not null)
                carriage.Note(format.Path, "the schema's description has no place in Anthropic's messages");
        }
        else if (request.Format is { } any)
        {
            carriage.Refuse(any.Path, "Anthropic's messages know no JSON without a schema; give a json_schema");
        }

        json.WriteEndObject();
    }

    private static void WriteTurns(NeutralRequest request, Utf8JsonWriter json, Carriage carriage)
    {
        json.WriteStartArray("messages");
        var turns = Wires.Merged(request.Turns);
        for (var i = 0; i < turns.Count; i++)
        {
            var turn = turns[i];
            if (turn.Speaker == Speaker.System && !(i > 0 && turns[i - 1].Speaker == Speaker.User && (i + 1 == turns.Count || turns[i + 1].Speaker == Speaker.Assistant)))
                carriage.Refuse(turn.Path, "amid a conversation Anthropic's messages take an instruction only between a user's turn and the answer");
            json.WriteStartObject();
            json.WriteString("role", turn.Speaker switch { Speaker.User => "user", Speaker.Assistant => "assistant", _ => "system" });
            if (turn.Parts is [TextPart only])
            {
                json.WriteString("content", only.Text);
            }
            else
            {
                json.WriteStartArray("content");
                // Results come first, or Anthropic refuses the turn.
                foreach (var part in turn.Parts.Where(p => p is ToolResultPart).Concat(turn.Parts.Where(p => p is not ToolResultPart)))
                    WritePart(json, part, turn.Speaker, carriage);
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteText(Utf8JsonWriter json, string text)
    {
        json.WriteStartObject();
        json.WriteString("type", "text");
        json.WriteString("text", text);
        json.WriteEndObject();
    }

    private static void WritePart(Utf8JsonWriter json, Part part, Speaker speaker, Carriage carriage)
    {
        switch (part)
        {
            case TextPart text:
                WriteText(json, text.Text);
                break;

            case MediaPart media:
                if (speaker != Speaker.User)
                    carriage.Refuse(media.Path, "only the user can show something");
                else if (media is { IsImage: false, IsPdf: false })
                    carriage.Refuse(media.Path, $"Anthropic's messages can't take {media.MediaType}");
                json.WriteStartObject();
                json.WriteString("type", media.IsImage ? "image" : "document");
                json.WriteStartObject("source");
                json.WriteString("type", media.Url is null ? "base64" : "url");
                if (media.Url is not null)
                {
                    json.WriteString("url", media.Url);
                }
                else
                {
                    json.WriteString("media_type", media.MediaType);
                    json.WriteString("data", media.Base64);
                }

                json.WriteEndObject();
                if (media is { IsImage: false, Name: not null })
                    json.WriteString("title", media.Name);
                json.WriteEndObject();
                break;

            case ToolCallPart call:
                json.WriteStartObject();
                json.WriteString("type", "tool_use");
                json.WriteString("id", Wires.CallId(call.Id, MaxCallId));
                json.WriteString("name", call.Name);
                json.WritePropertyName("input");
                Wires.WriteArguments(json, call, carriage);
                json.WriteEndObject();
                break;

            case ToolResultPart result:
                json.WriteStartObject();
                json.WriteString("type", "tool_result");
                json.WriteString("tool_use_id", Wires.CallId(result.CallId, MaxCallId));
                if (result.Content is [TextPart only])
                {
                    json.WriteString("content", only.Text);
                }
                else if (result.Content.Count > 0)
                {
                    json.WriteStartArray("content");
                    foreach (var inner in result.Content)
                        WritePart(json, inner, Speaker.User, carriage);
                    json.WriteEndArray();
                }

                if (result.Failed)
                    json.WriteBoolean("is_error", true);
                json.WriteEndObject();
                break;
        }
    }

    private const int MaxCallId = 64;

    private static void WriteTools(NeutralRequest request, Utf8JsonWriter json)
    {
        if (request.Tools.Count == 0)
            return;
        json.WriteStartArray("tools");
        foreach (var tool in request.Tools)
        {
            json.WriteStartObject();
            json.WriteString("name", tool.Name);
            if (tool.Description is not null)
                json.WriteString("description", tool.Description);
            json.WritePropertyName("input_schema");
            if (tool.Schema is { } schema)
                schema.WriteTo(json);
            else
                json.WriteRawValue("""{"type":"object","properties":{}}""");
            if (tool.Strict)
                json.WriteBoolean("strict", true);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        var single = request.ParallelCalls is { Value: false };
        if (request.Choice is null && !single)
            return;
        var choice = request.Choice?.Value ?? new ToolChoice(Choosing.Auto);
        json.WriteStartObject("tool_choice");
        json.WriteString("type", choice.Choosing switch { Choosing.None => "none", Choosing.Any => "any", Choosing.One => "tool", _ => "auto" });
        if (choice.Name is not null)
            json.WriteString("name", choice.Name);
        if (single && choice.Choosing != Choosing.None)
            json.WriteBoolean("disable_parallel_tool_use", true);
        json.WriteEndObject();
    }
}
