using System.Text;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Relay;

namespace Tokonomics.Web.Proxy.Tests.Forwarding;

/// <summary>Usage of a chat stream is asked for where the client didn't, and the chunk that comes of it is taken out; nothing else changes.</summary>
public sealed class IncludeUsageTests(IncludeUsageTests.OptedOut upstream) : IClassFixture<IncludeUsageTests.OptedOut>
{
    public sealed class OptedOut : Upstream
    {
        protected override IEnumerable<KeyValuePair<string, string?>> Settings => [new("Providers:deepseek:StreamUsage", "unasked"), new("Providers:mistral:StreamUsage", "on-demand")];
    }

    private const string Asked = "\"stream_options\":{\"include_usage\":true},";

    public static TheoryData<string, string> Injected => new()
    {
        { """{"model":"m","stream":true}""", "{" + Asked + "\"model\":\"m\",\"stream\":true}" },
        { " {\r\n\t\"stream\" : true, \"messages\" : [ {\"role\":\"user\",\"content\":\"stream_options\"} ] }\n", " {" + Asked + "\r\n\t\"stream\" : true, \"messages\" : [ {\"role\":\"user\",\"content\":\"stream_options\"} ] }\n" },
        { """{"stream":true,"stream_options":null,"x":1}""", """{"stream":true,"stream_options":{"include_usage":true},"x":1}""" },
        { """{"stream":true,"stream_options":{},"x":1}""", """{"stream":true,"stream_options":{"include_usage":true},"x":1}""" },
        { """{"stream":true,"stream_options": { "include_obfuscation" : false } }""", """{"stream":true,"stream_options": {"include_usage":true, "include_obfuscation" : false } }""" },
        { """{"stream":true,"stream_options":{"include_usage":false}}""", """{"stream":true,"stream_options":{"include_usage":true}}""" },
        { """{"stream":true,"stream_options":{"include_usage":null,"y":[]}}""", """{"stream":true,"stream_options":{"include_usage":true,"y":[]}}""" },
        { """{"x":1.50e+1,"y":"\u00e9é👋\/","stream":true,"z":{"z":1,"z":2}}""", "{" + Asked + "\"x\":1.50e+1,\"y\":\"\\u00e9é👋\\/\",\"stream\":true,\"z\":{\"z\":1,\"z\":2}}" },
        { "\uFEFF{\"stream\":true}", "\uFEFF{" + Asked + "\"stream\":true}" },
    };

    [Theory]
    [MemberData(nameof(Injected))]
    public async Task It_is_spliced_in_and_every_other_byte_of_the_request_stays(string body, string expected)
    {
        foreach (var provider in (string[])["openai", "mistral", "vllm"])
        {
            FakeRequest? got = null;
            var seen = await upstream.SeeAsync(new ClientCall($"/proxy/{provider}/v1/chat/completions", body, ("Accept-Encoding", "gzip, br")), (request, socket) =>
            {
                got = request;
                return FakeProvider.SendAsync(socket, StreamSample.ChatSwallowed.Whole());
            });

            got!.Text.ShouldBe(expected);
            got.Header("content-length").ShouldBe(Encoding.UTF8.GetByteCount(expected).ToString(System.Globalization.CultureInfo.InvariantCulture));
            got.Header("accept-encoding").ShouldBe("identity"); // the chunk can only be taken out of what can be read
            seen.Text.ShouldBe(StreamSample.ChatSwallowed.SeenText);
            (seen.Input, seen.Output, seen["usage_source"]).ShouldBe((12, 7, "reported"));
        }
    }

    public static TheoryData<string, string> LeftAlone => new()
    {
        { "openai", """{"model":"m","stream":true,"stream_options":{"include_usage":true}}""" }, // the client asked itself
        { "openai", """{"model":"m","stream":true,"stream_options":{"x":{},"include_usage":true}}""" },
        { "openai", """{"model":"m","stream":false}""" },
        { "openai", """{"model":"m","stream":null}""" },
        { "openai", """{"model":"m"}""" },
        { "deepseek", """{"model":"m","stream":true}""" }, // the operator said so
        { "groq", """{"model":"m","stream":true}""" }, // the provider reports unasked
    };

