using System.Text;
using Tokonomics.Application.Dialects;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Tests.Dialects;

/// <summary>Answers that no provider should send. Whatever comes: no exception, bounded memory, and a result.</summary>
public sealed class MalformedTests(ITestOutputHelper output)
{
    private const string Request = """{"model":"m","stream":true,"messages":[{"role":"user","content":"12345678"}]}""";

    private static readonly string[] Breaks =
    [
        "", " ", "\uFEFF", "\n\n\n", "\r\r\r", ": only a comment\n\n", "data", "data:", "data: ", "data:\n\n", "data: [DONE]", "data: [DON\n\n", "data: [DONE]]\n\n",
        "event: x\n\n", "id: 1\nretry: 5\n\n", "{", "}", "[", "]", "]]]]", "{{{{", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "[,]", "{]",
        "[}", "\"", "\"\\", "\"\\u", "tru", "nul", "-", "1e", "0x1", "NaN", "Infinity", "{\"usage\":NaN}", "{\"usage\":}", "{\"usage\":{}}", "{\"usage\":[]}",
        "{\"usage\":{\"prompt_tokens\":}}", "{\"usage\":{\"prompt_tokens\":-}}", "{\"usage\":{\"prompt_tokens\":1e}}", "{\"usage\":{\"prompt_tokens\":01}}",
        "{\"usage\":\"x\"}", "{\"usage\":{\"prompt_tokens\":{\"prompt_tokens\":[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]}}}", "{\"usage\":{\"prompt_tokens\":1,\"prompt_tokens\":2}}",
        "{\"usage\":{\"prompt_tokens\":-7,\"completion_tokens\":-1}}", "{\"usage\":{\"prompt_tokens\":1e308,\"completion_tokens\":1e-308}}",
        "{\"usage\":{\"prompt_tokens\":null,\"completion_tokens\":null}}", "{\"model\":\"\\ud800\",\"usage\":{}}", "{\"choices\":{\"delta\":[]}}", "{\"choices\":[[[]]]}",
        "{\"error\":null}", "{\"error\":\"x\"}", "<html></html>", "\0\0\0\0", "\u001f\u008b",
    ];

    private static IEnumerable<(string Name, string Body, string Type)> Cases()
    {
        foreach (var type in new[] { "text/event-stream", "application/json", "application/x-ndjson", "" })
            foreach (var piece in Breaks)
                yield return ($"{type} {piece}", piece, type);
        foreach (var end in new[] { "\n\n", "\r\n\r\n", "\r\r", "\n", "" })
            foreach (var piece in Breaks)
                yield return ($"event {piece} {end.Length}", $"data: {piece}{end}", "text/event-stream");
        yield return ("depth", string.Concat(Enumerable.Repeat("{\"choices\":[", 10_000)), "application/json");
        yield return ("depth of arrays", new string('[', 100_000), "application/json");
        yield return ("a million keys", "{" + string.Concat(Enumerable.Range(0, 1_000_000).Select(i => $"\"k{i}\":0,")) + "\"usage\":{\"prompt_tokens\":1}}", "application/json");
        yield return ("long key", "{\"" + new string('k', 1_000_000) + "\":1}", "application/json");
        yield return ("long usage", "{\"usage\":{\"x\":\"" + new string('x', 1_000_000) + "\"}}", "application/json");
        yield return ("long model", "data: {\"model\":\"" + new string('x', 1_000_000) + "\"}\n\n", "text/event-stream");
        yield return ("endless line", "data: {\"choices\":[{\"delta\":{\"content\":\"" + new string('x', 4_000_000), "text/event-stream");
        yield return ("endless comment", ":" + new string('x', 4_000_000), "text/event-stream");
        yield return ("endless white space", new string(' ', 4_000_000), "application/json");
        yield return ("many keys of usage", "{\"usage\":{" + string.Join(',', Enumerable.Range(0, 5000).Select(i => $"\"k{i}\":{{}}")) + "}}", "application/json");
    }

    [Fact]
    public void No_answer_makes_a_reader_throw_or_grow()
    {
        var cases = 0;
        var dialects = DialectCatalogue.Names.Select(n => DialectCatalogue.Find(n)!).ToArray();
        foreach (var (name, body, type) in Cases())
        {
            var bytes = Encoding.UTF8.GetBytes(body);
            foreach (var dialect in dialects)
            {
                if (bytes.Length > 100_000 && dialect.Name is not ("openai-chat" or "gemini-generate" or "anthropic-messages" or "ollama"))
                    continue;
                var facts = new RequestFacts(null, "application/json", true, 0, false);
                var peek = dialect.Peek(facts, Encoding.UTF8.GetBytes(Request));
                cases++;
                foreach (var size in bytes.Length > 1000 ? new[] { 8192 } : [1, 3, 1000])
                {
                    var reader = dialect.Read(facts, peek, new(200, type));
                    var before = GC.GetAllocatedBytesForCurrentThread();
                    for (var i = 0; i < bytes.Length; i += size)
                        reader.Feed(bytes.AsSpan(i, Math.Min(size, bytes.Length - i)));
                    var grown = GC.GetAllocatedBytesForCurrentThread() - before;
                    var m = reader.Finish(whole: true);
                    grown.ShouldBeLessThan(300_000, $"{dialect.Name}: {name[..Math.Min(80, name.Length)]}"); // a 64 kB buffer doubled into place
                    m.Usage.InputTokens.ShouldBeInRange(0, UsageWalker.MaxCount * 2);
                    m.Usage.OutputTokens.ShouldBeInRange(0, UsageWalker.MaxCount * 3);
                }
            }
        }

        output.WriteLine($"{cases} cases");
        cases.ShouldBeGreaterThan(200);
    }

