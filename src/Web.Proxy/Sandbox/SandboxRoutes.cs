using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>Who answers a path. <paramref name="Model"/>: the model's name where the path has it, else null.</summary>
internal sealed record SandboxRoute(string Dialect, SandboxShape Shape, Func<SandboxCall, Task> AnswerAsync, string? Model = null, bool? StreamByPath = null)
{
    /// <summary>Ollama and Gemini decide otherwise than by <c>"stream": true</c>.</summary>
    public bool Streams(JsonElement body) =>
        StreamByPath ?? (Shape == SandboxShape.Ollama ? body.Get("stream").ValueKind != JsonValueKind.False : body.Get("stream").ValueKind == JsonValueKind.True);
}

/// <summary>
/// Finds a route by the path's end, so that any provider's prefix (<c>/openai/v1</c>, <c>/api/v1</c>, <c>/compatible-mode/v1</c> …) may
/// stand before it.
/// </summary>
internal static class SandboxRoutes
{
    private static readonly (string Tail, SandboxRoute Route)[] Tails =
    [
        ("/chat/completions", new("openai-chat", SandboxShape.OpenAi, OpenAiChatRoutes.ChatAsync)),
        ("/completions", new("openai-completions", SandboxShape.OpenAi, OpenAiChatRoutes.CompletionsAsync)),
        ("/responses", new("openai-responses", SandboxShape.OpenAi, OpenAiResponsesRoutes.ResponsesAsync)),
        ("/embeddings", new("openai-embeddings", SandboxShape.OpenAi, OpenAiOtherRoutes.EmbeddingsAsync, StreamByPath: false)),
        ("/images/generations", new("openai-images", SandboxShape.OpenAi, OpenAiOtherRoutes.ImagesAsync, StreamByPath: false)),
        ("/audio/speech", new("openai-speech", SandboxShape.OpenAi, OpenAiOtherRoutes.SpeechAsync, StreamByPath: false)),
        ("/audio/transcriptions", new("openai-transcriptions", SandboxShape.OpenAi, OpenAiOtherRoutes.TranscriptionsAsync, StreamByPath: false)),
        ("/moderations", new("openai-moderations", SandboxShape.OpenAi, OpenAiOtherRoutes.ModerationsAsync, StreamByPath: false)),
        ("/messages/count_tokens", new("anthropic-count-tokens", SandboxShape.Anthropic, AnthropicRoutes.CountTokensAsync, StreamByPath: false)),
        ("/messages", new("anthropic-messages", SandboxShape.Anthropic, AnthropicRoutes.MessagesAsync)),
        ("/complete", new("anthropic-complete", SandboxShape.Anthropic, AnthropicRoutes.CompleteAsync)),
        ("/api/chat", new("ollama-chat", SandboxShape.Ollama, OllamaRoutes.ChatAsync)),
        ("/api/generate", new("ollama-generate", SandboxShape.Ollama, OllamaRoutes.GenerateAsync)),
        ("/api/embed", new("ollama-embed", SandboxShape.Ollama, OllamaRoutes.EmbedAsync, StreamByPath: false)),
        ("/v2/chat", new("cohere-chat-v2", SandboxShape.Cohere, CohereRoutes.ChatV2Async)),
        ("/v1/chat", new("cohere-chat-v1", SandboxShape.Cohere, CohereRoutes.ChatV1Async)),
        ("/embed", new("cohere-embed", SandboxShape.Cohere, CohereRoutes.EmbedAsync, StreamByPath: false)),
        ("/rerank", new("rerank", SandboxShape.Cohere, CohereRoutes.RerankAsync, StreamByPath: false)),
    ];

    private static readonly SandboxRoute Unknown = new("unknown", SandboxShape.OpenAi, _ => throw new SandboxRefusal(404, "The sandbox has no such route."), StreamByPath: false);

    public static SandboxRoute Find(string method, string path)
    {
        path = path.TrimEnd('/');
        if (HttpMethods.IsGet(method)) return FindList(path);
        if (!HttpMethods.IsPost(method)) return Unknown;
        if (path.LastIndexOf(':') is > 0 and var colon && path.LastIndexOf("models/", colon, StringComparison.Ordinal) is >= 0 and var models)
            return FindGemini(path[(models + "models/".Length)..colon], path[(colon + 1)..]);

        foreach (var (tail, route) in Tails)
            if (path.EndsWith(tail, StringComparison.Ordinal)) return route with { Model = Deployment(path) };
        return Unknown;
    }

