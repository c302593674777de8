using System.Net.Sockets;
using System.Text;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Relay;

/// <summary>F31: how a stream is cut on its way changes neither a byte nor a count; and nothing of it waits for what comes later.</summary>
public sealed class StreamTests(Upstream upstream) : IClassFixture<Upstream>
{
    [Theory]
    [MemberData(nameof(StreamSample.Names), MemberType = typeof(StreamSample))]
    public async Task Each_event_reaches_the_client_before_the_next_is_sent(string name)
    {
        var stream = StreamSample.Named(name);
        var seen = stream.Seen ?? stream.Events;
        var confirmed = new SemaphoreSlim(0);
        using var response = await upstream.CallAsync(stream.Call, async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, stream.Head);
            await Confirmed(); // the headers
            foreach (var e in stream.Events)
            {
                await FakeProvider.ChunkAsync(socket, e);
                if (seen.Contains(e))
                    await Confirmed();
            }

            await FakeProvider.ChunkAsync(socket, "");
        });
        ((int)response.StatusCode).ShouldBe(200);
        confirmed.Release();

        var body = await response.Content.ReadAsStreamAsync();
        foreach (var e in seen)
        {
            var got = new byte[Encoding.UTF8.GetByteCount(e)];
            await body.ReadExactlyAsync(got).AsTask().WaitAsync(Upstream.Patience);
            Encoding.UTF8.GetString(got).ShouldBe(e);
            confirmed.Release();
        }

        (await body.ReadAsync(new byte[1])).ShouldBe(0);
        var row = await upstream.RowAsync(response.RequestId());
        row.GetProperty("usage").GetProperty("output_tokens").GetInt64().ShouldBe(7);
        row.GetProperty("streamed").GetBoolean().ShouldBeTrue();

        async Task Confirmed() => (await confirmed.WaitAsync(Upstream.Patience)).ShouldBeTrue();
    }

    [Theory]
    [MemberData(nameof(StreamSample.Names), MemberType = typeof(StreamSample))]
    public async Task The_first_event_leaves_in_one_piece_with_the_head_that_it_came_with(string name)
    {
        var stream = StreamSample.Named(name);
        using var request = upstream.Request(stream.Call, async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, $"{stream.Head}{Encoding.UTF8.GetByteCount(stream.Events[0]):x}\r\n{stream.Events[0]}\r\n");
            await Upstream.ClosedAsync(socket);
        });
        var body = await request.Content!.ReadAsByteArrayAsync();
        var head = new StringBuilder($"POST {request.RequestUri!.PathAndQuery} HTTP/1.1\r\nHost: {request.RequestUri.Authority}\r\nContent-Length: {body.Length}\r\n");
        foreach (var (header, values) in request.Headers.Concat(request.Content.Headers).Where(h => h.Key != "Content-Length"))
            head.Append($"{header}: {string.Join(", ", values)}\r\n");
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(upstream.Product.Url.Host, upstream.Product.Url.Port);
        await FakeProvider.SendAsync(socket, (byte[])[.. Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()), .. body]);

        var buffer = new byte[64 * 1024];
        var first = Encoding.UTF8.GetString(buffer, 0, await socket.ReceiveAsync(buffer).WaitAsync(Upstream.Patience));
        first.ShouldStartWith("HTTP/1.1 200 OK\r\n");
        first.ShouldContain((stream.Seen ?? stream.Events)[0]);
    }

    [Theory]
    [MemberData(nameof(StreamSample.Names), MemberType = typeof(StreamSample))]
    public async Task A_stream_sent_byte_by_byte_or_cut_anywhere_is_the_same_stream_and_the_same_row(string name)
    {
        var stream = StreamSample.Named(name);
        var whole = await upstream.SeeAsync(stream.Call, stream.Whole());
        whole.Text.ShouldBe(stream.SeenText);
        whole["usage_source"].ShouldBe("reported");
        (whole.Input, whole.Output).ShouldBe((12, 7));

        var random = new Random(31);
        for (var round = 0; round < 24; round++)
        {
            // 0: one byte for each write; 1: one byte for each chunk; then random pieces, of the HTTP message or in chunks of their own.
            var pieces = round switch
            {
                0 => stream.Whole().Select(b => (byte[])[b]).ToList(),
                1 => [Encoding.UTF8.GetBytes(stream.Head), .. Encoding.UTF8.GetBytes(stream.Text).Select(b => StreamSample.Chunked([b])), .. (byte[][])["0\r\n\r\n"u8.ToArray()]],
                _ when round % 2 == 0 => Pieces(stream.Whole(), random),
                _ => [Encoding.UTF8.GetBytes(stream.Head), .. Pieces(Encoding.UTF8.GetBytes(stream.Text), random).Select(StreamSample.Chunked), .. (byte[][])["0\r\n\r\n"u8.ToArray()]],
            };
            var cut = await upstream.SeeAsync(stream.Call, async (_, socket) =>
            {
                foreach (var piece in pieces)
                    await FakeProvider.SendAsync(socket, piece);
            });

            cut.Text.ShouldBe(stream.SeenText, $"{name}, round {round} of seed 31");
            cut.Whole.ShouldBeTrue();
            foreach (var field in (string[])["usage", "usage_source", "cost_usd", "price_status", "outcome", "finish_reason", "response_model", "response_bytes", "pricing_hints", "status"])
                cut[field].ShouldBe(whole[field], $"{name}, round {round} of seed 31: {field}");
        }
    }

    private static List<byte[]> Pieces(byte[] bytes, Random random)
    {
        var pieces = new List<byte[]>();
        for (var at = 0; at < bytes.Length;)
        {
            var length = Math.Min(bytes.Length - at, random.Next(4) == 0 ? 1 : random.Next(1, 120));
            pieces.Add(bytes[at..(at + length)]);
            at += length;
        }

        return pieces;
    }
}
