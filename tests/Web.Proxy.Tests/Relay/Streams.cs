using System.Text;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Relay;

/// <summary>
/// One short stream of each dialect, as its provider would send it, event by event. Each says: 12 tokens in, 7 out.
/// </summary>
public sealed record StreamSample(string Name, ClientCall Call, string ContentType, IReadOnlyList<string> Events, IReadOnlyList<string>? Seen = null)
{
    public override string ToString() => Name;

    public string Text => string.Concat(Events);

    /// <summary>What the client is to see of it.</summary>
    public string SeenText => string.Concat(Seen ?? Events);

    public string Head => $"HTTP/1.1 200 OK\r\nContent-Type: {ContentType}\r\nTransfer-Encoding: chunked\r\n\r\n";

    private const string Chunk = """data: {"id":"c1","object":"chat.completion.chunk","model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"Grüße 👋"},"finish_reason":null}]}""" + "\n\n";
    private const string Finish = """data: {"id":"c1","object":"chat.completion.chunk","model":"gpt-4o-mini","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""" + "\n\n";
    private const string UsageChunk = """data: {"id":"c1","object":"chat.completion.chunk","model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19}}""" + "\n\n";
    private const string Done = "data: [DONE]\n\n";

    public static StreamSample Chat { get; } = new("chat", ClientCall.ChatStream(), "text/event-stream; charset=utf-8", [Chunk, Chunk, Finish, UsageChunk, Done]);

    /// <summary>The client did not ask for the usage chunk: it is asked for, metered and taken out.</summary>
    public static StreamSample ChatSwallowed { get; } =
        new("chat, usage swallowed", ClientCall.Chat(stream: true), "text/event-stream", [Chunk, Chunk, Finish, UsageChunk, Done], [Chunk, Chunk, Finish, Done]);

    public static StreamSample Responses { get; } = new("responses", ClientCall.Responses(stream: true), "text/event-stream; charset=utf-8",
    [
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r1\",\"model\":\"gpt-4o-mini\",\"status\":\"in_progress\",\"output\":[],\"usage\":null}}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"item_id\":\"m1\",\"output_index\":0,\"content_index\":0,\"delta\":\"Grüße 👋\"}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{\"id\":\"r1\",\"model\":\"gpt-4o-mini\",\"status\":\"completed\",\"output\":[],\"usage\":{\"input_tokens\":12,\"output_tokens\":7,\"total_tokens\":19}}}\n\n",
    ]);

    public static StreamSample Messages { get; } = new("messages", ClientCall.Messages(stream: true), "text/event-stream; charset=utf-8",
    [
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[],\"usage\":{\"input_tokens\":12,\"output_tokens\":1}}}\n\n",
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grüße 👋\"}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ]);

    public static StreamSample Gemini { get; } = new("gemini", ClientCall.Gemini(stream: true), "text/event-stream",
    [
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Grüße \"}],\"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":12,\"candidatesTokenCount\":2,\"totalTokenCount\":14},\"modelVersion\":\"gemini-2.5-flash\"}\r\n\r\n",
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"👋\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":12,\"candidatesTokenCount\":7,\"totalTokenCount\":19},\"modelVersion\":\"gemini-2.5-flash\"}\r\n\r\n",
    ]);

    public static StreamSample GeminiArray { get; } = new("gemini, array", ClientCall.GeminiArray(), "application/json; charset=UTF-8",
    [
        "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Grüße \"}],\"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":12,\"candidatesTokenCount\":2},\"modelVersion\":\"gemini-2.5-flash\"}\r\n",
        ",\r\n{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"👋\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":12,\"candidatesTokenCount\":7},\"modelVersion\":\"gemini-2.5-flash\"}\r\n",
        "]",
    ]);

    public static StreamSample Cohere { get; } = new("cohere", ClientCall.Cohere(stream: true), "text/event-stream",
    [
        "event: message-start\ndata: {\"type\":\"message-start\",\"id\":\"k1\",\"delta\":{\"message\":{\"role\":\"assistant\",\"content\":[]}}}\n\n",
        "event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"Grüße 👋\"}}}}\n\n",
        "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"billed_units\":{\"input_tokens\":12,\"output_tokens\":7},\"tokens\":{\"input_tokens\":80,\"output_tokens\":9}}}}\n\n",
    ]);

    public static StreamSample Ollama { get; } = new("ollama", ClientCall.Ollama(stream: true), "application/x-ndjson",
    [
        "{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\"Grüße \"},\"done\":false}\n",
        "{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\"👋\"},\"done\":false}\n",
        "{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":12,\"eval_count\":7}\n",
    ]);

    public static IReadOnlyList<StreamSample> All { get; } = [Chat, ChatSwallowed, Responses, Messages, Gemini, GeminiArray, Cohere, Ollama];

    /// <summary>The names, for theories; a name finds its stream with <see cref="Named"/>.</summary>
    public static TheoryData<string> Names { get; } = [.. All.Select(s => s.Name)];

    public static StreamSample Named(string name) => All.Single(s => s.Name == name);

    /// <summary>The same as one plain HTTP answer in a single chunk.</summary>
    public byte[] Whole() => [.. Encoding.UTF8.GetBytes(Head), .. Chunked(Encoding.UTF8.GetBytes(Text)), .. "0\r\n\r\n"u8];

    public static byte[] Chunked(byte[] bytes) => [.. Encoding.ASCII.GetBytes($"{bytes.Length:x}\r\n"), .. bytes, .. "\r\n"u8];

    /// <summary>What a plain answer of 12 tokens in, 7 out costs nothing to write.</summary>
    public static byte[] Plain(string more = "", int status = 200, string usage = """{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19}""") =>
        Encoding.UTF8.GetBytes(FakeProvider.Json($$"""{"id":"c1","model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{{usage}}}""", more)
            .Replace("200 OK", $"{status} Some", StringComparison.Ordinal));
}
