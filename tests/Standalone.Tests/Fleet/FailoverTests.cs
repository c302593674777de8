using System.Collections.Concurrent;
using System.Diagnostics;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>F13: the Redis of a fleet is lost, and a replica that lacks its last writes takes over.</summary>
[Collection(SharedFleet.Name)]
public sealed class FailoverTests(SharedFleet shared, ITestOutputHelper output)
{
    private const int Limit = 60;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F13_A_stale_replica_of_Redis_that_takes_over_changes_nothing_for_budgets_and_admits_no_more_than_a_second_window()
    {
        var (fleet, caps) = await shared.WholeAsync();
        await using var link = new FaultyLink(fleet.Redis.Port);
        await fleet.RestartProxiesAsync(_ => [("ConnectionStrings__Redis", $"127.0.0.1:{link.Port}")]);
        try
        {
            for (var round = 0; round < DatabaseFaultTests.Runs; round++)
            {
                for (var waited = Stopwatch.StartNew(); await fleet.Redis.CommandAsync("ZCARD", "tokonomics:rate:{nodes}:all") != ":3"; await Task.Delay(100, Cancel))
                    waited.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(60), fleet.Logs);
                var limited = (await fleet.ApiAsync(HttpMethod.Post, "keys", new { name = "limited", environment = "test", limits = new { requests_per_minute = Limit } })).GetProperty("key").GetString();
                var noticed = Noticed();
                await using var following = new FaultyLink(fleet.Redis.Port);
                await using var replica = await fleet.Redis.StartReplicaAsync(following);
                await using var run = await FaultRun.StartAsync(fleet, caps, 1.5m);
                await run.ServedAsync(FaultRun.Now);
                // Nothing of the limited key's calls reaches the replica.
                following.Silent = true;
                var admitted = new ConcurrentBag<long>();
                using var over = new CancellationTokenSource();
                var hammering = Enumerable.Range(0, 9).Select(async caller =>
                {
                    while (!over.IsCancellationRequested)
                    {
                        var (status, _) = await fleet.CallAsync(caller % 3, key: 2, caller % 4, stream: false, 100, Cancel, secret: limited);
                        if (status == 200)
                            admitted.Add(FaultRun.Now);
                        else
                            await Task.Delay(20, Cancel);
                    }
                }).ToList();
                for (var waited = Stopwatch.StartNew(); admitted.Count < Limit / 2; await Task.Delay(20, Cancel))
                    waited.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(60), fleet.Logs);
                await Task.Delay(1000, Cancel);
                var before = admitted.Count;
                var lost = FaultRun.Now;
                await fleet.Redis.KillAsync();
                following.Reset();
                await replica.PromoteAsync();
                link.To = replica.Port;
                for (var waited = Stopwatch.StartNew(); Noticed() < noticed + 3; await Task.Delay(100, Cancel))
                    waited.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(60), fleet.Logs);
                var known = Stopwatch.GetElapsedTime(lost);
                await Task.Delay(TimeSpan.FromSeconds(7), Cancel); // longer than each gets its share alone
                await over.CancelAsync();
                await Task.WhenAll(hammering);
                await run.SpendRestAsync();
                var told = await run.FinishAsync();
                var times = admitted.Order().ToList();
                var most = times.Max(t => times.Count(u => u >= t && Stopwatch.GetElapsedTime(t, u) < TimeSpan.FromMinutes(1)));
                output.WriteLine($"F13: {before} of {Limit} a minute admitted before, {times.Count - before} after; at most {most} in a minute; noticed by all after {known.TotalSeconds:f1} s; "
                    + $"meanwhile {FaultRun.Told(run.Answers(lost))}; {told}");
                most.ShouldBeLessThanOrEqualTo(2 * Limit);
                DatabaseFaultTests.OnlySaid(run.Answers());
                await fleet.Redis.RestartAsync();
                link.To = fleet.Redis.Port;
            }
        }
        finally
        {
            await fleet.Redis.RestartAsync();
            await fleet.RestartProxiesAsync();
        }

        int Noticed() => fleet.Logs.Split("A replica of Redis has taken over").Length - 1;
    }
}
