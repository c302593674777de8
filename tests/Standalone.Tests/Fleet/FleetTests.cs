using System.Diagnostics;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>
/// Caps on three proxies that share PostgreSQL and Redis, at five levels, against the provider's own bill: never beyond, at no moment, whatever is killed.
/// <c>TOKONOMICS_FLEET_KILLS</c> sets how many kills.
/// </summary>
[Collection(SharedFleet.Name)]
public sealed class FleetTests(ITestOutputHelper output)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static int Kills => int.TryParse(Environment.GetEnvironmentVariable("TOKONOMICS_FLEET_KILLS"), out var kills) ? kills : 15;

    [Fact]
    public async Task A_thousand_parallel_calls_on_three_proxies_spend_the_cap_to_its_end_and_never_beyond()
    {
        await using var fleet = await Fleet.StartAsync();
        var caps = await Caps.MakeAsync(fleet, 1.0m);
        await using var watch = new Watch(fleet, caps);
        var answers = await Task.WhenAll(Enumerable.Range(0, 1000).Select(i => PatientAsync(fleet, i % 3, key: i % 2, customer: i / 2 % 4, stream: i % 5 == 0, tokens: 1000)));
        await fleet.StopProxiesAsync();
        await Books.CheckAsync(fleet, watch, "");

        answers.Count(a => a.Status == 200).ShouldBeGreaterThan(400);
        answers.Where(a => a.Status != 200).ShouldAllBe(a => a.Code == "budget_exhausted" || a.Code == "budget_held");
        (Fleet.Sum(fleet.Bill()) / (double)Caps.Usd).ShouldBeInRange(0.98, 1.0);
        output.WriteLine($"1,000 calls: {answers.Count(a => a.Status == 200)} answered, {answers.Count(a => a.Code == "budget_held")} found all held; bill {Fleet.Sum(fleet.Bill())} of {Caps.Usd} n$; looked {watch.Looks} times; {answers.Sum(a => a.Held)} waits for holds");
    }

    [Fact]
    public async Task Proxies_killed_at_random_lose_no_row_double_none_and_overshoot_no_cap()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var clock = Stopwatch.StartNew();
        await using var fleet = await Fleet.StartAsync();
        var caps = await Caps.MakeAsync(fleet, Kills * 0.2m);
        await using var watch = new Watch(fleet, caps);
        using var over = new CancellationTokenSource();
        var made = 0;
        var codes = new System.Collections.Concurrent.ConcurrentDictionary<string, int>();
        var load = Enumerable.Range(0, 12).Select(async client =>
        {
            var mine = new Random(seed + client);
            while (!over.IsCancellationRequested)
            {
                Interlocked.Increment(ref made);
                var stream = mine.Next(4) == 0;
                var (status, code) = await fleet.CallAsync(mine.Next(3), mine.Next(2), mine.Next(4), stream, stream ? 100 : 1000, over.Token, mine.Next(20) == 0 ? mine.Next(4000) : int.MaxValue);
                codes.AddOrUpdate($"{status} {code}", 1, (_, n) => n + 1);
                if (status != 200)
                    await Task.Delay(code == "budget_exhausted" ? 200 : 20, CancellationToken.None);
            }
        }).ToList();
        var restarts = new List<double>();
        for (var kill = 0; kill < Kills; kill++)
        {
            await Task.Delay(random.Next(100, 2000), Cancel);
            var victim = random.Next(3);
            await fleet.KillProxyAsync(victim);
            var start = Stopwatch.GetTimestamp();
            await fleet.StartProxyAsync(victim);
            restarts.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        // What is left is spent without further faults.
        for (var waited = Stopwatch.StartNew(); waited.Elapsed < TimeSpan.FromSeconds(60) && await caps.UnspentAsync() > caps.Tenant.Limit / 50;)
            await Task.Delay(200, Cancel);
        await over.CancelAsync();
        await Task.WhenAll(load);
        var why = $"seed {seed}";
        output.WriteLine(string.Join(", ", codes.Select(c => $"{c.Key}: {c.Value}")));
        await fleet.StopProxiesAsync();
        var figures = await Books.CheckAsync(fleet, watch, why);
        var usable = Fleet.Sum(fleet.Bill()) / (double)caps.Tenant.Limit;
        output.WriteLine($"{why}: {Kills} kills, {made} calls ({string.Join(", ", codes.Select(c => $"{c.Key}: {c.Value}"))}), {figures}; usable {usable:p1}; restart to ready median {restarts.Order().ElementAt(restarts.Count / 2):f1} s; looked {watch.Looks} times; {clock.Elapsed.TotalSeconds:f0} s");
        usable.ShouldBeGreaterThanOrEqualTo(0.9, why);
    }

    // As an SDK does: what is only held is tried again.
    private static async Task<(int Status, string Code, int Held)> PatientAsync(Fleet fleet, int proxy, int key, int customer, bool stream, int tokens)
    {
        for (var held = 0; ; held++)
        {
            var (status, code) = await fleet.CallAsync(proxy, key, customer, stream, tokens, Cancel);
            if (code != "budget_held" || held == 10)
                return (status, code, held);
            await Task.Delay(Random.Shared.Next(500, 1500), Cancel);
        }
    }
}
