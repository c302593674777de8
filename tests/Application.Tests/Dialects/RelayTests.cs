using System.Buffers;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Tokonomics.Application.Dialects;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Tests.Dialects;

/// <summary>What stands between the relay and the reader: the chunk filter, the decompression, the errors.</summary>
public sealed class RelayTests
{
    private const string Delta = "data: {\"choices\":[{\"delta\":{\"content\":\"hé\"}}],\"usage\":null}\n\n";
    private const string Usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3}}\n\n";
    private const string Done = "data: [DONE]\n\n";

    public static TheoryData<string, string> Filtered => new()
    {
        { Delta + Usage + Done, Delta + Done },
        { (Delta + Usage + Done).ReplaceLineEndings("\r\n"), (Delta + Done).ReplaceLineEndings("\r\n") },
        { (Delta + Usage + Done).Replace('\n', '\r'), (Delta + Done).Replace('\n', '\r') },
        { Usage, "" },
        { Usage.TrimEnd('\n'), "" },
        { ": keep\n\n" + Usage + ": bye\n\n", ": keep\n\n: bye\n\n" },
        { "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n" + Done, "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n" + Done },
        { "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":5}}\n\n", "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":5}}\n\n" },
        { "data: {\"usage\":{\"prompt_tokens\":5}}\n\n", "data: {\"usage\":{\"prompt_tokens\":5}}\n\n" },
        { "data: {\"choices\":[],\"usage\":{\"prompt", "data: {\"choices\":[],\"usage\":{\"prompt" },
        { "{\"error\":{}}\n\n{\"choices\":[],\"usage\":{}}\n\n", "{\"error\":{}}\n\n{\"choices\":[],\"usage\":{}}\n\n" },
        { "", "" },
        { "\r\n\r\n\n\r" + Delta, "\r\n\r\n\n\r" + Delta },
    };

    [Theory]
    [MemberData(nameof(Filtered))]
    public void The_usage_chunk_is_taken_out_however_the_bytes_are_cut(string stream, string want)
    {
        var bytes = Encoding.UTF8.GetBytes(stream);
        for (var size = 1; size <= bytes.Length + 1; size++)
        {
            var output = new ArrayBufferWriter<byte>();
            var filter = new UsageChunkFilter();
            for (var i = 0; i < bytes.Length; i += size)
                filter.Write(bytes.AsSpan(i, Math.Min(size, bytes.Length - i)), output);
            filter.Flush(output);
            Encoding.UTF8.GetString(output.WrittenSpan).ShouldBe(want, $"in pieces of {size}");
        }
    }

    [Fact]
    public void An_event_leaves_in_the_call_that_completes_it()
    {
        var output = new ArrayBufferWriter<byte>();
        var filter = new UsageChunkFilter();
        filter.Write(Encoding.UTF8.GetBytes(Delta[..^1]), output);
        filter.Write("\n"u8, output);
        Encoding.UTF8.GetString(output.WrittenSpan).ShouldBe(Delta);
    }

    [Fact]
    public void An_event_over_the_bound_is_let_through_and_the_next_one_is_filtered_again()
    {
        var huge = "data: {\"choices\":[],\"usage\":{},\"x\":\"" + new string('x', 100_000) + "\"}\n\n";
        var output = new ArrayBufferWriter<byte>();
        var filter = new UsageChunkFilter();
        foreach (var piece in Encoding.UTF8.GetBytes(huge + Usage + Done).Chunk(1000))
            filter.Write(piece, output);
        filter.Flush(output);
        Encoding.UTF8.GetString(output.WrittenSpan).ShouldBe(huge + Done);
    }

    private sealed class Collector : ResponseReader
    {
        public MemoryStream Bytes { get; } = new();

        public bool? Whole { get; private set; }

        public override void Feed(ReadOnlySpan<byte> bytes) => Bytes.Write(bytes);

        public override MeteredResponse Finish(bool whole)
        {
            Whole = whole;
            return default;
        }
    }

    private static byte[] Compress(string encoding, byte[] plain)
    {
        var output = new MemoryStream();
        using (Stream stream = encoding switch
        {
            "gzip" => new GZipStream(output, CompressionLevel.Fastest),
            "br" => new BrotliStream(output, CompressionLevel.Fastest),
            "deflate" => new ZLibStream(output, CompressionLevel.Fastest),
            _ => new DeflateStream(output, CompressionLevel.Fastest),
        })
        {
            // Flushed after each event, as a server does that streams.
            foreach (var piece in plain.Chunk(500))
            {
                stream.Write(piece);
                stream.Flush();
            }
        }

        return output.ToArray();
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    [InlineData("raw")]
    [InlineData("members")]
    public void A_compressed_answer_is_read_as_it_comes_however_it_is_cut(string kind)
    {
        var plain = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 3000).Select(i => $"data: {{\"n\":{i}}}\n\n")));
        var packed = kind == "members"
            ? [.. Compress("gzip", plain[..1000]), .. Compress("gzip", plain[1000..1001]), .. Compress("gzip", plain[1001..])]
            : Compress(kind, plain);
        var encoding = kind switch { "raw" => "deflate", "members" => "gzip", _ => kind };
        foreach (var size in new[] { 1, 2, 3, 7, 100, 1021, packed.Length })
        {
            var collector = new Collector();
            var reader = DecodingReader.For(collector, encoding);
            foreach (var piece in packed.Chunk(size))
                reader.Feed(piece);
            reader.Finish(whole: true);
            collector.Bytes.ToArray().AsSpan().SequenceEqual(plain).ShouldBeTrue($"{kind} in pieces of {size}: {collector.Bytes.Length} of {plain.Length}");
            collector.Whole.ShouldBe(true);
        }
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    public void What_was_flushed_is_read_before_the_rest_comes(string encoding)
    {
        var output = new MemoryStream();
        using Stream stream = encoding switch
        {
            "gzip" => new GZipStream(output, CompressionLevel.Fastest),
            "br" => new BrotliStream(output, CompressionLevel.Fastest),
            _ => new ZLibStream(output, CompressionLevel.Fastest),
        };
        var collector = new Collector();
        var reader = DecodingReader.For(collector, encoding);
        for (var i = 1; i <= 50; i++)
        {
            stream.Write("0123456789"u8);
            stream.Flush();
            reader.Feed(output.ToArray());
            output.SetLength(0);
            collector.Bytes.Length.ShouldBe(i * 10);
        }
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    public void A_bomb_stops_the_reader_at_its_bound(string encoding)
    {
        var bomb = Compress(encoding, new byte[50_000_000]);
        var collector = new Collector();
        var reader = DecodingReader.For(collector, encoding, maxBytes: 1_000_000);
        reader.Feed(bomb);
        reader.Feed(bomb);
        reader.Finish(whole: true);
        collector.Bytes.Length.ShouldBeLessThanOrEqualTo(1_000_000);
        collector.Whole.ShouldBe(false);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    [InlineData("zstd")]
    [InlineData("gzip, br")]
    public void Bytes_that_are_no_such_encoding_are_not_read(string encoding)
    {
        var collector = new Collector();
        var reader = DecodingReader.For(collector, encoding);
        for (var i = 0; i < 20; i++)
            reader.Feed("data: {\"choices\":[]}\n\n"u8);
        reader.Finish(whole: true);
        collector.Whole.ShouldBe(false);
    }

    [Fact]
    public void An_uncompressed_answer_needs_no_wrapper()
    {
        var collector = new Collector();
        DecodingReader.For(collector, null).ShouldBeSameAs(collector);
        DecodingReader.For(collector, "identity").ShouldBeSameAs(collector);
    }

    [Theory]
    [InlineData(ErrorShape.OpenAi, 429, """{"error":{"message":"No \"more\" é","type":"rate_limit_error","param":null,"code":"c"}}""")]
    [InlineData(ErrorShape.Anthropic, 413, """{"type":"error","error":{"type":"request_too_large","message":"No \"more\" é"},"request_id":"r1"}""")]
    [InlineData(ErrorShape.Gemini, 403, """{"error":{"code":403,"message":"No \"more\" é","status":"PERMISSION_DENIED"}}""")]
    [InlineData(ErrorShape.Cohere, 404, """{"message":"No \"more\" é"}""")]
    [InlineData(ErrorShape.Ollama, 500, """{"error":"No \"more\" é"}""")]
    public void An_error_has_the_shape_of_its_dialect(ErrorShape shape, int status, string want)
    {
        var output = new ArrayBufferWriter<byte>();
        ProxyError.Write(output, shape, status, "c", "No \"more\" é", "r1");
        Encoding.UTF8.GetString(output.WrittenSpan).ShouldBe(want);
    }

    [Theory]
    [InlineData("openai-chat", "text/event-stream", "\n\ndata: {\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":\"c\"}}\n\n")]
    [InlineData("openai-responses", "text/event-stream", "\n\nevent: error\ndata: {\"type\":\"error\",\"code\":\"c\",\"message\":\"m\",\"param\":null,\"sequence_number\":2147483647}\n\n")]
    [InlineData("anthropic-messages", "text/event-stream", "\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"},\"request_id\":null}\n\n")]
    [InlineData("gemini-generate", "text/event-stream", "\n\ndata: {\"error\":{\"code\":502,\"message\":\"m\",\"status\":\"INTERNAL\"}}\n\n")]
    [InlineData("gemini-generate", "application/json", ",\n{\"error\":{\"code\":502,\"message\":\"m\",\"status\":\"INTERNAL\"}}\n]")]
    [InlineData("ollama", "application/x-ndjson", "\n{\"error\":\"m\"}\n")]
    public void An_error_inside_a_stream_has_the_streams_form(string dialect, string type, string want)
    {
        var d = DialectCatalogue.Find(dialect)!;
        var output = new ArrayBufferWriter<byte>();
        ProxyError.WriteStreamEvent(output, d.Errors, ProxyError.FormOf(d, type), 502, "c", "m");
        Encoding.UTF8.GetString(output.WrittenSpan).ShouldBe(want);
    }
}
