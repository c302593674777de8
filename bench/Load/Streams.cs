using System.Buffers.Text;
using System.Net.Sockets;
using System.Text.Json;

namespace Tokonomics.Bench.Load;

/// <summary>
/// Streams one after the other on each of some connections: from sending the request to the body's first byte, and from the provider's sending of each event, which
/// the event tells, to its arrival.
/// </summary>
internal static class Streams
{
    public static int Run(Arguments arguments)
    {
        var (url, request) = (arguments.Url(), arguments.Request()!);
        var end = Clock.Now + (long)(arguments.Number("seconds", 5) * Clock.Second);
        var (first, onTheWay, whole) = (new Latencies(), new Latencies(), new Latencies());
        long broken = 0;
        var readers = Enumerable.Range(0, arguments.Count("streams", 1)).Select(_ => new Thread(Read, 256 * 1024)).ToList();
        readers.ForEach(r => r.Start());
        readers.ForEach(r => r.Join());
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            streams = whole.Count,
            events = onTheWay.Count,
            broken,
            first_p50_us = Math.Round(first.Percentile(0.5), 1),
            first_p99_us = Math.Round(first.Percentile(0.99), 1),
            event_p50_us = Math.Round(onTheWay.Percentile(0.5), 1),
            event_p99_us = Math.Round(onTheWay.Percentile(0.99), 1),
            whole_p50_us = Math.Round(whole.Percentile(0.5), 1),
        }));
        return 0;

        void Read()
        {
            Wire? wire = null;
            var events = new EventReader(onTheWay);
            while (Clock.Now < end)
            {
                var (start, seen) = (Clock.Now, false);
                try
                {
                    wire ??= new Wire(url);
                    start = Clock.Now;
                    var status = wire.Call(request, piece =>
                    {
                        var now = Clock.Now;
                        if (!seen)
                            first.Add(now - start);
                        seen = true;
                        events.Take(piece, now);
                        return true;
                    });
                    if (status != 200)
                        throw new IOException($"status {status}");
                    whole.Add(Clock.Now - start);
                }
                catch (Exception e) when (e is IOException or SocketException)
                {
                    Interlocked.Increment(ref broken);
                    wire?.Dispose();
                    wire = null;
                }
            }

            wire?.Dispose();
        }
    }
}

/// <summary>Finds in a stream, however it is cut, the times that <see cref="Provider"/> wrote into its events.</summary>
internal sealed class EventReader(Latencies onTheWay)
{
    private readonly byte[] _rest = new byte[4096];
    private int _length;

    public void Take(ReadOnlySpan<byte> piece, long now)
    {
        while (piece.Length > 0)
        {
            var line = piece.IndexOf((byte)'\n');
            var part = line < 0 ? piece : piece[..line];
            if (_length + part.Length > _rest.Length)
                _length = 0;
            part.CopyTo(_rest.AsSpan(_length));
            _length += part.Length;
            if (line < 0)
                return;
            var whole = _rest.AsSpan(0, _length);
            var at = whole.IndexOf(Provider.TimeMark);
            if (at >= 0 && Utf8Parser.TryParse(whole[(at + Provider.TimeMark.Length)..], out long sent, out _))
                onTheWay.Add(now - sent);
            _length = 0;
            piece = piece[(line + 1)..];
        }
    }
}
