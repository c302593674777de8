using System.Net;
using System.Net.Sockets;
using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Tests.Hosting;

public sealed class ListenSocketsTests
{
    [Fact]
    public async Task A_reader_who_reads_nothing_gets_no_more_of_an_answer_than_it_may()
    {
        using var listener = new ListenSockets().Create(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        using var reader = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 64 * 1024 };
        await reader.ConnectAsync(listener.LocalEndPoint!, TestContext.Current.CancellationToken);
        using var server = await listener.AcceptAsync(TestContext.Current.CancellationToken);

        server.Blocking = false;
        var (sent, piece) = (0, new byte[16 * 1024]);
        while (sent < 8 << 20 && server.Send(piece, 0, piece.Length, SocketFlags.None, out var error) is var took && error == SocketError.Success)
            sent += took;
        sent.ShouldBeInRange(64 * 1024, 1 << 20); // by itself the kernel takes four megabytes and more
    }
}