    [Fact]
    public void Nothing_is_allocated_by_event_once_a_stream_runs()
    {
        var dialect = DialectCatalogue.Find("openai-chat")!;
        var facts = new RequestFacts(null, null, false, 0, false);
        var reader = dialect.Read(facts, dialect.Peek(facts, Encoding.UTF8.GetBytes(Request)), new(200, "text/event-stream"));
        var chunk = "data: {\"id\":\"x\",\"model\":\"gpt-x\",\"choices\":[{\"delta\":{\"content\":\"hello\"},\"finish_reason\":null}],\"usage\":null}\n\n"u8.ToArray();
        for (var i = 0; i < 100; i++)
            reader.Feed(chunk);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10_000; i++)
            reader.Feed(chunk);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1024);
        reader.Finish(whole: false).Usage.OutputTokens.ShouldBe(12_625); // 10,100 times 5 bytes, by 4
    }

    [Fact]
    public void Random_damage_to_a_stream_never_throws()
    {
        var random = new Random(30);
        var good = Encoding.UTF8.GetBytes(Wire.Events(
            """{"type":"message_start","message":{"usage":{"input_tokens":6,"output_tokens":1}}}""",
            """{"model":"m","choices":[{"delta":{"content":"a\u00e9\n"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":3}}""",
            """{"response":{"usage":{"input_tokens":5},"output":[{"type":"web_search_call"}]},"usageMetadata":{"promptTokensDetails":[{"modality":"AUDIO","tokenCount":5}]}}"""));
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = good.ToArray();
            for (var k = random.Next(1, 6); k > 0; k--)
                bytes[random.Next(bytes.Length)] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)"{}[]\",:\\ \r\n0"[random.Next(12)];
            var dialect = DialectCatalogue.Find(DialectCatalogue.Names[i % DialectCatalogue.Names.Count])!;
            var facts = new RequestFacts(null, null, true, (ProviderQuirks)15, true);
            dialect.Peek(facts, bytes);
            var reader = dialect.Read(facts, dialect.Peek(facts, Encoding.UTF8.GetBytes(Request)), new(200, "text/event-stream"));
            reader.Feed(bytes);
            reader.Finish(random.Next(2) == 0);
        }
    }

    [Fact]
    public void Random_damage_to_a_request_is_a_problem_or_none_but_never_throws()
    {
        var random = new Random(39);
        var json = Encoding.UTF8.GetBytes("""{"model":"m\u00e9","stream":true,"stream_options":{"include_usage":false},"n":2,"max_tokens":10,"messages":[{"content":"h\ud83d\ude00"}],"generationConfig":{"maxOutputTokens":5},"input":"x","prompt":["a"]}""");
        var form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n2\r\n--b--\r\n"u8.ToArray();
        var problems = 0;
        for (var i = 0; i < 40_000; i++)
        {
            var multipart = i % 4 == 0;
            var bytes = (multipart ? form : json).ToArray();
            for (var k = random.Next(1, 4); k > 0; k--)
                bytes[random.Next(bytes.Length)] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)"{}[]\",:\\ud0\n"[random.Next(12)];
            var length = random.Next(3) == 0 ? random.Next(bytes.Length) : bytes.Length;
            var dialect = DialectCatalogue.Find(DialectCatalogue.Names[i % DialectCatalogue.Names.Count])!;
            var peek = dialect.Peek(new(null, multipart ? "multipart/form-data; boundary=b" : null, false, 0, true), bytes.AsSpan(0, length));
            problems += peek.Problem is null ? 0 : 1;
            peek.Choices.ShouldBeGreaterThan(0);
            (peek.ModelAt.Offset + peek.ModelAt.Length).ShouldBeLessThanOrEqualTo(length);
            if (peek.UsageSplice is { } splice)
                (splice.Offset + splice.Length).ShouldBeLessThanOrEqualTo(length);
        }

        problems.ShouldBeInRange(5_000, 39_000);
    }

    [Theory]
    [InlineData("\uFEFFdata: {0}\n\n")]
    [InlineData("data: {0}\r\rdata: [DONE]\r\r")]
    [InlineData("data: {0}\r\n\r\n")]
    [InlineData("data:{0}\n\n")]
    [InlineData("data: {0}")]
    [InlineData(": hello\n: there\n\nevent: x\nid: 3\ndata: {0}\nretry: 5\n\n")]
    [InlineData("\n\n\ndata: {0}\n\ndata: {{broken\n\n")]
    [InlineData("data: {{\"usage\":\n\ndata: {0}\n\n")]
    [InlineData("data\n\ndatax: {{}}\n\ndata: {0}\n\n")]
    public void Usage_is_found_in_every_form_of_event(string form)
    {
        const string Chunk = "{\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":5,\ndata: \"completion_tokens\":3}}"; // one event of three data lines
        var body = string.Format(null, form, form.Contains('\r', StringComparison.Ordinal) ? Chunk.Replace("\n", form.Contains('\n', StringComparison.Ordinal) ? "\r\n" : "\r", StringComparison.Ordinal) : Chunk);
        Wire.Meter("openai-chat", Request, body, "text/event-stream").Usage.ToString().ShouldBe("Input=5,Output=3");
        Wire.Meter("openai-chat", Request, body, "").Usage.ToString().ShouldBe("Input=5,Output=3");
    }
}
