using System.Text.Json;

namespace Tokonomics.Application.Translation;

/// <summary>Gemini's <c>generateContent</c>, of the Gemini API and of Vertex AI.</summary>
/// <remarks>
/// Checked 2026-11-30 against the types of Google's own SDK 2.32 and recorded exchanges: <c>parametersJsonSchema</c> and <c>responseJsonSchema</c> take a JSON
/// schema as it is; <c>fileData</c> takes public https addresses; <c>functionResponse.parts</c> takes images; <c>functionCall</c> and
/// <c>functionResponse</c> have an <c>id</c>, which models before Gemini 3 leave out.
/// </remarks>
internal sealed partial class GeminiWire : IClientWire, IProviderWire
{
    private const string Thoughts = "what one model thought isn't carried to another";

    // Gemini 3 refuses a call without the signature of the thought behind it, and names this text for calls that another model made
    // (ai.google.dev/gemini-api/docs/thought-signatures, checked 2026-11-30).
    private const string NoSignature = "skip_thought_signature_validator";

    public NeutralRequest ReadRequest(JsonElement body, bool stream, Carriage carriage)
    {
        var request = new NeutralRequest { Stream = stream };
        var fields = new Fields(body, "", carriage, anyCase: true);
        fields.Take("model", out _); // the path says it
        if (fields.Object("systemInstruction") is { } system)
        {
            system.Take("role", out _); // means nothing here
            request.AddSystem(ReadParts(system, null, carriage), carriage);
            system.End();
        }

        var calls = new Calls();
        foreach (var content in fields.Objects("contents"))
        {
            var role = content.Text("role")?.Value ?? "user";
            if (role is not ("user" or "model" or "function"))
                carriage.Refuse(content.At("role"), $"{role} has no counterpart");
            request.Turns.Add(new Turn(role == "model" ? Speaker.Assistant : Speaker.User, [.. ReadParts(content, calls, carriage)], content.Path));
            content.End();
        }

        foreach (var tool in fields.Objects("tools"))
        {
            foreach (var function in tool.Objects("functionDeclarations"))
                ReadFunction(function, request, carriage);
            foreach (var own in OwnTools)
                if (tool.Take(own, out _, out var path))
                    carriage.Refuse(path, "is Google's own tool");
            tool.End();
        }

        if (fields.Object("toolConfig") is { } config)
        {
            ReadChoice(config.Object("functionCallingConfig"), request, carriage);
            config.End();
        }

        if (fields.Object("generationConfig") is { } generation)
            ReadGeneration(generation, request, carriage);
        foreach (var setting in fields.Objects("safetySettings"))
        {
            // Numbers are the values of Google's protocol: 4 blocks none, 5 is off.
            setting.Take("category", out _);
            setting.Refuse("threshold", "a filter has no counterpart", "BLOCK_NONE", "OFF", "4", "5", "HARM_BLOCK_THRESHOLD_UNSPECIFIED");
            setting.Hint("method", "a filter has no counterpart");
            setting.End();
        }

        fields.Hint("labels", "labels that only Google keeps");
        fields.End();
        return request;
    }

    // Those have no fields that must be said, so End would take an empty one for nothing.
    private static readonly string[] OwnTools = ["googleSearch", "googleSearchRetrieval", "codeExecution", "urlContext", "googleMaps", "fileSearch", "computerUse", "enterpriseWebSearch"];

    /// <summary>Calls in the order in which they stand, for those that have no id: it is made of their place, and a result is of the first call of its name that has none.</summary>
    private sealed class Calls
    {
        private readonly List<(string Id, string Name, bool Answered)> _calls = [];

        public string Add(string? id, string name)
        {
            id ??= $"call_{_calls.Count}";
            _calls.Add((id, name, false));
            return id;
        }

