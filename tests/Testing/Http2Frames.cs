using System.Buffers.Binary;
using System.Text;

namespace Tokonomics.Testing;

/// <summary>Frames by hand: an HTTP/2 library would not send what these tests are about.</summary>
public sealed class Http2Frames(Stream stream) : IAsyncDisposable
{
    private int _next = 1;

    /// <summary>Begins a connection on a stream that leads to the server.</summary>
    public static async Task<Http2Frames> BeginAsync(Stream stream)
    {
        await stream.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());
        var frames = new Http2Frames(stream);
        await frames.WriteAsync(4, 0, 0, []); // SETTINGS
        return frames;
    }

    public async Task WriteAsync(byte type, byte flags, int streamId, byte[] payload)
    {
        var frame = Frame(type, flags, streamId, payload);
        try
        {
            await stream.WriteAsync(frame);
        }
        catch (IOException)
        {
            // Closed by the server, which is an answer.
        }
    }

    /// <summary>Sends a request; its status, or null where the stream or the connection was refused.</summary>
    public async Task<int?> RequestAsync((string Name, string Value)[] headers, string body)
    {
        var id = _next;
        _next += 2;
        await WriteAsync(1, 0x4, id, Hpack(headers)); // HEADERS, END_HEADERS
        await WriteAsync(0, 0x1, id, Encoding.UTF8.GetBytes(body)); // DATA, END_STREAM
        try
        {
            while (true)
            {
                var (type, flags, of, payload) = await ReadAsync();
                if (type == 7 || (type == 3 && of == id)) // GOAWAY, RST_STREAM
                    return null;
                if (type == 4 && (flags & 1) == 0)
                    await WriteAsync(4, 1, 0, []); // SETTINGS, acknowledged
                if (type == 1 && of == id)
                    return Status(payload);
            }
        }
        catch (Exception e) when (e is IOException)
        {
            return null;
        }
    }

    public async Task ResetManyAsync((string Name, string Value)[] headers, int times)
    {
        var block = Hpack(headers);
        for (var i = 0; i < times; i++, _next += 2)
        {
            await WriteAsync(1, 0x4, _next, block);
            await WriteAsync(3, 0, _next, [0, 0, 0, 8]); // RST_STREAM, CANCEL
        }
    }

    /// <summary>Sends a PING and waits for its answer: all that was sent before it has been read. False where the server has closed the connection instead.</summary>
    public async Task<bool> PingAsync()
    {
        await WriteAsync(6, 0, 0, new byte[8]);
        try
        {
            while (true)
            {
                var (type, flags, _, _) = await ReadAsync();
                if (type is 6 or 7) // PING, GOAWAY
                    return type == 6 && (flags & 1) != 0;
            }
        }
        catch (Exception e) when (e is IOException)
        {
            return false;
        }
    }

    private async Task<(byte Type, byte Flags, int StreamId, byte[] Payload)> ReadAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var head = new byte[9];
        await stream.ReadExactlyAsync(head, patience.Token);
        var payload = new byte[(head[0] << 16) | (head[1] << 8) | head[2]];
        await stream.ReadExactlyAsync(payload, patience.Token);
        return (head[3], head[4], BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(5)) & int.MaxValue, payload);
    }

    private static byte[] Frame(byte type, byte flags, int streamId, byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        (frame[0], frame[1], frame[2], frame[3], frame[4]) = ((byte)(payload.Length >> 16), (byte)(payload.Length >> 8), (byte)payload.Length, type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), streamId);
        payload.CopyTo(frame, 9);
        return frame;
    }

    // Literals without indexing and without Huffman coding: RFC 7541 6.2.2.
    private static byte[] Hpack((string Name, string Value)[] headers)
    {
        var block = new List<byte>();
        foreach (var (name, value) in headers)
        {
            block.Add(0);
            Text(name);
            Text(value);
        }

        return [.. block];

        void Text(string text)
        {
            if (text.Length < 127)
            {
                block.Add((byte)text.Length);
            }
            else
            {
                block.Add(127);
                var rest = text.Length - 127;
                for (; rest >= 128; rest >>= 7)
                    block.Add((byte)(rest | 128));
                block.Add((byte)rest);
            }

            block.AddRange(Encoding.Latin1.GetBytes(text));
        }
    }

    // Kestrel writes the status first: an index of the static table (8 to 14), or a literal of three digits under its name.
    private static int Status(byte[] block)
    {
        var at = 0;
        while ((block[at] & 0xe0) == 0x20)
            at++; // a change of the table's size
        if ((block[at] & 0x80) != 0)
            return (block[at] & 0x7f) switch { 8 => 200, 9 => 204, 10 => 206, 11 => 304, 12 => 400, 13 => 404, 14 => 500, var other => throw new InvalidDataException($"index {other}") };
        return int.Parse(Encoding.ASCII.GetString(block.AsSpan(at + 2, 3)), System.Globalization.CultureInfo.InvariantCulture);
    }

    public ValueTask DisposeAsync() => stream.DisposeAsync();
}
