using System.IO.Compression;
using System.Text;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Relay;

namespace Tokonomics.Web.Proxy.Tests.Faults;

/// <summary>Tests that measure the memory of the process, and so run when no other does.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>F32 and the bomb of F34: answers without end pass in bounded memory and are cut where the operator says.</summary>
[Collection(nameof(Alone))]
public sealed class EndlessAnswerTests(EndlessAnswerTests.Cutting upstream) : IClassFixture<EndlessAnswerTests.Cutting>
{
    private const long Cut = 64L * 1024 * 1024;

    public sealed class Cutting : Upstream
    {
        protected override IEnumerable<KeyValuePair<string, string?>> Settings => [new("Proxy:MaxAnswerBytes", Cut.ToString(System.Globalization.CultureInfo.InvariantCulture))];
    }

    public static TheoryData<string, string, string> Endless => new()
    {
        { "chat", "data: ", "x" }, // one event without end
        { "chat, usage swallowed", "data: ", "x" },
        { "chat, usage swallowed", "data: {\"choices\":[{\"delta\":{\"content\":\"", "x" }, // a string without end
        { "chat, usage swallowed", ": ", "x" }, // a comment without end
        { "chat", "", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n" }, // events without end
        { "responses", "event: ", "x" },
        { "messages", "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":", "1" }, // a number without end
        { "gemini, array", "[", "{\"candidates\":[]}," },
        { "gemini", "data: ", "[" }, // depth without end
        { "ollama", "", " " },
    };

    [Theory]
    [MemberData(nameof(Endless))]
    public async Task An_answer_without_end_is_relayed_in_bounded_memory_and_cut(string name, string start, string more)
    {
        var stream = StreamSample.Named(name);
        var closed = new TaskCompletionSource();
        var piece = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(more, 64 * 1024 / more.Length)));
        byte[] chunk = [.. StreamSample.Chunked(piece)];
        using var response = await upstream.CallAsync(stream.Call, async (_, socket) =>
        {
            try
            {
                await FakeProvider.SendAsync(socket, stream.Head + (start.Length == 0 ? "" : Encoding.UTF8.GetString(StreamSample.Chunked(Encoding.UTF8.GetBytes(start)))));
                for (var i = 0L; i < 10 * Cut; i += piece.Length)
                    await FakeProvider.SendAsync(socket, chunk);
            }
            finally
            {
                closed.SetResult();
            }
        });
        var body = await response.Content.ReadAsStreamAsync();
        var buffer = new byte[64 * 1024];
        var (total, peak) = (0L, 0L);
        var (allocated, before) = (GC.GetTotalAllocatedBytes(), GC.GetTotalMemory(forceFullCollection: true));
        try
        {
            for (var reads = 0; ; reads++)
            {
                var read = await body.ReadAsync(buffer);
                read.ShouldBeGreaterThan(0, "a regular end would look like success");
                total += read;
                if (reads % 256 == 0)
                    peak = Math.Max(peak, GC.GetTotalMemory(forceFullCollection: false));
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            // Cut off.
        }

        await closed.Task.WaitAsync(Upstream.Patience);
        total.ShouldBeInRange(Cut / 2, Cut + (1024 * 1024)); // RST may overtake the last bytes
        (peak - before).ShouldBeLessThan(48L * 1024 * 1024); // garbage that waits for its collection included
        ((GC.GetTotalAllocatedBytes() - allocated) / (Cut / 1024 / 1024)).ShouldBeLessThan(512 * 1024); // for each megabyte, client and provider included
        var row = await upstream.RowAsync(response.RequestId());
        row.GetProperty("outcome").GetString().ShouldBe("cut_by_proxy");
        row.GetProperty("usage_source").GetString().ShouldBe("estimated");
        row.GetProperty("response_bytes").GetInt64().ShouldBeInRange(Cut, Cut + (64 * 1024));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    public async Task A_decompression_bomb_passes_as_it_is_and_is_not_unpacked_beyond_a_bound(string coding)
    {
        const long Unpacked = 512L * 1024 * 1024;
        var packed = new MemoryStream();
        await using (Stream bomb = coding == "gzip" ? new GZipStream(packed, CompressionLevel.Optimal, true) : new BrotliStream(packed, CompressionLevel.Fastest, true))
        {
            bomb.Write("{\"choices\":[{\"message\":{\"content\":\""u8);
            var piece = new byte[1024 * 1024];
            Array.Fill(piece, (byte)'x');
            for (var i = 0L; i < Unpacked; i += piece.Length)
                bomb.Write(piece);
            bomb.Write("\"}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}"u8);
        }

        var body = packed.ToArray();
        (Unpacked / body.Length).ShouldBeGreaterThan(1000);
        var allocated = GC.GetTotalAllocatedBytes();
        var seen = await upstream.SeeAsync(
            ClientCall.Chat(), [.. Encoding.UTF8.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\nContent-Length: {body.Length}\r\n\r\n"), .. body]);

        seen.Body.ShouldBe(body);
        seen["outcome"].ShouldBe("completed");
        seen["usage_source"].ShouldBe("estimated");
        // The bound is 64 MB of text, 4 bytes to a token.
        seen.Output.ShouldBeInRange(1, (64L * 1024 * 1024 / 4) + 1);
        (GC.GetTotalAllocatedBytes() - allocated).ShouldBeLessThan((body.Length * 8L) + (64L * 1024 * 1024));
    }
}