        public string? Answer(string? id, string name)
        {
            var at = _calls.FindIndex(c => !c.Answered && c.Name == name && (id is null || c.Id == id));
            if (at < 0)
                at = _calls.FindLastIndex(c => c.Name == name && (id is null || c.Id == id));
            if (at < 0)
                return null;
            _calls[at] = _calls[at] with { Answered = true };
            return _calls[at].Id;
        }
    }

    private static IEnumerable<Part> ReadParts(Fields holder, Calls? calls, Carriage carriage)
    {
        foreach (var part in holder.Objects("parts"))
        {
            part.Hint("thoughtSignature", Thoughts);
            var thought = part.Flag("thought") is { Value: true };
            if (part.Text("text") is { } text)
            {
                if (thought)
                    carriage.Note(text.Path, Thoughts);
                else if (text.Value.Length > 0)
                    yield return new TextPart(text.Value, text.Path);
            }
            else if (part.Object("inlineData") is { } inline)
            {
                if (inline.Text("mimeType") is { } type && inline.Text("data") is { } data)
                    yield return new MediaPart(type.Value, PlainBase64(data.Value), null, inline.Text("displayName")?.Value, data.Path);
                inline.End();
            }
            else if (part.Object("fileData") is { } file)
            {
                var type = file.Text("mimeType")?.Value;
                if (file.Text("fileUri") is { } uri)
                {
                    if (uri.Value.StartsWith("http", StringComparison.OrdinalIgnoreCase) && !uri.Value.Contains("generativelanguage.googleapis.com", StringComparison.OrdinalIgnoreCase))
                        yield return new MediaPart(type, null, uri.Value, file.Text("displayName")?.Value, uri.Path);
                    else
                        carriage.Refuse(uri.Path, "a file that is kept at Google");
                }

                file.End();
            }
            else if (calls is not null && part.Object("functionCall") is { } call && call.Text("name") is { } called)
            {
                var id = calls.Add(call.Text("id")?.Value, called.Value);
                yield return new ToolCallPart(id, called.Value, call.Take("args", out var args) ? args.GetRawText() : "{}", call.At("args"));
                call.End();
            }
            else if (calls is not null && part.Object("functionResponse") is { } response && response.Text("name") is { } answered)
            {
                if (calls.Answer(response.Text("id")?.Value, answered.Value) is { } id)
                    yield return ReadResult(response, id, answered.Value, carriage);
                else
                    carriage.Refuse(response.Path, "no call of that function stands before it");
                response.End();
            }

            part.End();
        }
    }

