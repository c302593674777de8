using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Bench.Load;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure;
using Tokonomics.Standalone;

namespace Tokonomics.Bench.LedgerScale;

/// <summary>A process that serves: how long from its start until it says that it is ready, until it answers a call, until nothing waits for the ledger; its resident size; and when it knows of a key that another process made or revoked.</summary>
internal static class Node
{
    private const long Patience = 1800 * Clock.Second;

    public static async Task<int> RunAsync(Arguments arguments)
    {
        var (url, call) = (arguments.Url(), arguments.Request()!);
        var (ready, metrics) = (Get(url, "/readyz"), Get(url, "/metrics"));
        var start = Clock.Now;
        var process = Process.Start(new ProcessStartInfo(arguments.Rest[0], arguments.Rest[1..]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => End(process); // whoever ends this ends what it watches
        var said = new StringBuilder();
        process.OutputDataReceived += (_, line) => said.AppendLine(line.Data);
        process.ErrorDataReceived += (_, line) => said.AppendLine(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        try
        {
            var readyAt = await UntilAsync(process, () => Status(url, ready) == 200);
            var callAt = await UntilAsync(process, () => Status(url, call) == 200);
            var atReady = Memory.Resident(process.Id);
            var first = Waiting(url, metrics);
            var shippedAt = await UntilAsync(process, () => Waiting(url, metrics) == 0, 20);
            await Task.Delay(TimeSpan.FromSeconds(arguments.Number("rest", 10)));
            var resident = await Memory.SettledAsync(process.Id);
            var seen = new Dictionary<string, object>();
            foreach (var tenant in arguments.Text("tenants", "").Split(',', StringSplitOptions.RemoveEmptyEntries))
                seen[tenant.Split('=')[0]] = await SeenAsync(process, arguments, tenant.Split('=')[1], arguments.Count("changes", 5));
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                ready_ms = Ms(readyAt - start), call_ms = Ms(callAt - start), waiting_at_call = first, shipped_ms = Ms(shippedAt - start), resident_first_kb = atReady, resident_kb = resident, peak_kb = Peak(process.Id), seen,
            }));
            return 0;
        }
        catch (TimeoutException)
        {
            await Console.Error.WriteLineAsync(said);
            return 1;
        }
        finally
        {
            End(process);
            await process.WaitForExitAsync();
        }
    }

    private static void End(Process process)
    {
        if (!process.HasExited)
            Clock.Terminate(process.Id);
    }

    // From the commit of a change to the first answer that knows of it, milliseconds; each the median.
    private static async Task<object> SeenAsync(Process process, Arguments arguments, string tenant, int times)
    {
        await using var services = Product.BuildStore(StoreSetup.DataFolder);
        var (made, revoked) = (new List<double>(), new List<double>());
        for (var i = 0; i < times; i++)
        {
            await using var scope = services.CreateAsyncScope();
            var mediator = scope.ServiceProvider.GetRequiredService<IMediator>();
            var key = (await mediator.Send(new CreateKey(Caller.Operator, tenant, $"seen {Guid.NewGuid():n}", KeyEnvironment.Test))).Value; // the sandbox answers it
            var request = Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(arguments.Request()!).Replace($"Bearer {arguments.Text("key")}", $"Bearer {key.Secret}", StringComparison.Ordinal));
            var committed = Clock.Now;
            made.Add(Ms(await UntilAsync(process, () => Status(arguments.Url(), request) == 200) - committed));
            await mediator.Send(new RevokeKey(Caller.Operator, tenant, key.Id));
            committed = Clock.Now;
            revoked.Add(Ms(await UntilAsync(process, () => Status(arguments.Url(), request) == 401) - committed));
        }

        return new { made_ms = made.Order().ElementAt(times / 2), revoked_ms = revoked.Order().ElementAt(times / 2), slowest_ms = made.Concat(revoked).Max() };
    }

    private static async Task<long> UntilAsync(Process process, Func<bool> done, int every = 2)
    {
        var begin = Clock.Now;
        while (!done())
        {
            if (process.HasExited || Clock.Now - begin > Patience)
                throw new TimeoutException();
            await Task.Delay(every);
        }

        return Clock.Now;
    }

    private static byte[] Get(Uri url, string path) => Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: {url.Authority}\r\n\r\n");

    private static int Status(Uri url, byte[] request, PieceReader? read = null)
    {
        try
        {
            using var wire = new Wire(url);
            return wire.Call(request, read);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            return 0;
        }
    }

    /// <summary>Events that wait for the ledger, by the process's own metrics.</summary>
    private static long Waiting(Uri url, byte[] metrics)
    {
        var text = new MemoryStream();
        Status(url, metrics, piece =>
        {
            text.Write(piece);
            return true;
        });
        foreach (var line in Encoding.UTF8.GetString(text.ToArray()).Split('\n'))
            if (line.StartsWith("tokonomics_ledger_waiting", StringComparison.Ordinal) && !line.StartsWith("tokonomics_ledger_waiting_limit", StringComparison.Ordinal))
                return (long)double.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture);
        throw new InvalidOperationException("the process doesn't tell what waits for its ledger: Telemetry:Prometheus and Telemetry:PrometheusOpen have to be on");
    }

    private static long Peak(int pid) => File.ReadLines($"/proc/{pid}/status").Where(l => l.StartsWith("VmHWM:", StringComparison.Ordinal)).Select(l => long.Parse(l.AsSpan(6).TrimEnd("kB").Trim(), CultureInfo.InvariantCulture)).First();

    private static double Ms(long nanoseconds) => Math.Round(nanoseconds / 1e6, 1);
}
