using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Translation;

namespace Tokonomics.Application.Tests.Translation;

/// <summary>What a request or an answer means, as a text to compare: no ids, no places, no order that means nothing.</summary>
internal static class Meaning
{
    /// <summary>The conversation and the tools: what must be the same after any translation.</summary>
    public static string Content(NeutralRequest request)
    {
        var text = new StringBuilder();
        foreach (var system in request.System)
            text.AppendLine($"system {JsonSerializer.Serialize(system.Value)}");
        var calls = new List<string>();
        foreach (var turn in Wires.Merged(request.Turns))
        {
            text.AppendLine(turn.Speaker.ToString());
            // Results first, then what is said, then calls: dialects differ in where they may stand.
            foreach (var part in turn.Parts.OrderBy(p => p switch { ToolResultPart => 0, ToolCallPart => 2, _ => 1 }))
                text.AppendLine("  " + Tell(part, calls));
        }

        foreach (var tool in request.Tools)
            text.AppendLine($"tool {tool.Name} {JsonSerializer.Serialize(tool.Description ?? "")} {(tool.Schema is { } schema ? Canonical(schema.GetRawText()) : "")}");
        // Auto is what is so without a word.
        if (request.Choice is { Value.Choosing: not Choosing.Auto } choice && request.Tools.Count > 0)
            text.AppendLine(choice.Value.ToString());
        return text.ToString();
    }

    /// <summary>Everything that a dialect can say of itself.</summary>
    public static string All(NeutralRequest request) =>
        Content(request) + string.Join('\n',
        [
            $"stream {request.Stream}",
            $"parallel {(request.Tools.Count > 0 && request.ParallelCalls is { Value: false } ? "no" : "yes")}",
            $"format {(request.Format is { } format ? format.Value.Schema is { } schema ? Canonical(schema.GetRawText()) : "any" : "")}",
            $"limit {request.MaxOutputTokens?.Value}",
            $"stop {JsonSerializer.Serialize(request.Stop.Select(s => s.Value))}",
            $"temperature {Number(request.Temperature)} p {Number(request.TopP)} k {request.TopK?.Value} seed {request.Seed?.Value} presence {Number(request.PresencePenalty)} frequency {Number(request.FrequencyPenalty)}",
            $"user {request.User?.Value} effort {request.Effort?.Value} budget {request.ThinkingBudget?.Value}",
        ]);

    private static string? Number(Said<decimal>? number) => number?.Value.ToString("0.############", CultureInfo.InvariantCulture);

    private static string Tell(Part part, List<string> calls)
    {
        switch (part)
        {
            case TextPart text:
                return "text " + JsonSerializer.Serialize(text.Text);
            case MediaPart media:
                return media.Url is { } url ? "media " + url : $"media {media.MediaType!.ToLowerInvariant().Replace("x-wav", "wav", StringComparison.Ordinal).Replace("audio/mp3", "audio/mpeg", StringComparison.Ordinal)} {Convert.ToHexString(SHA256.HashData(Encoding.ASCII.GetBytes(media.Base64!)))[..16]}";
            case ToolCallPart call:
                calls.Add(call.Id);
                return $"call {calls.Count - 1} {call.Name} {Canonical(call.Arguments)}";
            case ToolResultPart result:
                var content = Wires.Joined(result.Content);
                return $"result {calls.LastIndexOf(result.CallId)} {result.Name} {Canonical(content)} {string.Join(' ', result.Content.OfType<MediaPart>().Select(m => Tell(m, calls)))}";
            default:
                throw new InvalidOperationException(part.ToString());
        }
    }

    public static string Answer(NeutralAnswer answer, bool counted = true)
    {
        var text = new StringBuilder();
        text.AppendLine("text " + JsonSerializer.Serialize(Wires.Joined(answer.Parts)));
        foreach (var call in answer.Parts.OfType<ToolCallPart>())
            text.AppendLine($"call {call.Name} {Canonical(call.Arguments)}");
        text.AppendLine("finish " + Simple(answer.Finish));
        if (counted && answer.Usage is { } usage)
            text.AppendLine($"usage {usage.Input ?? 0} read {usage.CacheRead ?? 0} out {usage.Output ?? 0}");
        return text.ToString();
    }