    [Theory]
    [MemberData(nameof(LeftAlone))]
    public async Task Where_it_is_not_due_neither_the_request_nor_the_stream_is_touched(string provider, string body)
    {
        FakeRequest? got = null;
        var seen = await upstream.SeeAsync(new ClientCall($"/proxy/{provider}/v1/chat/completions", body, ("Accept-Encoding", "zstd, gzip;q=0.5, br")), (request, socket) =>
        {
            got = request;
            return FakeProvider.SendAsync(socket, StreamSample.ChatSwallowed.Whole());
        });

        got!.Text.ShouldBe(body);
        got.Header("accept-encoding").ShouldBe("gzip;q=0.5, br"); // what the meter can't read is not offered
        seen.Text.ShouldBe(StreamSample.ChatSwallowed.Text);
        (seen.Input, seen.Output).ShouldBe((12, 7));
    }

    private const string Usage = """data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":7}}""";

    [Theory]
    [InlineData("data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n" + Usage + "\n\ndata: [DONE]\n\n", "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\ndata: [DONE]\n\n")]
    [InlineData("data: {\"choices\":[],\"usage\":null}\n\n" + Usage + "\n\n", "data: {\"choices\":[],\"usage\":null}\n\n")]
    [InlineData("data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":7}}\n\ndata: [DONE]\n\n", null)] // a chunk with a choice is not only usage
    [InlineData(": keep-alive\n\n" + Usage + "\r\n\r\ndata: [DONE]\r\n\r\n", ": keep-alive\n\ndata: [DONE]\r\n\r\n")]
    [InlineData("data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":{} \"}}]}\n\n" + Usage, "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":{} \"}}]}\n\n")] // without its blank line
    [InlineData("{\"error\":{\"message\":\"json\"},\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":7}}", null)]
    public async Task Only_the_chunk_that_is_nothing_but_usage_is_taken_out(string sent, string? expected)
    {
        foreach (var (length, bytes) in (IEnumerable<(bool, byte[])>)[(false, Encoding.UTF8.GetBytes(sent)), (true, Encoding.UTF8.GetBytes(sent))])
        {
            byte[] answer = length
                ? [.. Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {bytes.Length}\r\n\r\n"), .. bytes]
                : [.. Encoding.ASCII.GetBytes(FakeProvider.StreamHead), .. StreamSample.Chunked(bytes), .. "0\r\n\r\n"u8];
            var seen = await upstream.SeeAsync(ClientCall.Chat(stream: true), answer);

            seen.Text.ShouldBe(expected ?? sent);
            seen.Whole.ShouldBeTrue();
            (seen.Input, seen.Output).ShouldBe((12, 7));
        }
    }

    [Fact]
    public async Task A_provider_that_compresses_although_it_was_told_not_to_passes_untouched()
    {
        var output = new MemoryStream();
        await using (var gzip = new System.IO.Compression.GZipStream(output, System.IO.Compression.CompressionLevel.Optimal, true))
            gzip.Write(Encoding.UTF8.GetBytes(StreamSample.ChatSwallowed.Text));
        var body = output.ToArray();
        var confirmed = new TaskCompletionSource();

        // The first half must not wait in the filter for an end of an event that never comes.
        using var response = await upstream.CallAsync(ClientCall.Chat(stream: true), async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, FakeProvider.StreamHead.Replace("\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n", StringComparison.Ordinal));
            await FakeProvider.ChunkAsync(socket, body.AsMemory(0, body.Length / 2));
            await confirmed.Task.WaitAsync(Upstream.Patience);
            await FakeProvider.ChunkAsync(socket, body.AsMemory(body.Length / 2));
            await FakeProvider.ChunkAsync(socket, "");
        });
        var stream = await response.Content.ReadAsStreamAsync();
        var got = new byte[body.Length];
        await stream.ReadExactlyAsync(got.AsMemory(0, body.Length / 2)).AsTask().WaitAsync(Upstream.Patience);
        confirmed.SetResult();
        await stream.ReadExactlyAsync(got.AsMemory(body.Length / 2));

        got.ShouldBe(body);
        (await upstream.RowAsync(response.RequestId())).GetProperty("usage").GetProperty("output_tokens").GetInt64().ShouldBe(7);
    }
}
