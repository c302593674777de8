using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Tokonomics.Bench.Load;

/// <summary>Streams that stay open, in steps, and the resident size of the process that holds them at each; then how it goes while they are held.</summary>
internal static class Held
{
    public static async Task<int> RunAsync(Arguments arguments)
    {
        var (url, request) = (arguments.Url(), arguments.Request()!);
        var (pid, seconds) = (arguments.Count("pid", Environment.ProcessId), arguments.Count("seconds", 0));
        using var over = new CancellationTokenSource();
        var streams = new List<Task>();
        int open = 0, broken = 0;
        var steps = new List<object>();
        foreach (var step in arguments.Text("steps").Split(',').Select(s => int.Parse(s, provider: null)))
        {
            while (streams.Count < step)
            {
                streams.Add(HoldAsync());
                // As many at once as a queue of connections takes.
                while (streams.Count - Volatile.Read(ref open) - Volatile.Read(ref broken) > 100)
                    await Task.Delay(1);
            }

            for (var waited = 0; Volatile.Read(ref open) + Volatile.Read(ref broken) < step && waited < 600; waited++)
                await Task.Delay(100);
            var resident = await Memory.SettledAsync(pid);
            steps.Add(new { open = Volatile.Read(ref open), resident_kb = resident });
            await Console.Error.WriteLineAsync($"  {Volatile.Read(ref open)} streams open: {resident / 1024} MB");
        }

        var held = new List<object>();
        for (var second = 0; second < seconds; second += 10)
        {
            await Task.Delay(TimeSpan.FromSeconds(Math.Min(10, seconds - second)));
            held.Add(new { second = Math.Min(second + 10, seconds), open = Volatile.Read(ref open), resident_kb = Memory.Resident(pid) });
        }

        Console.WriteLine(JsonSerializer.Serialize(new { steps, held, broken }));
        await over.CancelAsync();
        await Task.WhenAll(streams);
        return 0;

        async Task HoldAsync()
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            var buffer = new byte[1024];
            var isOpen = false;
            try
            {
                await socket.ConnectAsync(IPAddress.Parse(url.Host), url.Port, over.Token);
                await socket.SendAsync(request, over.Token);
                for (var read = await socket.ReceiveAsync(buffer, over.Token); read > 0; read = await socket.ReceiveAsync(buffer, over.Token))
                {
                    if (isOpen)
                        continue;
                    if (!buffer.AsSpan(0, read).StartsWith("HTTP/1.1 200"u8))
                        break;
                    isOpen = true;
                    Interlocked.Increment(ref open);
                }
            }
            catch (SocketException)
            {
                // Counted below.
            }
            catch (OperationCanceledException)
            {
                return;
            }

            if (isOpen)
                Interlocked.Decrement(ref open);
            Interlocked.Increment(ref broken);
        }
    }
}