    /// <summary>Parses the body, and corrects what only the body tells: the model of a form, Cohere's own chat behind a shared path.</summary>
    public static async Task<(JsonDocument? Body, SandboxRoute Route)> ParseAsync(HttpContext http, byte[] body, SandboxRoute route)
    {
        if (ReferenceEquals(route, Unknown) || HttpMethods.IsGet(http.Request.Method)) return (null, route);
        if (MediaTypeHeaderValue.TryParse(http.Request.ContentType, out var type) && type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase))
            return (JsonSerializer.SerializeToDocument(await ReadFormAsync(body, type)), route);

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(body);
        }
        catch (JsonException)
        {
            throw new SandboxRefusal(400, "We could not parse the JSON body of your request.");
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object)
        {
            var cohere = document.RootElement.Get(route.Dialect == "cohere-chat-v1" ? "message" : "messages").ValueKind != JsonValueKind.Undefined;
            return (document, route.Dialect is "cohere-chat-v1" or "cohere-chat-v2" && !cohere ? Unknown : route);
        }

        document.Dispose();
        throw new SandboxRefusal(400, "The request's body must be a JSON object.");
    }

    /// <summary>A string, or a refusal where it is not valid Unicode.</summary>
    public static string Text(JsonElement value)
    {
        try
        {
            return value.GetString() ?? "";
        }
        catch (InvalidOperationException)
        {
            return "";
        }
    }

    private static SandboxRoute FindGemini(string model, string method) => method switch
    {
        "generateContent" => new("gemini", SandboxShape.Gemini, GeminiRoutes.GenerateAsync, model, StreamByPath: false),
        "streamGenerateContent" => new("gemini", SandboxShape.Gemini, GeminiRoutes.GenerateAsync, model, StreamByPath: true),
        "embedContent" or "batchEmbedContents" => new("gemini-embed", SandboxShape.Gemini, GeminiRoutes.EmbedAsync, model, StreamByPath: false),
        "countTokens" => new("gemini-count-tokens", SandboxShape.Gemini, GeminiRoutes.CountTokensAsync, model, StreamByPath: false),
        _ => Unknown,
    };

    private static SandboxRoute FindList(string path)
    {
        var ollama = path.EndsWith("/api/tags", StringComparison.Ordinal);
        var gemini = (path.Contains("/v1beta", StringComparison.Ordinal) || path.StartsWith("/v1beta", StringComparison.Ordinal)) && !path.Contains("/openai", StringComparison.Ordinal);
        return ollama || path.EndsWith("/models", StringComparison.Ordinal)
            ? new("models", gemini ? SandboxShape.Gemini : ollama ? SandboxShape.Ollama : SandboxShape.OpenAi, ModelListRoutes.ListAsync, StreamByPath: false)
            : Unknown;
    }

    /// <summary>Azure names the deployment in the path, and that is the model.</summary>
    private static string? Deployment(string path)
    {
        const string Marker = "/openai/deployments/";
        var at = path.IndexOf(Marker, StringComparison.Ordinal);
        if (at < 0) return null;
        var name = path[(at + Marker.Length)..];
        return name[..name.IndexOf('/')];
    }

    /// <summary>A form's fields as JSON; of a file only its size, as <c>file_bytes</c>.</summary>
    private static async Task<JsonObject> ReadFormAsync(byte[] body, MediaTypeHeaderValue type)
    {
        try
        {
            var form = new JsonObject();
            var boundary = HeaderUtilities.RemoveQuotes(type.Boundary).Value ?? throw new InvalidDataException();
            var reader = new MultipartReader(boundary, new MemoryStream(body));
            while (await reader.ReadNextSectionAsync() is { } section)
            {
                var disposition = section.GetContentDispositionHeader();
                if (disposition?.IsFileDisposition() == true)
                {
                    using var file = new MemoryStream();
                    await section.Body.CopyToAsync(file);
                    form["file_bytes"] = file.Length;
                }
                else if (disposition is not null)
                {
                    form[HeaderUtilities.RemoveQuotes(disposition.Name).Value ?? ""] = await section.ReadAsStringAsync();
                }
            }

            return form;
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            throw new SandboxRefusal(400, "The form in the request's body could not be read.");
        }
    }
}

/// <summary>Reading JSON that may have any shape: what is absent or of another kind is <see cref="JsonValueKind.Undefined"/> or null.</summary>
internal static class SandboxJson
{
    public static JsonElement Get(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? value : default;

    public static string? GetText(this JsonElement element, string name) =>
        element.Get(name) is { ValueKind: JsonValueKind.String } value ? SandboxRoutes.Text(value) : null;

    public static bool IsTrue(this JsonElement element, string name) => element.Get(name).ValueKind == JsonValueKind.True;

    public static IEnumerable<JsonElement> Items(this JsonElement element) => element.ValueKind == JsonValueKind.Array ? element.EnumerateArray() : [];

    /// <summary>The first of these members that is there: an output limit of at least 1, or a refusal.</summary>
    public static long? GetLimit(this JsonElement element, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            var value = element.Get(name);
            if (value.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null) continue;
            return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var limit) && limit >= 1
                ? limit
                : throw new SandboxRefusal(400, $"Invalid value for '{name}': expected an integer of at least 1.");
        }

        return null;
    }

    /// <summary>How many answers are asked for: 1 to 128.</summary>
    public static int GetChoices(this JsonElement element, string name)
    {
        var choices = element.GetLimit(name) ?? 1;
        return choices <= 128 ? (int)choices : throw new SandboxRefusal(400, $"Invalid value for '{name}': expected at most 128.");
    }

    /// <summary>The member that a request can't do without.</summary>
    public static JsonElement Require(this JsonElement element, string name)
    {
        var value = element.Get(name);
        return value.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null ? throw new SandboxRefusal(400, $"Missing required parameter: '{name}'.") : value;
    }

    /// <summary>
    /// The one rule for tools: none where <paramref name="mode"/> says so; the named or else the first one where it must, or where the user
    /// spoke last; none otherwise, so that a loop of tool calls ends.
    /// </summary>
    public static SandboxTool? Pick(IReadOnlyList<SandboxTool> tools, string? mode, string? named, bool userSpokeLast)
    {
        if (tools.Count == 0 || mode is "none" or "NONE") return null;
        var must = named is not null || mode is "required" or "any" or "ANY" or "REQUIRED";
        return must || userSpokeLast ? tools.FirstOrDefault(t => t.Name == named) ?? tools[0] : null;
    }
}
