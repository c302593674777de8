using System.Text.Json;

namespace Tokonomics.Application.Translation;

/// <summary>OpenAI's <c>responses</c>, as clients speak it: nobody is called through it, for what it has over chat is kept at OpenAI.</summary>
internal sealed partial class ResponsesWire : IClientWire
{
    private const string Thoughts = "what one model thought isn't carried to another";

    public NeutralRequest ReadRequest(JsonElement body, bool stream, Carriage carriage)
    {
        var request = new NeutralRequest { Stream = stream };
        var fields = new Fields(body, "", carriage);
        fields.Take("model", out _); // the target's is written
        fields.Take("stream", out _); // as the caller has seen it
        if (fields.Text("instructions") is { Value.Length: > 0 } instructions)
            request.System.Add(instructions);
        ReadInput(fields, request, carriage);
        foreach (var tool in fields.Objects("tools"))
            ReadTool(tool, request, carriage);
        request.Choice = ReadChoice(fields, carriage);
        request.ParallelCalls = fields.Flag("parallel_tool_calls");
        if (fields.Object("text") is { } text)
        {
            request.Format = ChatWire.ReadFormat(text.Object("format"), null, carriage);
            text.Refuse("verbosity", "only OpenAI's models know it", "medium");
            text.End();
        }

        request.MaxOutputTokens = fields.Whole("max_output_tokens");
        request.Temperature = fields.Number("temperature");
        request.TopP = fields.Number("top_p");
        request.User = fields.Text("safety_identifier") ?? fields.Text("user");
        fields.Take("user", out _);
        if (fields.Object("reasoning") is { } reasoning)
        {
            request.Effort = Wires.Effort(reasoning.Text("effort"), carriage);
            reasoning.Hint("summary", "thoughts are not summed up");
            reasoning.Hint("generate_summary", "thoughts are not summed up");
            reasoning.End();
        }

        fields.Refuse("previous_response_id", "nothing is kept between calls: send the conversation");
        fields.Refuse("conversation", "nothing is kept between calls: send the conversation");
        fields.Refuse("background", "an answer is waited for", "false");
        fields.Refuse("truncation", "a conversation is sent whole", "disabled");
        fields.Refuse("top_logprobs", "the other dialects have no such figures", "0");
        fields.Refuse("service_tier", "each provider has tiers of its own", "auto", "default");
        fields.Hint("include", "nothing more is known than the answer");
        fields.Hint("store", "nothing is kept at the provider", "false");
        fields.Hint("metadata", "a label that only OpenAI keeps");
        fields.Hint("prompt_cache_key", "a hint for OpenAI's cache");
        fields.Hint("prompt_cache_retention", "a hint for OpenAI's cache");
        fields.Hint("stream_options", "padding against listeners is the provider's");
        fields.End();
        return request;
    }

    private static void ReadInput(Fields fields, NeutralRequest request, Carriage carriage)
    {
        if (!fields.Take("input", out var input, out var path))
            return;
        if (input.ValueKind == JsonValueKind.String)
        {
            request.Turns.Add(new Turn(Speaker.User, [new TextPart(input.GetString()!, path)], path));
            return;
        }

        if (input.ValueKind != JsonValueKind.Array)
        {
            carriage.Refuse(path, "must be text or an array of items");
            return;
        }

        var calls = new Dictionary<string, string>(StringComparer.Ordinal);
        var i = 0;
        foreach (var element in input.EnumerateArray())
            ReadItem(new Fields(element, $"{path}[{i++}]", carriage), request, calls, carriage);
    }