    // Google's JSON takes both alphabets, the other dialects the plain one. What is neither stays for the provider to refuse.
    private static string PlainBase64(string data)
    {
        foreach (var c in data)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '='))
                return data;
        return data.Replace('-', '+').Replace('_', '/');
    }

    private static ToolResultPart ReadResult(Fields response, string id, string name, Carriage carriage)
    {
        var content = new List<Part>();
        var failed = false;
        if (response.Take("response", out var said, out var path))
        {
            // {"output": "…"} and {"error": "…"} are Google's own way to say a text; anything else is data, and stays JSON.
            var text = said.GetRawText();
            if (said.ValueKind == JsonValueKind.Object && said.EnumerateObject().Count() == 1 && (Wires.Text(said, "output") ?? Wires.Text(said, "error")) is { } plain)
                (text, failed) = (plain, Wires.Text(said, "error") is not null);
            if (text.Length > 0)
                content.Add(new TextPart(text, path));
        }

        content.AddRange(ReadParts(response, null, carriage));
        return new ToolResultPart(id, name, content, failed, response.Path);
    }

    private static void ReadFunction(Fields function, NeutralRequest request, Carriage carriage)
    {
        if (function.Text("name") is not { } name)
        {
            carriage.Refuse(function.Path, "has no name");
            return;
        }

        var description = function.Text("description")?.Value;
        JsonElement? schema = function.Take("parametersJsonSchema", out var json) ? json : function.Take("parameters", out var parameters) ? GeminiSchema.ToJsonSchema(parameters) : null;
        function.Hint("response", "what a function gives is not described elsewhere");
        function.Hint("responseJsonSchema", "what a function gives is not described elsewhere");
        request.Tools.Add(new ToolDeclaration(name.Value, description, schema, Strict: false, function.Path));
        function.End();
    }

    private static void ReadChoice(Fields? config, NeutralRequest request, Carriage carriage)
    {
        if (config is null)
            return;
        var allowed = config.Texts("allowedFunctionNames").ToList();
        var mode = config.Text("mode");
        switch (mode?.Value.ToUpperInvariant())
        {
            case "ANY" when allowed.Count == 1:
                request.Choice = new(new(Choosing.One, allowed[0].Value), mode.Path);
                break;

            case "ANY" when allowed.Count == 0:
                request.Choice = new(new(Choosing.Any), mode.Path);
                break;

            case "NONE":
                request.Choice = new(new(Choosing.None), mode.Path);
                break;

            case null or "AUTO" or "MODE_UNSPECIFIED" when allowed.Count == 0:
                request.Choice = mode is null ? null : new(new(Choosing.Auto), mode.Path);
                break;

            case "VALIDATED" when allowed.Count == 0:
                request.Choice = new(new(Choosing.Auto), mode.Path);
                for (var i = 0; i < request.Tools.Count; i++)
                    request.Tools[i] = request.Tools[i] with { Strict = true };
                break;

            default:
                carriage.Refuse(mode?.Path ?? config.Path, "this choice has no counterpart");
                break;
        }

        config.End();
    }

    private static void ReadGeneration(Fields generation, NeutralRequest request, Carriage carriage)
    {
        request.MaxOutputTokens = generation.Whole("maxOutputTokens");
        request.Temperature = generation.Number("temperature");
        request.TopP = generation.Number("topP");
        request.TopK = generation.Whole("topK");
        request.Seed = generation.Whole("seed");
        request.PresencePenalty = generation.Number("presencePenalty") is { Value: not 0 } presence ? presence : null;
        request.FrequencyPenalty = generation.Number("frequencyPenalty") is { Value: not 0 } frequency ? frequency : null;
        request.Stop.AddRange(generation.Texts("stopSequences"));
        var type = generation.Text("responseMimeType");
        JsonElement? schema = generation.Take("responseJsonSchema", out var json) ? json : generation.Take("responseSchema", out var openApi) ? GeminiSchema.ToJsonSchema(openApi) : null;
        switch (type?.Value)
        {
            case "application/json":
                request.Format = new(new AnswerFormat(schema), type.Path);
                break;

            case null or "text/plain":
                break;

            default:
                carriage.Refuse(type.Path, $"{type.Value} has no counterpart");
                break;
        }

        if (schema is not null && request.Format is null)
            carriage.Refuse(generation.At("responseSchema"), "a schema needs responseMimeType application/json");
        if (generation.Object("thinkingConfig") is { } thinking)
        {
            request.Thoughts = thinking.Flag("includeThoughts") is { Value: true };
            if (thinking.Text("thinkingLevel") is { } level)
                request.Effort = Wires.Effort(level with { Value = level.Value.ToLowerInvariant() }, carriage);
            request.ThinkingBudget = thinking.Whole("thinkingBudget") is { Value: >= 0 } budget ? budget : null; // -1 leaves it to the model
            thinking.End();
        }

        generation.Refuse("candidateCount", "one answer is translated, not several", "1");
        generation.Refuse("responseModalities", "text alone is translated", "[\"TEXT\"]", "[\"Text\"]");
        generation.Refuse("responseLogprobs", "the other dialects have no such figures", "false");
        generation.Hint("mediaResolution", Omissions.Detail);
        generation.End();
    }

    public (string Path, string? Query, KeyValuePair<string, string>? Header) Route(in TranslationTarget target) =>
        target.Stream ? ($"models/{target.Model}:streamGenerateContent", "alt=sse", null) : ($"models/{target.Model}:generateContent", null, null);

    public void WriteRequest(NeutralRequest request, Utf8JsonWriter json, in TranslationTarget target, Carriage carriage)
    {
        json.WriteStartObject();
        if (request.System.Count > 0)
        {
            json.WriteStartObject("systemInstruction");
            json.WriteStartArray("parts");
            foreach (var text in request.System)
                WriteText(json, text.Value);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteStartArray("contents");
        foreach (var turn in Wires.Merged(request.Turns))
        {
            if (turn.Speaker == Speaker.System)
            {
                carriage.Refuse(turn.Path, "Gemini takes no instruction amid a conversation");
                continue;
            }

            json.WriteStartObject();
            json.WriteString("role", turn.Speaker == Speaker.User ? "user" : "model");
            json.WriteStartArray("parts");
            var signed = false;
            foreach (var part in turn.Parts)
                WritePart(json, part, ref signed, carriage);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteTools(request, json, carriage);
        WriteGeneration(request, json, carriage);
        if (request.User is { } user)
            carriage.Note(user.Path, "Gemini has no place for whom a client serves");
        json.WriteEndObject();
    }

    private static void WriteText(Utf8JsonWriter json, string text)
    {
        json.WriteStartObject();
        json.WriteString("text", text);
        json.WriteEndObject();
    }

    private static void WritePart(Utf8JsonWriter json, Part part, ref bool signed, Carriage carriage)
    {
        switch (part)
        {
            case TextPart text:
                WriteText(json, text.Text);
                break;

            case MediaPart media:
                WriteMedia(json, media, carriage);
                break;

            case ToolCallPart call:
                json.WriteStartObject();
                json.WriteStartObject("functionCall");
                json.WriteString("id", call.Id);
                json.WriteString("name", call.Name);
                json.WritePropertyName("args");
                Wires.WriteArguments(json, call, carriage);
                json.WriteEndObject();
                if (!signed)
                    json.WriteString("thoughtSignature", NoSignature);
                signed = true;
                json.WriteEndObject();
                break;

            case ToolResultPart result:
                json.WriteStartObject();
                json.WriteStartObject("functionResponse");
                json.WriteString("id", result.CallId);
                json.WriteString("name", result.Name);
                WriteResponse(json, result);
                if (result.Content.Any(p => p is MediaPart))
                {
                    json.WriteStartArray("parts");
                    foreach (var media in result.Content.OfType<MediaPart>())
                        WriteMedia(json, media, carriage);
                    json.WriteEndArray();
                }

                json.WriteEndObject();
                json.WriteEndObject();
                break;
        }
    }

    private static void WriteResponse(Utf8JsonWriter json, ToolResultPart result)
    {
        var text = Wires.Joined(result.Content);
        json.WritePropertyName("response");
        if (!result.Failed && Wires.IsObject(text) && !IsPlain(text))
        {
            json.WriteRawValue(text);
            return;
        }

        json.WriteStartObject();
        json.WriteString(result.Failed ? "error" : "output", text);
        json.WriteEndObject();
    }

    // An object that would be taken for one of the wrappings above.
    private static bool IsPlain(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.EnumerateObject().Count() == 1 && (Wires.Text(document.RootElement, "output") ?? Wires.Text(document.RootElement, "error")) is not null;
    }

    private static void WriteMedia(Utf8JsonWriter json, MediaPart media, Carriage carriage)
    {
        if (media.Url is { } url && !url.StartsWith("https://", StringComparison.OrdinalIgnoreCase))
            carriage.Refuse(media.Path, "Gemini fetches https addresses alone");
        json.WriteStartObject();
        json.WriteStartObject(media.Url is null ? "inlineData" : "fileData");
        if ((media.MediaType ?? TypeOf(media.Url)) is { } type)
            json.WriteString("mimeType", type);
        if (media.Url is null)
            json.WriteString("data", media.Base64);
        else
            json.WriteString("fileUri", media.Url);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    // Vertex asks for the type; the ending of the path is all that is known of it.
    private static string? TypeOf(string? url) =>
        !Uri.TryCreate(url, UriKind.Absolute, out var address) ? null : Path.GetExtension(address.AbsolutePath).ToLowerInvariant() switch
        {
            ".png" => "image/png",
            ".jpg" or ".jpeg" => "image/jpeg",
            ".webp" => "image/webp",
            ".gif" => "image/gif",
            ".pdf" => "application/pdf",
            _ => null,
        };

    private static void WriteTools(NeutralRequest request, Utf8JsonWriter json, Carriage carriage)
    {
        if (request.Tools.Count == 0)
            return;
        json.WriteStartArray("tools");
        json.WriteStartObject();
        json.WriteStartArray("functionDeclarations");
        foreach (var tool in request.Tools)
        {
            json.WriteStartObject();
            json.WriteString("name", tool.Name);
            if (tool.Description is not null)
                json.WriteString("description", tool.Description);
            if (tool.Schema is { } schema)
            {
                json.WritePropertyName("parametersJsonSchema");
                schema.WriteTo(json);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        if (request.ParallelCalls is { Value: false } single)
            carriage.Refuse(single.Path, "Gemini can't be held to one call");
        // VALIDATED is AUTO with arguments that are held to their schema: what strict asks for.
        var strict = request.Tools.Exists(t => t.Strict);
        if (request.Choice is null && !strict)
            return;
        json.WriteStartObject("toolConfig");
        json.WriteStartObject("functionCallingConfig");
        json.WriteString("mode", request.Choice?.Value.Choosing switch { Choosing.None => "NONE", Choosing.Any or Choosing.One => "ANY", _ => strict ? "VALIDATED" : "AUTO" });
        if (request.Choice?.Value.Name is { } name)
        {
            json.WriteStartArray("allowedFunctionNames");
            json.WriteStringValue(name);
            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteGeneration(NeutralRequest request, Utf8JsonWriter json, Carriage carriage)
    {
        json.WriteStartObject("generationConfig");
        if (request.MaxOutputTokens is { } limit)
            json.WriteNumber("maxOutputTokens", limit.Value);
        Wires.Maybe(json, "temperature", request.Temperature);
        Wires.Maybe(json, "topP", request.TopP);
        if (request.TopK is { } topK)
            json.WriteNumber("topK", topK.Value);
        if (request.Seed is { } seed)
        {
            json.WriteNumber("seed", seed.Value);
            if (seed.Value is < int.MinValue or > int.MaxValue)
                carriage.Refuse(seed.Path, "Gemini's seed has 32 bits");
        }

        Wires.Maybe(json, "presencePenalty", request.PresencePenalty);
        Wires.Maybe(json, "frequencyPenalty", request.FrequencyPenalty);
        if (request.Stop.Count > 5)
            carriage.Refuse(request.Stop[5].Path, "Gemini takes five stop sequences at most");
        if (request.Stop.Count > 0)
        {
            json.WriteStartArray("stopSequences");
            foreach (var stop in request.Stop)
                json.WriteStringValue(stop.Value);
            json.WriteEndArray();
        }

        if (request.Format is { } format)
        {
            json.WriteString("responseMimeType", "application/json");
            if (format.Value.Schema is { } schema)
            {
                json.WritePropertyName("responseJsonSchema");
                schema.WriteTo(json);
            }

            if (format.Value.Description is not null)
                carriage.Note(format.Path, "the schema's description has no place at Gemini");
        }

        if (request.Effort is not null || request.ThinkingBudget is not null)
        {
            if (request is { Effort: { } both, ThinkingBudget: not null })
                carriage.Refuse(both.Path, "Gemini takes a level of thought or a budget, not both");
            json.WriteStartObject("thinkingConfig");
            if (request.ThinkingBudget is { } budget)
                json.WriteNumber("thinkingBudget", budget.Value);
            if (request.Effort is { } effort)
                json.WriteString("thinkingLevel", effort.Value);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
