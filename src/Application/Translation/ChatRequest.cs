using System.Text.Json;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Translation;

/// <summary>OpenAI's <c>chat/completions</c> and all who copy it.</summary>
internal sealed partial class ChatWire : IClientWire, IProviderWire
{
    private const string Thoughts = "what one model thought isn't carried to another";
    private const string Label = "a label that only OpenAI keeps";

    public NeutralRequest ReadRequest(JsonElement body, bool stream, Carriage carriage)
    {
        var request = new NeutralRequest { Stream = stream };
        var fields = new Fields(body, "", carriage);
        fields.Take("model", out _); // the target's is written
        fields.Take("stream", out _); // as the caller has seen it
        var usage = fields.Object("stream_options");
        request.UsageInStream = usage?.Flag("include_usage")?.Value ?? false;
        usage?.Hint("include_obfuscation", "padding against listeners is the provider's");
        usage?.End();

        var calls = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var message in fields.Objects("messages"))
            ReadMessage(message, request, calls, carriage);
        foreach (var tool in fields.Objects("tools"))
            ReadTool(tool, request, carriage);
        request.Choice = ReadChoice(fields, carriage);
        request.ParallelCalls = fields.Flag("parallel_tool_calls");
        request.Format = ReadFormat(fields.Object("response_format"), "json_schema", carriage);
        var limit = fields.Whole("max_completion_tokens");
        request.MaxOutputTokens = limit ?? fields.Whole("max_tokens");
        fields.Take("max_tokens", out _); // the older name of the same; the newer one holds
        request.Temperature = fields.Number("temperature");
        request.TopP = fields.Number("top_p");
        request.TopK = fields.Whole("top_k");
        request.Seed = fields.Whole("seed");
        request.PresencePenalty = NotZero(fields.Number("presence_penalty"));
        request.FrequencyPenalty = NotZero(fields.Number("frequency_penalty"));
        request.User = fields.Text("safety_identifier") ?? fields.Text("user");
        fields.Take("user", out _);
        request.Effort = Wires.Effort(fields.Text("reasoning_effort"), carriage);
        ReadStop(fields, request, carriage);

        fields.Refuse("n", "one answer is translated, not several", "1");
        fields.Refuse("logprobs", "the other dialects have no such figures", "false");
        fields.Refuse("top_logprobs", "the other dialects have no such figures", "0");
        fields.Refuse("modalities", "text alone is translated", "[\"text\"]");
        fields.Refuse("service_tier", "each provider has tiers of its own", "auto", "default");
        fields.Refuse("verbosity", "only OpenAI's models know it", "medium");
        // DeepSeek's and Z.ai's switch, and OpenRouter's.
        if (fields.Object("thinking") is { } thinking)
        {
            thinking.Hint("type", "whether and how it thinks is left to the model");
            thinking.End();
        }

