using System.Globalization;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>F47, F48, F56, and Redis (F11, F12, F14): what changes around a fleet while it serves.</summary>
[Collection(SharedFleet.Name)]
public sealed class ChangeTests(SharedFleet shared, ITestOutputHelper output)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F47_A_lowered_cap_admits_nothing_on_any_proxy_a_second_later_and_a_raised_one_does()
    {
        var (fleet, caps) = await shared.WholeAsync();
        for (var round = 0; round < DatabaseFaultTests.Runs * 2; round++)
        {
            await using var run = await FaultRun.StartAsync(fleet, caps, 3m, callers: 33, slow: true);
            await run.ServedAsync(FaultRun.Now);
            var limit = caps.Tenant.Limit;
            int flying;
            for (var waited = Stopwatch.StartNew(); (flying = fleet.Bill().Count(l => l.Outcome == SandboxOutcome.Open)) < 16; await Task.Delay(20, Cancel))
                waited.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(60), $"{flying} in flight\n{fleet.Logs}");
            await fleet.LimitAsync(caps.Tenant.Id, 1);
            var acknowledged = Micros(DateTimeOffset.UtcNow);
            var before = fleet.Bill().Select(l => l.ClientRequestId).ToHashSet();
            await Task.Delay(4000, Cancel);
            var after = fleet.Bill().Select(l => l.ClientRequestId).Where(name => !before.Contains(name)).ToHashSet();
            var raised = FaultRun.Now;
            await fleet.LimitAsync(caps.Tenant.Id, limit);
            var served = await run.ServedAsync(raised);
            var told = await run.FinishAsync();
            // By the proxies' own time of each admission, which is this machine's too.
            var admitted = (await fleet.ReadAsync($"SELECT CAST(tags AS json) ->> 'call', at FROM usage_events WHERE at > {acknowledged}", r => (Name: r.GetString(0), At: r.GetInt64(1)))).FindAll(a => after.Contains(a.Name));
            var last = admitted.Count == 0 ? 0 : (admitted.Max(a => a.At) - acknowledged) / 1e6;
            output.WriteLine($"F47: {flying} in flight; {admitted.Count} admitted after the cap was lowered, the last {last:f2} s after; raised, served after {served.TotalSeconds:f1} s; {told}");
            // Within a second, on a machine that lets its processes run.
            last.ShouldBeLessThan(3, fleet.Logs);
            DatabaseFaultTests.OnlySaid(run.Answers());
        }
    }

    [Fact]
    public async Task F48_First_calls_of_values_never_seen_before_are_held_to_their_budget_on_three_proxies_at_once()
    {
        var (fleet, caps) = await shared.WholeAsync();
        for (var round = 0; round < DatabaseFaultTests.Runs; round++)
        {
            await caps.AllowAsync(3m);
            var each = await fleet.BudgetAsync("0.01", new { type = "tag", key = "newcomer" });
            await Task.Delay(1000, Cancel);
            await using var watch = new Watch(fleet, caps);
            var values = Enumerable.Range(0, 5).Select(i => $"n{Guid.NewGuid():n}").ToList();
            var answers = new ConcurrentBag<(string Value, int Status, string Code)>();
            await Task.WhenAll(values.SelectMany(value => Enumerable.Range(0, 21).Select(async i =>
            {
                var (status, code) = await fleet.CallAsync(i % 3, i % 2, i % 4, stream: false, 1000, Cancel, tag: $"newcomer={value}");
                answers.Add((value, status, code));
            })));
            var told = await Books.CheckAsync(fleet, watch, "");
            var posted = (await fleet.AccountsAsync()).Where(a => a.Budget == each).ToList();
            posted.Count.ShouldBe(values.Count);
            posted.ShouldAllBe(a => a.Posted <= 10_000_000 && a.Posted > 0);
            var admitted = answers.Where(a => a.Status == 200).GroupBy(a => a.Value).Select(g => g.Count()).ToList();
            admitted.Count.ShouldBe(values.Count);
            // Each is held with some 1,900,000 n$ and costs 1,720,000: five at once, and where a busy machine lets them come one after another, a sixth with its output limited to what is left.
            admitted.ShouldAllBe(n => n >= 1 && n <= 6);
            answers.Where(a => a.Status != 200).ShouldAllBe(a => a.Code == "budget_exhausted" || a.Code == "budget_held");
            output.WriteLine($"F48: {values.Count} values, 21 calls of each at once: {admitted.Min()} to {admitted.Max()} admitted, posted {posted.Min(a => a.Posted)} to {posted.Max(a => a.Posted)} of 10000000 n$; {told}");
            await fleet.ApiAsync(HttpMethod.Delete, $"budgets/{each}");
        }
    }

    [Fact]
    public async Task F56_The_master_key_is_rotated_and_a_newer_schema_appears_while_the_fleet_serves()
    {
        var (fleet, caps) = await shared.WholeAsync();
        for (var round = 0; round < DatabaseFaultTests.Runs; round++)
        {
            await using var run = await FaultRun.StartAsync(fleet, caps, 1.5m, callers: 6);
            using var over = new CancellationTokenSource();
            var statuses = new ConcurrentBag<int>();
            var live = Enumerable.Range(0, 3).Select(async proxy =>
            {
                while (!over.IsCancellationRequested)
                    statuses.Add(await fleet.CallLiveAsync(proxy, Cancel));
            }).ToList();
            var rotations = new List<string>();
            for (var rotation = 0; rotation < 3; rotation++)
            {
                // The provider's key, and the portal's ring where it has made one.
                var secrets = (await fleet.ReadAsync("SELECT (SELECT count(*) FROM secrets) + (SELECT count(*) FROM data_protection_keys)", r => r.GetInt64(0)))[0];
                secrets.ShouldBeInRange(1, 2);
                var rotated = await fleet.RunAsync("rotate-master-key");
                rotated.ExitCode.ShouldBe(0, rotated.Errors);
                Regex.Match(rotated.Output, @"(\d+) secrets").Groups[1].Value.ShouldBe(secrets.ToString(CultureInfo.InvariantCulture));
                rotations.Add(rotated.Output.Trim());
                await Task.Delay(700, Cancel);
            }

            // Changed after the rotation, so that every proxy has to open what the new key sealed.
            await fleet.ApiAsync(HttpMethod.Post, "keys", new { name = "later", environment = "live" });
            await Task.Delay(1000, Cancel);

            // A newer version has migrated the database: what runs serves on, what starts says why it doesn't.
            await fleet.ExecuteAsync("INSERT INTO schema_migrations (name, sha256, applied_at) VALUES ('9999_later.sql', repeat('0', 64), 0)");
            try
            {
                (await fleet.RefusedStartAsync()).ShouldContain("was made by a newer version: it has 9999_later.sql, which this program doesn't know");
            }
            finally
            {
                await fleet.ExecuteAsync("DELETE FROM schema_migrations WHERE name = '9999_later.sql'");
            }

            await over.CancelAsync();
            await Task.WhenAll(live);
            // A node that starts after the rotations opens it too.
            await fleet.KillProxyAsync(0);
            await fleet.StartProxyAsync(0);
            statuses.Add(await fleet.CallLiveAsync(0, Cancel));
            var told = await run.FinishAsync();
            statuses.ShouldAllBe(s => s == 200, fleet.Logs);
            DatabaseFaultTests.OnlySaid(run.Answers(), "0");
            output.WriteLine($"F56: {rotations.Count} rotations ({string.Join("; ", rotations)}), {statuses.Count} calls with the provider's key, 0 failed; {told}");
        }
    }

    [Fact]
    public async Task F11_F12_F14_Redis_killed_emptied_and_hanging_changes_nothing_for_budgets()
    {
        var (fleet, caps) = await shared.WholeAsync();
        for (var round = 0; round < DatabaseFaultTests.Runs; round++)
        {
            await using var run = await FaultRun.StartAsync(fleet, caps, 1.5m);
            await run.ServedAsync(FaultRun.Now);
            var from = FaultRun.Now;
            await fleet.Redis.KillAsync();
            await Task.Delay(1000, Cancel);
            await fleet.Redis.RestartAsync(empty: true);
            await Task.Delay(500, Cancel);
            await fleet.Redis.FlushAsync();
            await fleet.Redis.PauseAsync();
            try
            {
                await Task.Delay(2000, Cancel);
            }
            finally
            {
                await fleet.Redis.ContinueAsync();
            }

            var during = run.Answers(from, FaultRun.Now);
            await run.SpendRestAsync();
            var told = await run.FinishAsync();
            DatabaseFaultTests.OnlySaid(run.Answers());
            output.WriteLine($"Redis: meanwhile {FaultRun.Told(during)}, {FaultRun.Times(during.FindAll(a => a.Status == 200))}; {told}");
        }
    }

    private static long Micros(DateTimeOffset at) => at.ToUnixTimeMilliseconds() * 1000;
}
