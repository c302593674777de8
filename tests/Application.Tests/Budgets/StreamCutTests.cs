using System.Buffers;
using System.Text;
using System.Text.Json;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Tests.Dialects;

namespace Tokonomics.Application.Tests.Budgets;

/// <summary>A stream that is cut ends as its protocol would have ended it at the output limit.</summary>
public sealed class StreamCutTests(ITestOutputHelper output)
{
    private static readonly string[] Lengths = ["length", "max_output_tokens", "max_tokens", "MAX_TOKENS"];

    private static StreamCut Cut(string dialect, string type, string request = """{"model":"m","stream":true}""", bool pathStreams = false) =>
        StreamCut.For(dialect, Wire.Peek(dialect, request, pathStreams: pathStreams), "m", type)!;

    private static string End(StreamCut cut, bool usage = false)
    {
        var buffer = new ArrayBufferWriter<byte>();
        cut.Write(buffer, new CutUsage(10, 20), usage);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static string EndOf(string dialect, string type, string relayed, string request = """{"model":"m","stream":true}""", bool usage = false, bool pathStreams = false)
    {
        var cut = Cut(dialect, type, request, pathStreams);
        cut.Feed(Encoding.UTF8.GetBytes(relayed));
        cut.AtBoundary.ShouldBeTrue();
        return End(cut, usage);
    }

    [Fact]
    public void Chat_ends_every_unfinished_choice_and_says_done()
    {
        EndOf("openai-chat", "text/event-stream", Wire.Events("""{"id":"c1","created":7,"model":"gpt","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}"""), usage: true).ShouldBe(
            "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"length\"}]}\n\n"
            + "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"gpt\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":20,\"total_tokens\":30}}\n\n"
            + "data: [DONE]\n\n");
        var two = EndOf("openai-chat", "text/event-stream", Wire.Events(
            """{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""", """{"id":"c","choices":[{"index":1,"delta":{"content":"y"}}]}"""), """{"model":"m","stream":true,"n":2}""");
        two.ShouldNotContain("\"index\":0");
        two.ShouldContain("\"index\":1");
    }

    [Fact]
    public void Anthropic_closes_the_open_block_first()
    {
        var begun = Wire.Events("""{"type":"message_start","message":{"id":"m1"}}""", """{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}""",
            """{"type":"content_block_stop","index":0}""", """{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}""", """{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"x"}}""");
        EndOf("anthropic-messages", "text/event-stream", begun).ShouldBe(
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
            + "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":20}}\n\n"
            + "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }

    [Theory]
    [InlineData("", "[{")]
    [InlineData("[", "{")]
    [InlineData("[{\"a\":1}", ",\r\n{")]
    [InlineData("[{\"a\":\"]\"}\n,\r\n", "{")]
    public void Geminis_array_is_valid_wherever_it_is_cut(string relayed, string begins)
    {
        var end = EndOf("gemini-generate", "application/json", relayed, """{"contents":[]}""", pathStreams: true);
        end.ShouldStartWith(begins);
        JsonDocument.Parse(relayed + end).RootElement.ValueKind.ShouldBe(JsonValueKind.Array);
    }

    [Theory]
    [InlineData("openai-chat", "data: {\"a\":1}\n\ndata: {\"b\"", ":2}\r\n\r\ndata: x", 7)]
    [InlineData("openai-chat", "data: {\"a\":1}\n\ndata: {\"b\":2}\n", "\nmore", 1)]
    [InlineData("openai-chat", "data: {\"a\":1}\n\n", "data: ", 0)]
    [InlineData("openai-chat", "data: {\"a\"", ":1", -1)]
    [InlineData("ollama", "{\"a\":1}\n{\"b\"", ":2}\n{", 4)]
    public void The_event_that_has_begun_is_let_through_first(string dialect, string relayed, string next, int expected)
    {
        var cut = Cut(dialect, dialect == "ollama" ? "application/x-ndjson" : "text/event-stream");
        cut.Feed(Encoding.UTF8.GetBytes(relayed));
        cut.UntilBoundary(Encoding.UTF8.GetBytes(next)).ShouldBe(expected);
    }

    [Fact]
    public void A_stream_that_is_over_is_not_ended_twice()
    {
        EndOf("openai-chat", "text/event-stream", "data: {\"choices\":[]}\n\ndata: [DONE]\n\n").ShouldBe("");
        EndOf("anthropic-messages", "text/event-stream", Wire.Events("""{"type":"message_stop"}""")).ShouldBe("");
        EndOf("openai-responses", "text/event-stream", Wire.Events("""{"type":"response.completed","response":{"id":"r"}}""")).ShouldBe("");
        EndOf("ollama", "application/x-ndjson", "{\"done\":true}\n").ShouldBe("");
        EndOf("cohere-chat", "text/event-stream", Wire.Events("""{"type":"message-end"}""")).ShouldBe("");
        var cut = Cut("openai-chat", "text/event-stream");
        End(cut).ShouldNotBe("");
        End(cut).ShouldBe("");
    }

    [Fact]
    public void What_is_no_stream_has_no_ending()
    {
        StreamCut.For("openai-chat", Wire.Peek("openai-chat", "{}"), "m", "application/json").ShouldBeNull();
        StreamCut.For("openai-images", Wire.Peek("openai-images", "{}"), "m", "text/event-stream").ShouldBeNull();
        StreamCut.For("gemini-generate", Wire.Peek("gemini-generate", "{}"), "m", "application/json").ShouldBeNull();
    }

    [Fact]
    public void Every_recorded_stream_can_be_ended_at_every_event()
    {
        var tally = new SortedDictionary<string, (int Streams, int Cuts)>(StringComparer.Ordinal);
        foreach (var e in Corpus.All)
        {
            if (e.Status != 200 || Corpus.DialectOf(e) is not { } name || StreamCut.For(name, Corpus.Open(e).Peek, "m", e.ResponseType) is not { } whole)
                continue;
            // Whole events only: some recordings are broken off.
            whole.Feed(e.Response);
            if (!whole.AtBoundary)
                continue;
            var boundaries = new List<int> { 0 };
            var walk = StreamCut.For(name, Corpus.Open(e).Peek, "m", e.ResponseType)!;
            for (var i = 0; i < e.Response.Length; i++)
            {
                walk.Feed(e.Response.AsSpan(i, 1));
                if (walk.AtBoundary && !walk.IsOver)
                    boundaries.Add(i + 1);
            }

            var step = Math.Max(1, boundaries.Count / 10);
            for (var b = 0; b < boundaries.Count; b += step)
                Check(e, name, boundaries[b]);
            var (streams, cuts) = tally.GetValueOrDefault(name);
            tally[name] = (streams + 1, cuts + ((boundaries.Count + step - 1) / step));
        }

        foreach (var (name, (streams, cuts)) in tally)
            output.WriteLine($"{name}: {streams} streams, {cuts} cuts");
        tally.Count.ShouldBeGreaterThanOrEqualTo(8);
        tally.Values.Sum(t => t.Streams).ShouldBeGreaterThan(500);
    }

    private static void Check(Exchange e, string name, int at)
    {
        var (dialect, facts, peek, response) = Corpus.Open(e);
        var cut = StreamCut.For(name, peek, "m", e.ResponseType)!;
        cut.Feed(e.Response.AsSpan(0, at));
        var end = End(cut, usage: true);
        byte[] all = [.. e.Response[..at], .. Encoding.UTF8.GetBytes(end)];

        // 1. Our reader takes it as final, with the reason; a choice that had finished before keeps its own.
        var reader = dialect.Read(facts, peek, response);
        reader.Feed(all);
        var metered = reader.Finish(whole: true);
        if (end.Length > 0 && metered.FinishReason is not null)
            Lengths.Append("stop").Append("tool_calls").Append("STOP").Append("end_turn").Append("tool_use").Append("stop_sequence").Append("pause_turn").Append("refusal")
                .ShouldContain(metered.FinishReason, $"{e.Id} at {at}: {end}");
        if (at == 0)
            Lengths.ShouldContain(metered.FinishReason ?? "length", $"{e.Id}: {end}");

        // 2. Everything that was added is valid.
        if (e.ResponseType!.Contains("event-stream", StringComparison.Ordinal))
        {
            foreach (var line in end.Split('\n').Where(l => l.StartsWith("data: ", StringComparison.Ordinal) && l != "data: [DONE]"))
                JsonDocument.Parse(line["data: ".Length..]).RootElement.ValueKind.ShouldBe(JsonValueKind.Object);
        }
        else if (name == "gemini-generate")
        {
            JsonDocument.Parse(all).RootElement.ValueKind.ShouldBe(JsonValueKind.Array, $"{e.Id} at {at}");
        }
        else
        {
            foreach (var line in end.Split('\n', StringSplitOptions.RemoveEmptyEntries))
                JsonDocument.Parse(line);
        }
    }
}
