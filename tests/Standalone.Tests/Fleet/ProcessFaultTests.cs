using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>F05-F08, F10: a proxy of a fleet is stopped and goes on, has no memory, no processor, no file descriptors, a disk that fails.</summary>
[Collection(SharedFleet.Name)]
public sealed class ProcessFaultTests(SharedFleet shared, ITestOutputHelper output)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F05_A_proxy_that_was_stopped_for_longer_than_its_leases_last_admits_nothing_on_them_and_settles_late()
    {
        var (fleet, caps) = await shared.WholeAsync();
        await fleet.RestartProxiesAsync(_ => [("Budgets__LeaseLifetime", "00:00:02")]);
        try
        {
            for (var round = 0; round < DatabaseFaultTests.Runs; round++)
            {
                foreach (var closed in new[] { false, true })
                {
                    await using var run = await FaultRun.StartAsync(fleet, caps, closed ? 2m : 1m);
                    await run.ServedAsync(FaultRun.Now, proxy: 0);
                    var proxy = fleet.Proxies[0]!;
                    var stopped = FaultRun.Now;
                    await proxy.SignalAsync("STOP");
                    while (closed && await RunOfAsync(fleet, 0) is null)
                    {
                        // Between two calls, with nothing leased: there would be nothing to close.
                        await proxy.SignalAsync("CONT");
                        await Task.Delay(100, Cancel);
                        stopped = FaultRun.Now;
                        await proxy.SignalAsync("STOP");
                    }

                    long on;
                    var said = "";
                    try
                    {
                        await Task.Delay(TimeSpan.FromSeconds(4), Cancel);
                        if (closed)
                            said = await CloseAsync(fleet, 0);
                    }
                    finally
                    {
                        on = FaultRun.Now;
                        await proxy.SignalAsync("CONT");
                    }

                    var others = run.Answers(stopped, on).Count(a => a.Status == 200 && a.Proxy != 0);
                    others.ShouldBeGreaterThan(0);
                    var served = await run.ServedAsync(on, proxy: 0);
                    await run.SpendRestAsync();
                    var told = await run.FinishAsync();
                    // Stopped in the middle of a transaction it has an account locked, for four seconds.
                    DatabaseFaultTests.OnlySaid(run.Answers(), "503 budget_unverifiable");
                    if (closed)
                        proxy.Output.ShouldContain("was taken from this node");
                    output.WriteLine($"F05{(closed ? " closed meanwhile" : "")}: {said} others served {others} meanwhile; serves again after {served.TotalSeconds:f1} s; {told}");
                }
            }
        }
        finally
        {
            await fleet.RestartProxiesAsync();
        }
    }

    [Fact]
    public async Task F06_A_proxy_that_the_kernel_ends_for_want_of_memory_is_as_one_that_was_killed()
    {
        const string Group = "/sys/fs/cgroup/memory/tokonomics-test";
        var (fleet, caps) = await shared.WholeAsync();
        try
        {
            Directory.CreateDirectory(Group);
            await File.WriteAllTextAsync($"{Group}/memory.limit_in_bytes", "16M", Cancel);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Assert.Skip("needs the right to make a memory cgroup (version 1)");
        }

        try
        {
            for (var round = 0; round < DatabaseFaultTests.Runs; round++)
            {
                await using var run = await FaultRun.StartAsync(fleet, caps, 0.7m);
                await run.ServedAsync(FaultRun.Now, proxy: 2);
                var proxy = fleet.Proxies[2]!;
                // What it has already is not counted there, what it takes from now on is.
                await File.WriteAllTextAsync($"{Group}/cgroup.procs", proxy.Id.ToString(CultureInfo.InvariantCulture), Cancel);
                var waited = Stopwatch.StartNew();
                while (!proxy.HasExited)
                {
                    waited.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(60));
                    using var large = new HttpRequestMessage(HttpMethod.Post, new Uri(proxy.Url, "/v1/chat/completions")) { Content = new ByteArrayContent(new byte[24 * 1024 * 1024]) };
                    large.Headers.Authorization = new("Bearer", fleet.Keys[0]);
                    try
                    {
                        using var answer = await fleet.Client.SendAsync(large, Cancel);
                    }
                    catch (HttpRequestException)
                    {
                        // Ended in the middle of it.
                    }
                }

                (await proxy.ExitAsync()).ShouldBe(128 + 9); // SIGKILL
                await fleet.KillProxyAsync(2);
                var start = FaultRun.Now;
                await fleet.StartProxyAsync(2);
                var ready = Stopwatch.GetElapsedTime(start);
                await run.SpendRestAsync();
                var told = await run.FinishAsync();
                DatabaseFaultTests.OnlySaid(run.Answers(), "0");
                output.WriteLine($"F06: ended by the kernel; ready {ready.TotalSeconds:f1} s after its start; {told}");
            }
        }
        finally
        {
            Directory.Delete(Group);
        }
    }

    [Fact]
    public async Task F07_A_proxy_with_a_fifth_of_its_processor_is_slow_and_decides_nothing_wrong()
    {
        var (fleet, caps) = await shared.WholeAsync();
        for (var round = 0; round < DatabaseFaultTests.Runs; round++)
        {
            await using var run = await FaultRun.StartAsync(fleet, caps, 0.7m);
            await run.ServedAsync(FaultRun.Now, proxy: 1);
            var starved = FaultRun.Now;
            var id = fleet.Proxies[1]!.Id;
            using (var starve = Process.Start("sh", ["-c", $"for i in $(seq 60); do kill -STOP {id}; sleep 0.08; kill -CONT {id}; sleep 0.02; done"]))
            {
                using (var health = await fleet.Client.GetAsync(new Uri(fleet.Proxies[1]!.Url, "/readyz"), Cancel))
                    health.IsSuccessStatusCode.ShouldBeTrue();
                await starve.WaitForExitAsync(Cancel);
            }

            var fed = FaultRun.Now;
            await run.SpendRestAsync();
            var told = await run.FinishAsync();
            DatabaseFaultTests.OnlySaid(run.Answers());
            var (slow, others) = (run.Answers(starved, fed).FindAll(a => a.Proxy == 1 && a.Status == 200), run.Answers(starved, fed).FindAll(a => a.Proxy != 1 && a.Status == 200));
            output.WriteLine($"F07: the starved proxy served {slow.Count}: {FaultRun.Times(slow)}; the others {others.Count}: {FaultRun.Times(others)}; {told}");
        }
    }

    [Fact]
    public async Task F08_More_connections_than_a_proxy_has_file_descriptors_for_break_nothing_for_good()
    {
        var (fleet, caps) = await shared.WholeAsync();
        await fleet.KillProxyAsync(1);
        await fleet.StartProxyAsync(1, descriptors: 1024);
        try
        {
            for (var round = 0; round < DatabaseFaultTests.Runs; round++)
            {
                await using var run = await FaultRun.StartAsync(fleet, caps, 1m);
                await run.ServedAsync(FaultRun.Now, proxy: 1);
                var proxy = fleet.Proxies[1]!;
                var flood = new List<Socket>();
                var flooded = FaultRun.Now;
                var most = 0;
                for (var i = 0; i < 3000; i++)
                {
                    var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                    flood.Add(socket);
                    try
                    {
                        await socket.ConnectAsync("127.0.0.1", proxy.Url.Port, Cancel);
                    }
                    catch (SocketException)
                    {
                        // The queue of those that nobody has accepted yet is full.
                    }

                    if (i % 100 == 0)
                        most = Math.Max(most, Directory.GetFiles($"/proc/{proxy.Id}/fd").Length);
                }

                await Task.Delay(1000, Cancel);
                var over = FaultRun.Now;
                flood.ForEach(s => s.Dispose());
                var recovered = await run.ServedAsync(over, proxy: 1);
                await run.SpendRestAsync();
                var told = await run.FinishAsync();
                proxy.HasExited.ShouldBeFalse();
                using (var ready = await fleet.Client.GetAsync(new Uri(proxy.Url, "/readyz"), Cancel))
                    ready.IsSuccessStatusCode.ShouldBeTrue();
                DatabaseFaultTests.OnlySaid(run.Answers().FindAll(a => a.Proxy != 1));
                DatabaseFaultTests.OnlySaid(run.Answers(), "0", "502 provider_unreachable", "503 budget_unverifiable", "503 journal_unwritable");
                output.WriteLine($"F08: 3,000 connections on 1,024 descriptors, {most} in use at most; meanwhile {FaultRun.Told(run.Answers(flooded, over).FindAll(a => a.Proxy == 1))}; serves again after {recovered.TotalSeconds:f1} s; {told}");
            }
        }
        finally
        {
            await fleet.RestartProxiesAsync();
        }
    }

    [Fact]
    public async Task F10_While_a_proxys_disk_fails_every_fsync_it_admits_nothing_and_then_goes_on()
    {
        var (fleet, caps) = await shared.WholeAsync();
        for (var round = 0; round < DatabaseFaultTests.Runs; round++)
        {
            await using var run = await FaultRun.StartAsync(fleet, caps, 1m);
            await run.ServedAsync(FaultRun.Now, proxy: 1);
            var proxy = fleet.Proxies[1]!;
            Process strace;
            try
            {
                strace = Process.Start(new ProcessStartInfo("strace", ["-f", "-q", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO", "-o", "/dev/null", "-p", $"{proxy.Id}"]) { RedirectStandardError = true })!;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                Assert.Skip("needs strace");
                return;
            }

            var errors = new StringBuilder();
            strace.ErrorDataReceived += (_, line) => errors.AppendLine(line.Data);
            strace.BeginErrorReadLine();
            var failing = FaultRun.Now;
            long mended;
            try
            {
                for (var waited = Stopwatch.StartNew(); !run.Answers(failing).Any(a => a is { Proxy: 1, Code: "journal_unwritable" }); await Task.Delay(20, Cancel))
                {
                    if (strace.HasExited)
                        Assert.Skip($"strace may not trace here: {errors}");
                    waited.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(30), $"{FaultRun.Told(run.Answers(failing))}\n{errors}");
                }

                await Task.Delay(2000, Cancel);
            }
            finally
            {
                mended = FaultRun.Now;
                if (!strace.HasExited)
                    await RunAsync("kill", "-INT", $"{strace.Id}"); // it lets go of what it traces
                await strace.WaitForExitAsync(CancellationToken.None);
                strace.Dispose();
            }

            var recovered = await run.ServedAsync(mended, proxy: 1);
            await run.SpendRestAsync();
            var told = await run.FinishAsync();
            DatabaseFaultTests.OnlySaid(run.Answers(), "503 journal_unwritable");
            proxy.Output.ShouldContain("No call is admitted: the journal");
            output.WriteLine($"F10: meanwhile {FaultRun.Told(run.Answers(failing, mended).FindAll(a => a.Proxy == 1))}; serves again after {recovered.TotalSeconds:f1} s; {told}");
        }
    }

    // The run of that proxy that holds leases, closed as an operator does.
    private static async Task<string> CloseAsync(Fleet fleet, int index)
    {
        var closed = await fleet.RunAsync("nodes", "close", (await RunOfAsync(fleet, index)).ShouldNotBeNull());
        closed.ExitCode.ShouldBe(0, closed.Errors);
        return closed.Output.Trim();
    }

    private static async Task<string?> RunOfAsync(Fleet fleet, int index)
    {
        var identity = (await File.ReadAllTextAsync(Path.Combine(fleet.DataFolder, "journal", $"node-{index}", "identity"), Cancel)).Trim();
        return (await fleet.ReadAsync($"SELECT node FROM budget_leases WHERE node LIKE '{identity}~%' AND granted_nano > returned_nano + consumed_nano", r => r.GetString(0))).FirstOrDefault();
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        await process.WaitForExitAsync(Cancel);
        process.ExitCode.ShouldBe(0);
    }
}