        fields.Hint("usage", "usage is told anyway");
        fields.Hint("store", "nothing is kept at the provider", "false");
        fields.Hint("metadata", Label);
        fields.Hint("prompt_cache_key", "a hint for OpenAI's cache");
        fields.Hint("prompt_cache_retention", "a hint for OpenAI's cache");
        fields.Hint("prediction", "a hint that only makes OpenAI's answer faster");
        fields.End();
        return request;
    }

    private static Said<decimal>? NotZero(Said<decimal>? number) => number is { Value: 0 } ? null : number;

    private static void ReadMessage(Fields message, NeutralRequest request, Dictionary<string, string> calls, Carriage carriage)
    {
        var role = message.Text("role")?.Value;
        message.Hint("cache_control", Omissions.CacheControl);
        switch (role)
        {
            case "system" or "developer":
                if (request.Turns.Count == 0)
                    request.AddSystem(ReadContent(message, carriage), carriage);
                else
                    request.Turns.Add(new Turn(Speaker.System, [.. ReadContent(message, carriage)], message.Path));
                message.Refuse("name", "speakers have no names elsewhere");
                break;

            case "user":
                request.Turns.Add(new Turn(Speaker.User, [.. ReadContent(message, carriage)], message.Path));
                message.Refuse("name", "speakers have no names elsewhere");
                break;

            case "assistant":
                var parts = new List<Part>(ReadContent(message, carriage));
                if (message.Text("refusal") is { } refusal)
                    parts.Add(new TextPart(refusal.Value, refusal.Path));
                foreach (var call in message.Objects("tool_calls"))
                {
                    call.Refuse("type", "only functions are carried", "function");
                    call.Take("index", out _); // its place, which it has anyway
                    call.Hint("cache_control", Omissions.CacheControl);
                    var function = call.Object("function");
                    if (function?.Text("name") is not { } name)
                    {
                        carriage.Refuse(call.Path, "names no function");
                        continue;
                    }

                    var arguments = function.Text("arguments") ?? new("", function.Path);
                    var id = call.Text("id")?.Value ?? Wires.Id("call_", call.Path + name.Value);
                    calls[id] = name.Value;
                    parts.Add(new ToolCallPart(id, name.Value, arguments.Value, arguments.Path));
                    function.End();
                    call.Hint("extra_content", Thoughts);
                    call.End();
                }

                message.Hint("reasoning_content", Thoughts, "");
                message.Hint("reasoning", Thoughts, "");
                message.Hint("reasoning_details", Thoughts);
                message.Hint("annotations", "sources aren't sent back");
                message.Refuse("name", "speakers have no names elsewhere");
                message.Refuse("prefix", "a begun answer can't be continued elsewhere", "false");
                request.Turns.Add(new Turn(Speaker.Assistant, parts, message.Path));
                break;

            case "tool":
                var callId = message.Text("tool_call_id");
                var named = message.Text("name")?.Value;
                if (callId is null || (!calls.TryGetValue(callId.Value, out var tool) && (tool = named) is null))
                {
                    carriage.Refuse(callId?.Path ?? message.Path, "no call of that id stands before it");
                    return;
                }

                request.Turns.Add(new Turn(Speaker.User, [new ToolResultPart(callId.Value, tool, [.. ReadContent(message, carriage)], Failed: false, message.Path)], message.Path));
                break;

            default:
                carriage.Refuse(message.At("role"), $"{role ?? "a message without a role"} has no counterpart");
                return;
        }

        message.End();
    }

    private static IEnumerable<Part> ReadContent(Fields message, Carriage carriage)
    {
        foreach (var (whole, part) in message.Content("content"))
        {
            if (part is null)
            {
                yield return new TextPart(whole!.Value, whole.Path);
                continue;
            }

            part.Hint("cache_control", Omissions.CacheControl);
            var type = part.Text("type")?.Value;
            switch (type)
            {
                case "text" when part.Text("text") is { } text:
                    if (text.Value.Length > 0)
                        yield return new TextPart(text.Value, text.Path);
                    break;

                case "refusal" when part.Text("refusal") is { } refusal:
                    yield return new TextPart(refusal.Value, refusal.Path);
                    break;

                case "image_url" when part.Object("image_url") is { } image && image.Text("url") is { } url:
                    image.Hint("detail", Omissions.Detail, "auto");
                    image.End();
                    yield return Wires.TryDataUrl(url.Value, out var mediaType, out var base64)
                        ? new MediaPart(mediaType, base64, null, null, url.Path)
                        : new MediaPart(null, null, url.Value, null, url.Path);
                    break;

                case "file" when part.Object("file") is { } file:
                    file.Refuse("file_id", "a file that is kept at another provider");
                    var name = file.Text("filename")?.Value;
                    if (file.Text("file_data") is { } data)
                    {
                        if (Wires.TryDataUrl(data.Value, out var fileType, out var bytes))
                            yield return new MediaPart(fileType, bytes, null, name, data.Path);
                        else
                            carriage.Refuse(data.Path, "must be a data URL in base64");
                    }

                    file.End();
                    break;

                case "input_audio" when part.Object("input_audio") is { } audio && audio.Text("data") is { } sound && audio.Text("format") is { } format:
                    audio.End();
                    yield return new MediaPart(format.Value == "mp3" ? "audio/mpeg" : "audio/" + format.Value, sound.Value, null, null, sound.Path);
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
        if (type is not ("function" or null) || tool.Object("function") is not { } function || function.Text("name") is not { } name)
        {
            carriage.Refuse(tool.Path, $"a tool of the type {type} is the provider's own");
            return;
        }

        tool.Hint("cache_control", Omissions.CacheControl);
        var description = function.Text("description")?.Value;
        JsonElement? schema = function.Take("parameters", out var parameters) ? parameters : null;
        request.Tools.Add(new ToolDeclaration(name.Value, description, schema, function.Flag("strict")?.Value ?? false, function.Path));
        function.End();
        tool.End();
    }

    private static Said<ToolChoice>? ReadChoice(Fields fields, Carriage carriage)
    {
        if (!fields.Take("tool_choice", out var choice, out var path))
            return null;
        if (choice.ValueKind == JsonValueKind.String)
        {
            switch (choice.GetString())
            {
                case "auto":
                    return new(new(Choosing.Auto), path);
                case "none":
                    return new(new(Choosing.None), path);
                case "required" or "any":
                    return new(new(Choosing.Any), path);
            }
        }
        else if (Wires.Text(choice, "type") == "function" && (Wires.Text(Wires.Object(choice, "function"), "name") ?? Wires.Text(choice, "name")) is { } name)
        {
            return new(new(Choosing.One, name), path);
        }

        carriage.Refuse(path, "this choice has no counterpart");
        return null;
    }

    /// <summary>How OpenAI's dialects say what form the answer has.</summary>
    /// <param name="holder">The object in it that holds the schema; null where it stands beside the type (Responses).</param>
    public static Said<AnswerFormat>? ReadFormat(Fields? format, string? holder, Carriage carriage)
    {
        switch (format?.Text("type")?.Value)
        {
            case null or "text":
                format?.End();
                return null;

            case "json_object":
                format.End();
                return new(new AnswerFormat(null), format.Path);

            case "json_schema" when (holder is null ? format : format.Object(holder)) is { } said && said.Take("schema", out var schema):
                var read = new AnswerFormat(schema, said.Text("name")?.Value, said.Text("description")?.Value) { Strict = said.Flag("strict")?.Value ?? false };
                said.End();
                if (said != format)
                    format.End();
                return new(read, format.Path);

            default:
                carriage.Refuse(format.Path, "this format has no counterpart");
                return null;
        }
    }

    private static void ReadStop(Fields fields, NeutralRequest request, Carriage carriage)
    {
        if (!fields.Take("stop", out var stop, out var path))
            return;
        if (stop.ValueKind == JsonValueKind.String)
            request.Stop.Add(new(stop.GetString()!, path));
        else if (stop.ValueKind == JsonValueKind.Array && stop.EnumerateArray().All(s => s.ValueKind == JsonValueKind.String))
            request.Stop.AddRange(stop.EnumerateArray().Select((s, i) => new Said<string>(s.GetString()!, $"{path}[{i}]")));
        else
            carriage.Refuse(path, "must be a string or an array of strings");
    }

    public (string Path, string? Query, KeyValuePair<string, string>? Header) Route(in TranslationTarget target) => ("chat/completions", null, null);

    public void WriteRequest(NeutralRequest request, Utf8JsonWriter json, in TranslationTarget target, Carriage carriage)
    {
        json.WriteStartObject();
        json.WriteString("model", target.Model);
        json.WriteStartArray("messages");
        if (request.System.Count > 0)
        {
            json.WriteStartObject();
            json.WriteString("role", "system");
            WriteContent(json, [.. request.System.Select(s => new TextPart(s.Value, s.Path))], carriage);
            json.WriteEndObject();
        }

        foreach (var turn in Wires.Merged(request.Turns))
            WriteTurn(json, turn, carriage);
        json.WriteEndArray();
        WriteTools(request, json);
        if (request.Format is { } format)
            WriteFormat(json, format, carriage);
        if (request.MaxOutputTokens is { } limit)
            json.WriteNumber(DialectCatalogue.Find("openai-chat")!.OutputLimit(target.Provider)?.Name ?? "max_tokens", limit.Value);
        Wires.Maybe(json, "temperature", request.Temperature);
        Wires.Maybe(json, "top_p", request.TopP);
        Wires.Maybe(json, "presence_penalty", request.PresencePenalty);
        Wires.Maybe(json, "frequency_penalty", request.FrequencyPenalty);
        if (request.ThinkingBudget is { } budget)
            carriage.Refuse(budget.Path, "OpenAI's chat knows no budget of thoughts, only an effort: low, medium or high");
        if (request.TopK is { } topK)
            carriage.Refuse(topK.Path, "OpenAI's chat can't say it");
        if (request.Seed is { } seed)
            json.WriteNumber("seed", seed.Value);
        if (request.User is { } user)
            json.WriteString("user", user.Value);
        if (request.Effort is { } effort)
            json.WriteString("reasoning_effort", effort.Value);
        if (request.Stop.Count > 4)
            carriage.Refuse(request.Stop[4].Path, "OpenAI's chat takes four stop sequences at most");
        if (request.Stop.Count > 0)
        {
            json.WriteStartArray("stop");
            foreach (var stop in request.Stop)
                json.WriteStringValue(stop.Value);
            json.WriteEndArray();
        }

        if (request.Stream)
        {
            json.WriteBoolean("stream", true);
            if (target.AskUsage && request.UsageInStream)
            {
                json.WriteStartObject("stream_options");
                json.WriteBoolean("include_usage", true);
                json.WriteEndObject();
            }
        }

        json.WriteEndObject();
    }

    private static void WriteTurn(Utf8JsonWriter json, Turn turn, Carriage carriage)
    {
        // Results stand alone, before whatever the user says beside them.
        foreach (var result in turn.Parts.OfType<ToolResultPart>())
        {
            json.WriteStartObject();
            json.WriteString("role", "tool");
            json.WriteString("tool_call_id", Wires.CallId(result.CallId, MaxCallId));
            foreach (var media in result.Content.Where(p => p is not TextPart))
                carriage.Refuse(media.Path, "OpenAI's chat takes results as text alone");
            if (result.Failed)
                carriage.Note(result.Path, "that the call failed is left for its text to say");
            WriteContent(json, [.. result.Content.OfType<TextPart>()], carriage);
            json.WriteEndObject();
        }

        var calls = turn.Parts.OfType<ToolCallPart>().ToList();
        var said = turn.Parts.Where(p => p is TextPart or MediaPart).ToList();
        if (calls.Count == 0 && said.Count == 0)
            return;
        json.WriteStartObject();
        json.WriteString("role", turn.Speaker switch { Speaker.User => "user", Speaker.Assistant => "assistant", _ => "system" });
        if (turn.Speaker != Speaker.User)
            foreach (var media in said.OfType<MediaPart>())
                carriage.Refuse(media.Path, "only the user can show something");
        if (said.Count == 0)
            json.WriteNull("content");
        else
            WriteContent(json, said, carriage);
        WriteCalls(json, calls, id => Wires.CallId(id, MaxCallId));

        json.WriteEndObject();
    }

    private static void WriteCalls(Utf8JsonWriter json, List<ToolCallPart> calls, Func<string, string> id)
    {
        if (calls.Count == 0)
            return;
        json.WriteStartArray("tool_calls");
        foreach (var call in calls)
        {
            json.WriteStartObject();
            json.WriteString("id", id(call.Id));
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", call.Name);
            json.WriteString("arguments", call.Arguments.Length == 0 ? "{}" : call.Arguments);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    // OpenAI refuses longer ones.
    private const int MaxCallId = 40;

    private static void WriteContent(Utf8JsonWriter json, List<Part> parts, Carriage carriage)
    {
        // One text is a string: whoever copies the dialect understands that.
        if (parts.Count == 0 || parts is [TextPart])
        {
            json.WriteString("content", Wires.Joined(parts));
            return;
        }

        json.WriteStartArray("content");
        foreach (var part in parts)
        {
            json.WriteStartObject();
            switch (part)
            {
                case TextPart text:
                    json.WriteString("type", "text");
                    json.WriteString("text", text.Text);
                    break;

                case MediaPart { IsImage: true } image:
                    json.WriteString("type", "image_url");
                    json.WriteStartObject("image_url");
                    json.WriteString("url", image.Url ?? $"data:{image.MediaType};base64,{image.Base64}");
                    json.WriteEndObject();
                    break;

                case MediaPart { IsPdf: true, Base64: not null } file:
                    json.WriteString("type", "file");
                    json.WriteStartObject("file");
                    json.WriteString("filename", file.Name ?? "document.pdf");
                    json.WriteString("file_data", $"data:{file.MediaType};base64,{file.Base64}");
                    json.WriteEndObject();
                    break;

                case MediaPart { Base64: not null } sound when AudioFormat(sound.MediaType) is { } format:
                    json.WriteString("type", "input_audio");
                    json.WriteStartObject("input_audio");
                    json.WriteString("data", sound.Base64);
                    json.WriteString("format", format);
                    json.WriteEndObject();
                    break;

                case MediaPart media:
                    carriage.Refuse(media.Path, $"OpenAI's chat can't take {media.MediaType ?? "it"} {(media.Url is null ? "as bytes" : "by its address")}");
                    break;
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string? AudioFormat(string? mediaType) => mediaType?.ToLowerInvariant() switch
    {
        "audio/wav" or "audio/x-wav" or "audio/wave" => "wav",
        "audio/mpeg" or "audio/mp3" => "mp3",
        _ => null,
    };

    private static void WriteTools(NeutralRequest request, Utf8JsonWriter json)
    {
        if (request.Tools.Count == 0)
            return;
        json.WriteStartArray("tools");
        foreach (var tool in request.Tools)
        {
            json.WriteStartObject();
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", tool.Name);
            if (tool.Description is not null)
                json.WriteString("description", tool.Description);
            if (tool.Schema is { } schema)
            {
                json.WritePropertyName("parameters");
                schema.WriteTo(json);
            }

            if (tool.Strict)
                json.WriteBoolean("strict", true);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (request.ParallelCalls is { } parallel)
            json.WriteBoolean("parallel_tool_calls", parallel.Value);
        switch (request.Choice?.Value)
        {
            case { Choosing: Choosing.One } one:
                json.WriteStartObject("tool_choice");
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", one.Name);
                json.WriteEndObject();
                json.WriteEndObject();
                break;

            case { } choice:
                json.WriteString("tool_choice", choice.Choosing switch { Choosing.None => "none", Choosing.Any => "required", _ => "auto" });
                break;
        }
    }

    private static void WriteFormat(Utf8JsonWriter json, Said<AnswerFormat> format, Carriage carriage)
    {
        json.WriteStartObject("response_format");
        json.WriteString("type", format.Value.Schema is null ? "json_object" : "json_schema");
        if (format.Value.Schema is { } schema)
        {
            // The others always hold an answer to its schema. OpenAI does so only where the schema leaves nothing open.
            var strict = format.Value.Strict ?? IsClosed(schema);
            if (!strict && format.Value.Strict is null)
                carriage.Note(format.Path, "OpenAI promises to follow a schema only where every object has additionalProperties false and requires all it has");
            json.WriteStartObject("json_schema");
            json.WriteString("name", format.Value.Name ?? "answer");
            if (format.Value.Description is not null)
                json.WriteString("description", format.Value.Description);
            json.WritePropertyName("schema");
            schema.WriteTo(json);
            json.WriteBoolean("strict", strict);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static bool IsClosed(JsonElement schema)
    {
        switch (schema.ValueKind)
        {
            case JsonValueKind.Array:
                return schema.EnumerateArray().All(IsClosed);

            case JsonValueKind.Object:
                if (Wires.Object(schema, "properties") is { ValueKind: JsonValueKind.Object } properties && Wires.Text(schema, "type") is "object" or null)
                {
                    var required = Wires.Array(schema, "required").Select(r => r.ToString()).ToHashSet(StringComparer.Ordinal);
                    if (!schema.TryGetProperty("additionalProperties", out var more) || more.ValueKind != JsonValueKind.False || !properties.EnumerateObject().All(p => required.Contains(p.Name)))
                        return false;
                }

                return schema.EnumerateObject().All(p => IsClosed(p.Value));

            default:
                return true;
        }
    }
}

/// <summary>Why hints are left out.</summary>
internal static class Omissions
{
    public const string CacheControl = "a hint for the cache of a provider that takes such";
    public const string Detail = "how finely an image is looked at is left to the provider";
}