    private static void ReadItem(Fields item, NeutralRequest request, Dictionary<string, string> calls, Carriage carriage)
    {
        item.Take("id", out _); // OpenAI's own name for the item
        item.Take("status", out _); // what is sent back has ended
        item.Take("phase", out _); // OpenAI's own note on what a message is for
        switch (item.Text("type")?.Value ?? "message")
        {
            case "message":
                var role = item.Text("role")?.Value;
                var parts = ReadContent(item, "content", carriage).ToList();
                if (role is "system" or "developer" && request.Turns.Count == 0)
                    request.AddSystem(parts, carriage);
                else if (role is "user" or "assistant" or "system" or "developer")
                    request.Turns.Add(new Turn(role switch { "user" => Speaker.User, "assistant" => Speaker.Assistant, _ => Speaker.System }, parts, item.Path));
                else
                    carriage.Refuse(item.At("role"), $"{role ?? "a message without a role"} has no counterpart");
                break;

            case "function_call" when item.Text("call_id") is { } id && item.Text("name") is { } name:
                calls[id.Value] = name.Value;
                var arguments = item.Text("arguments") ?? new("", item.Path);
                request.Turns.Add(new Turn(Speaker.Assistant, [new ToolCallPart(id.Value, name.Value, arguments.Value, arguments.Path)], item.Path));
                break;

            case "function_call_output" when item.Text("call_id") is { } id:
                if (calls.TryGetValue(id.Value, out var called))
                    request.Turns.Add(new Turn(Speaker.User, [new ToolResultPart(id.Value, called, [.. ReadContent(item, "output", carriage)], Failed: false, item.Path)], item.Path));
                else
                    carriage.Refuse(id.Path, "no call of that id stands before it");
                break;

            case "reasoning":
                carriage.Note(item.Path, Thoughts);
                return;

            case var type:
                carriage.Refuse(item.Path, $"an item of the type {type} has no counterpart");
                return;
        }

        item.End();
    }

    private static IEnumerable<Part> ReadContent(Fields item, string name, Carriage carriage)
    {
        foreach (var (whole, part) in item.Content(name))
        {
            if (part is null)
            {
                yield return new TextPart(whole!.Value, whole.Path);
                continue;
            }

            var type = part.Text("type")?.Value;
            switch (type)
            {
                case "input_text" or "output_text" or "text" when part.Text("text") is { } text:
                    part.Hint("annotations", "sources aren't sent back");
                    part.Hint("logprobs", "figures aren't sent back");
                    if (text.Value.Length > 0)
                        yield return new TextPart(text.Value, text.Path);
                    break;

                case "refusal" when part.Text("refusal") is { } refusal:
                    yield return new TextPart(refusal.Value, refusal.Path);
                    break;

                case "input_image" when part.Text("image_url") is { } url:
                    part.Hint("detail", Omissions.Detail, "auto");
                    yield return Wires.TryDataUrl(url.Value, out var mediaType, out var base64)
                        ? new MediaPart(mediaType, base64, null, null, url.Path)
                        : new MediaPart(null, null, url.Value, null, url.Path);
                    break;

                case "input_file" when part.Text("file_data") is { } data && Wires.TryDataUrl(data.Value, out var fileType, out var bytes):
                    yield return new MediaPart(fileType, bytes, null, part.Text("filename")?.Value, data.Path);
                    break;

                case "input_file" when part.Text("file_url") is { } address:
                    yield return new MediaPart("application/pdf", null, address.Value, part.Text("filename")?.Value, address.Path);
                    break;

                default:
                    carriage.Refuse(part.Path, $"a part of the type {type} has no counterpart");
                    continue;
            }

            part.End();
        }
    }

    private static void ReadTool(Fields tool, NeutralRequest request, Carriage carriage)
    {
        var type = tool.Text("type")?.Value;
        if (type != "function" || tool.Text("name") is not { } name)
        {
            carriage.Refuse(tool.Path, type == "function" ? "has no name" : $"a tool of the type {type} is the provider's own");
            return;
        }

        var description = tool.Text("description")?.Value;
        JsonElement? schema = tool.Take("parameters", out var parameters) ? parameters : null;
        request.Tools.Add(new ToolDeclaration(name.Value, description, schema, tool.Flag("strict")?.Value ?? false, tool.Path));
        tool.End();
    }

    private static Said<ToolChoice>? ReadChoice(Fields fields, Carriage carriage)
    {
        if (!fields.Take("tool_choice", out var choice, out var path))
            return null;
        ToolChoice? read = choice.ValueKind == JsonValueKind.String
            ? choice.GetString() switch { "auto" => new(Choosing.Auto), "none" => new(Choosing.None), "required" => new(Choosing.Any), _ => null }
            : Wires.Text(choice, "type") == "function" && Wires.Text(choice, "name") is { } name ? new(Choosing.One, name) : null;
        if (read is not null)
            return new(read, path);
        carriage.Refuse(path, "this choice has no counterpart");
        return null;
    }
}
