using System.Globalization;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>F44, F45: clocks of a fleet's proxies that differ, go back an hour, and pass the end of a month one after the other with streams in flight.</summary>
[Collection(SharedFleet.Name)]
public sealed class ClockTests(SharedFleet shared, ITestOutputHelper output)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F44_Clocks_that_differ_by_minutes_and_one_that_goes_back_an_hour_open_no_period_twice()
    {
        var (fleet, caps) = await shared.WholeAsync();
        var begun = DateTimeOffset.UtcNow;
        var clock = Path.Combine(fleet.DataFolder, "clock");
        await File.WriteAllTextAsync(clock, "+0", Cancel);
        await fleet.RestartProxiesAsync(i => i switch { 0 => Faked("+90s"), 1 => Faked("-90s"), _ => [.. Faked(null), ("FAKETIME_TIMESTAMP_FILE", clock), ("FAKETIME_NO_CACHE", "1")] });
        try
        {
            var hourAgo = await HourAgoAsync();
            var periods = (await fleet.AccountsAsync()).GroupBy(a => (a.Budget, a.Subject)).Select(g => g.Count()).DefaultIfEmpty(1).Max();
            await using var run = await FaultRun.StartAsync(fleet, caps, 0.7m);
            await run.ServedAsync(FaultRun.Now, proxy: 2);
            await File.WriteAllTextAsync(clock + ".new", "-3600s", Cancel);
            File.Move(clock + ".new", clock, overwrite: true);
            var back = FaultRun.Now;
            var served = await run.ServedAsync(back, proxy: 2);
            await run.SpendRestAsync();
            var told = await run.FinishAsync();
            DatabaseFaultTests.OnlySaid(run.Answers());
            (await HourAgoAsync()).ShouldBeGreaterThan(hourAgo, "the clock that went back was not faked: no row has its time");
            var after = (await fleet.AccountsAsync()).GroupBy(a => (a.Budget, a.Subject)).Max(g => g.Count());
            if (DateTimeOffset.UtcNow is { Day: > 1 and < 28 })
                after.ShouldBe(periods);
            output.WriteLine($"F44: {after} periods of {periods}; {told}; served {served.TotalSeconds:f1} s after the step");
        }
        finally
        {
            await fleet.RestartProxiesAsync();
        }

        // Rows of the hour-old minutes that this run's clock may write into; other tests of this fleet may have left rows of other times before and after.
        async Task<long> HourAgoAsync() => (await fleet.ReadAsync(
            $"SELECT count(*) FROM usage_events WHERE at BETWEEN {Micros(begun.AddHours(-1)) - 60_000_000} AND {Micros(begun.AddHours(-1)) + 600_000_000}", r => r.GetInt64(0)))[0];
    }

    [Fact]
    public async Task F45_At_a_months_end_each_stream_counts_in_the_month_of_its_admission_whatever_the_hosts_clocks_say()
    {
        var (fleet, caps) = await shared.WholeAsync();
        // Their months end within six seconds of each other, half a minute from now.
        var now = DateTimeOffset.UtcNow;
        var end = new DateTimeOffset(now.Year, now.Month, 1, 0, 0, 0, TimeSpan.Zero).AddMonths(1);
        var restart = FaultRun.Now;
        await fleet.RestartProxiesAsync(i => Faked(string.Create(CultureInfo.InvariantCulture, $"+{(end - now).TotalSeconds - 30 + ((i - 1) * 3):f0}s")));
        try
        {
            await using var run = await FaultRun.StartAsync(fleet, caps, 1.5m, callers: 48, slow: true);
            await run.ServedAsync(FaultRun.Now);
            while (System.Diagnostics.Stopwatch.GetElapsedTime(restart) < TimeSpan.FromSeconds(36))
                await Task.Delay(100, Cancel);
            var told = await run.FinishAsync();
            DatabaseFaultTests.OnlySaid(run.Answers());
            var at = new DateTimeOffset(end.Ticks, TimeSpan.Zero).ToUnixTimeMilliseconds() * 1000;
            var (before, after) = (await fleet.ReadAsync(
                $"SELECT coalesce(sum(coalesce(budget_nano, cost_nano)) FILTER (WHERE at < {at}), 0)::bigint, coalesce(sum(coalesce(budget_nano, cost_nano)) FILTER (WHERE at >= {at}), 0)::bigint FROM usage_events WHERE environment = 1", r => (r.GetInt64(0), r.GetInt64(1))))[0];
            var posted = await fleet.ReadAsync($"SELECT period_start, posted_nano FROM budget_accounts WHERE budget_id = '{caps.Tenant.Id}' ORDER BY period_start", r => (Start: r.GetInt64(0), Posted: r.GetInt64(1)));
            // The ledger's own check compares every account with the sum of its period; this one says that both periods are there.
            posted.Count.ShouldBe(2);
            posted[1].ShouldBe((at, after));
            // What a closed run forfeited counts as posted and has no row.
            var forfeited = (await fleet.ReadAsync($"SELECT coalesce(sum(amount_nano), 0)::bigint FROM budget_forfeits WHERE budget_id = '{caps.Tenant.Id}' AND period_start = {posted[0].Start}", r => r.GetInt64(0)))[0];
            posted[0].Posted.ShouldBe(before + forfeited);
            after.ShouldBeGreaterThan(0);
            output.WriteLine($"F45: {before} n$ before, {after} n$ after the month's end, posted {posted[0].Posted} and {posted[1].Posted}; {told}");
        }
        finally
        {
            await fleet.RestartProxiesAsync();
        }
    }

    private static long Micros(DateTimeOffset at) => at.ToUnixTimeMilliseconds() * 1000;

    // Debian's faketime. Intervals are measured by the monotonic clock, which is nobody's to set; without the last of these its waits on that clock end at once.
    private static (string, string)[] Faked(string? offset)
    {
        var library = Directory.EnumerateFiles("/usr/lib", "libfaketimeMT.so.1", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true }).FirstOrDefault()
            ?? throw new InvalidOperationException("this test needs faketime: ./test.sh installs it (Debian: apt install faketime)");
        (string, string)[] common = [("LD_PRELOAD", library), ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("FAKETIME_FORCE_MONOTONIC_FIX", "0")];
        return offset is null ? common : [.. common, ("FAKETIME", offset)];
    }
}