    // OpenAI and Anthropic have no word for ends of another kind; only Anthropic has one for stop sequences.
    private static string Simple(Finish finish) => finish is Finish.Stop or Finish.StopSequence or Finish.Other ? "stop" : finish.ToString();

    /// <summary>JSON with its names in order and its numbers as numbers; other text as it is.</summary>
    public static string Canonical(string json)
    {
        if (json.Length == 0)
            return "{}";
        try
        {
            return Sorted(JsonNode.Parse(json))?.ToJsonString() ?? "null";
        }
        catch (JsonException)
        {
            return JsonSerializer.Serialize(json);
        }
    }

    private static JsonNode? Sorted(JsonNode? node) => node switch
    {
        JsonObject o => new JsonObject(o.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => KeyValuePair.Create(p.Key, Sorted(p.Value)))),
        JsonArray a => new JsonArray([.. a.Select(Sorted)]),
        JsonValue v when v.GetValueKind() == JsonValueKind.Number && decimal.TryParse(v.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) => JsonValue.Create(number / 1.0000000000000000000m),
        _ => node?.DeepClone(),
    };
}

/// <summary>The dialects, and how tests speak them.</summary>
internal static class Spoken
{
    public static readonly string[] Clients = ["openai-chat", "anthropic-messages", "gemini-generate", "openai-responses"];

    public static readonly string[] Providers = ["openai-chat", "anthropic-messages", "gemini-generate"];

