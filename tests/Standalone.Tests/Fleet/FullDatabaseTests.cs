using System.Diagnostics;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>F20: the disk of a fleet's database is full. <c>TOKONOMICS_FAULT_RUNS</c> sets how often, <c>TOKONOMICS_OUTAGE_SECONDS</c> for how long.</summary>
[Collection(SharedFleet.Name)]
public sealed class FullDatabaseTests(ITestOutputHelper output)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F20_With_the_databases_disk_full_leases_serve_on_then_calls_are_refused_for_a_moment_and_nothing_is_lost()
    {
        if (!Environment.IsPrivilegedProcess)
            Assert.Skip("needs the right to mount a small file system");
        var seconds = DatabaseFaultTests.Setting("TOKONOMICS_OUTAGE_SECONDS", 20);
        await using var fleet = await Fleet.StartAsync(durable: true, diskMegabytes: 160);
        var caps = await Caps.MakeAsync(fleet, 0.5m);
        for (var round = 0; round < DatabaseFaultTests.Runs; round++)
        {
            await using var run = await FaultRun.StartAsync(fleet, caps, 12m);
            await run.ServedAsync(FaultRun.Now);
            await Task.Delay(2000, Cancel);
            var logged = (await fleet.Postgres.LogAsync()).Length;
            var full = FaultRun.Now;
            (int Status, string Type) portal = default;
            // While its log has room in the files that it has, small changes go through on a full disk, leases among them. After that time what is left of it is
            // skipped, so that they end too.
            for (var waited = Stopwatch.StartNew(); waited.Elapsed < TimeSpan.FromSeconds(seconds) || !Refused(full); await Task.Delay(100, Cancel))
            {
                waited.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(seconds + 60), $"calls are still served: {FaultRun.Told(run.Answers(full))}");
                fleet.Postgres.FillDisk();
                if (portal.Status != 503 && waited.Elapsed > TimeSpan.FromSeconds(1))
                    portal = await fleet.AskAsync(HttpMethod.Post, "keys", new { name = "while it is full", environment = "test" });
                if (waited.Elapsed > TimeSpan.FromSeconds(seconds))
                    await fleet.Postgres.SkipLogAsync();
            }

            var room = FaultRun.Now;
            var ended = await fleet.Postgres.EmptyDiskAsync();
            var up = FaultRun.Now;
            var recovered = await run.ServedAsync(up);
            var drained = await DatabaseFaultTests.DrainedAsync(fleet, up);
            await Task.Delay(2000, Cancel);
            var told = await run.FinishAsync();

            var during = run.Answers(full, room);
            var log = (await fleet.Postgres.LogAsync())[logged..];
            output.WriteLine($"F20: full for {Stopwatch.GetElapsedTime(full, room).TotalSeconds:f0} s, {log.Split("No space left on device").Length - 1} times said so{(ended ? ", ended and started" : "")}: {FaultRun.Told(during)}; the portal's API: {portal}; "
                + $"{FaultRun.Times(during.FindAll(a => a.Status == 200))} when served, {FaultRun.Times(during.FindAll(a => a.Status == 503))} when refused; "
                + $"served again {recovered.TotalSeconds:f1} s and drained {drained.TotalSeconds:f1} s after the server was back; {told}");
            DatabaseFaultTests.OnlySaid(run.Answers(), DatabaseFaultTests.Unverifiable);
            log.ShouldContain("No space left on device");
            during.Count(a => a.Status == 200).ShouldBeGreaterThan(0, "leases serve on");
            portal.ShouldBe((503, "store_unavailable"));

            bool Refused(long since) => run.Answers(since).Exists(a => a.ToString() == DatabaseFaultTests.Unverifiable);
        }
    }
}
