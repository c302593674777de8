using System.Diagnostics;
using System.Net.Sockets;
using System.Text.Json;

namespace Tokonomics.Bench.Load;

/// <summary>Starts a process and calls until it answers with 200: the time from the start to that answer, and its memory some seconds later.</summary>
internal static class ColdStart
{
    public static async Task<int> RunAsync(Arguments arguments)
    {
        var (url, request, rest) = (arguments.Url(), arguments.Request()!, arguments.Number("rest", 0));
        var start = Clock.Now;
        using var process = Process.Start(new ProcessStartInfo(arguments.Rest[0], arguments.Rest[1..]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        _ = process.StandardOutput.ReadToEndAsync();
        _ = process.StandardError.ReadToEndAsync();
        while (!process.HasExited && Clock.Now - start < 60 * Clock.Second)
        {
            if (Answers(url, request))
            {
                var took = Clock.Now - start;
                await Task.Delay(TimeSpan.FromSeconds(rest));
                Console.WriteLine(JsonSerializer.Serialize(new { ms = Math.Round(took / 1e6, 1), resident_kb = Memory.Resident(process.Id) }));
                Clock.Terminate(process.Id);
                await process.WaitForExitAsync();
                return 0;
            }

            await Task.Delay(2);
        }

        if (!process.HasExited)
            process.Kill();
        return Arguments.Usage("it did not come to answer");
    }

    private static bool Answers(Uri url, byte[] request)
    {
        try
        {
            using var wire = new Wire(url);
            return wire.Call(request) == 200;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            return false;
        }
    }
}