    public static readonly DateTimeOffset At = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000);

    public static IEnumerable<(string Client, string Provider)> Pairs =>
        from client in Clients from provider in Providers where client != provider select (client, provider);

    public static IClientWire Client(string dialect) => dialect switch
    {
        "openai-chat" => new ChatWire(),
        "anthropic-messages" => new AnthropicWire(),
        "gemini-generate" => new GeminiWire(),
        _ => new ResponsesWire(),
    };

    public static IProviderWire Provider(string dialect) => (IProviderWire)Client(dialect);

    public static TranslationTarget Target(bool stream = false, long? limit = 4096) => new("target", "openai", stream, limit);

    public static NeutralRequest Read(string dialect, ReadOnlyMemory<byte> body, Carriage carriage, bool stream = false)
    {
        using var document = JsonDocument.Parse(body);
        var request = Client(dialect).ReadRequest(document.RootElement.Clone(), stream, carriage);
        return request;
    }

    /// <summary>A request that goes through, as text.</summary>
    public static string Request(string client, string provider, string body, bool stream = false, long? limit = 4096)
    {
        var request = Translator.Between(client, provider)!.Request(Encoding.UTF8.GetBytes(body), Target(stream, limit));
        request.Refusal.ShouldBe("");
        return Encoding.UTF8.GetString(request.Body.Span);
    }

    public static void Same(string json, string expected) => Meaning.Canonical(json).ShouldBe(Meaning.Canonical(expected));

    /// <summary>A whole answer, translated.</summary>
    public static string Answer(string client, string provider, string body, string? model = null) =>
        Encoding.UTF8.GetString(Translator.Between(client, provider)!.Answer(Encoding.UTF8.GetBytes(body), new AnswerWishes(model, At)).ShouldNotBeNull().Body.Span);

    public static string Stream(string client, string provider, ReadOnlySpan<byte> body, AnswerWishes? wishes = null, params ReadOnlySpan<int> cuts)
    {
        var output = new ArrayBufferWriter<byte>();
        var stream = Translator.Between(client, provider)!.Stream(wishes ?? new AnswerWishes(null, At));
        var start = 0;
        foreach (var cut in cuts)
        {
            stream.Push(body[start..cut], output);
            start = cut;
        }

        stream.Push(body[start..], output);
        stream.Complete(output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    /// <summary>What a client of a dialect makes of a stream.</summary>
    public static (NeutralAnswer Answer, bool Ended, NeutralError? Error) Collect(string dialect, ReadOnlySpan<byte> body, ProviderQuirks quirks = 0)
    {
        if (dialect == "openai-responses")
            return CollectResponses(body);
        var collector = new Collector();
        var stream = new StreamTranslation(Provider(dialect), collector, quirks);
        var nowhere = new ArrayBufferWriter<byte>();
        stream.Push(body, nowhere);
        stream.Complete(nowhere);
        return (collector.Answer, stream.Ended, collector.Error);
    }

    /// <summary>What a client of a dialect makes of an answer.</summary>
    public static NeutralAnswer ReadAnswer(string dialect, string body, ProviderQuirks quirks = 0)
    {
        using var document = JsonDocument.Parse(body);
        return dialect == "openai-responses" ? FromResponse(document.RootElement) : Provider(dialect).ReadAnswer(document.RootElement.Clone(), quirks, new Carriage());
    }

    private static (NeutralAnswer Answer, bool Ended, NeutralError? Error) CollectResponses(ReadOnlySpan<byte> body)
    {
        var answer = new NeutralAnswer();
        foreach (var line in Encoding.UTF8.GetString(body).Split('\n').Where(l => l.StartsWith("data: ", StringComparison.Ordinal)))
        {
            using var document = JsonDocument.Parse(line[6..]);
            switch (Wires.Text(document.RootElement, "type"))
            {
                case "response.completed" or "response.incomplete":
                    return (FromResponse(document.RootElement.GetProperty("response")), true, null);
                case "error":
                    return (answer, false, new NeutralError(0, Wires.Text(document.RootElement, "code")!, Wires.Text(document.RootElement, "message")!, null));
                case "response.output_text.delta":
                    answer.Parts.Add(new TextPart(Wires.Text(document.RootElement, "delta")!, ""));
                    break;
            }
        }

        return (answer, false, null);
    }

    private static NeutralAnswer FromResponse(JsonElement response)
    {
        var answer = new NeutralAnswer { Id = Wires.Text(response, "id"), Model = Wires.Text(response, "model") };
        foreach (var item in Wires.Array(response, "output"))
        {
            if (Wires.Text(item, "type") == "function_call")
                answer.Parts.Add(new ToolCallPart(Wires.Text(item, "call_id")!, Wires.Text(item, "name")!, Wires.Text(item, "arguments")!, ""));
            foreach (var part in Wires.Array(item, "content"))
                answer.Parts.Add(new TextPart(Wires.Text(part, "text")!, ""));
        }

        answer.Finish = Wires.Text(Wires.Object(response, "incomplete_details"), "reason") switch
        {
            "max_output_tokens" => Finish.Length,
            "content_filter" => Finish.Filtered,
            _ => answer.Parts.Exists(p => p is ToolCallPart) ? Finish.ToolCalls : Finish.Stop,
        };
        if (Wires.Object(response, "usage") is { ValueKind: JsonValueKind.Object } usage)
            answer.Usage = new(Wires.Whole(usage, "input_tokens"), Wires.Whole(Wires.Object(usage, "input_tokens_details"), "cached_tokens"), null, Wires.Whole(usage, "output_tokens"), Wires.Whole(Wires.Object(usage, "output_tokens_details"), "reasoning_tokens"));
        return answer;
    }

    private sealed class Collector : StepWriter
    {
        public NeutralAnswer Answer { get; } = new();

        public NeutralError? Error { get; private set; }

        private readonly Dictionary<int, int> _calls = [];

        public override void Write(Step step, IBufferWriter<byte> output)
        {
            switch (step)
            {
                case Step.Start start:
                    (Answer.Id, Answer.Model) = (start.Id, start.Model);
                    break;
                case Step.Text text:
                    Answer.Parts.Add(new TextPart(text.Piece, ""));
                    break;
                case Step.Thinking thought:
                    Answer.Parts.Add(new ThinkingPart(thought.Piece, ""));
                    break;
                case Step.CallStart call:
                    _calls[call.Call] = Answer.Parts.Count;
                    Answer.Parts.Add(new ToolCallPart(call.Id, call.Name, "", ""));
                    break;
                case Step.Arguments arguments:
                    var at = _calls[arguments.Call];
                    Answer.Parts[at] = (ToolCallPart)Answer.Parts[at] with { Arguments = ((ToolCallPart)Answer.Parts[at]).Arguments + arguments.Piece };
                    break;
                case Step.Finished finished:
                    (Answer.Finish, Answer.StopSequence) = (finished.Finish, finished.StopSequence);
                    break;
                case Step.Counted counted:
                    Answer.Usage = counted.Usage;
                    break;
                case Step.Failed failed:
                    Error = failed.Error;
                    break;
            }
        }
    }
}
