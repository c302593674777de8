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
        var clock = Path.Combine(fleet.DataFolder, "clock");
        await SetAsync("+0");
        await fleet.RestartProxiesAsync(i => i switch { 0 => Faked("+90s"), 1 => Faked("-90s"), _ => FakedBy(clock) });
        try
        {
            for (var round = 0; round < DatabaseFaultTests.Runs; round++)
            {
                await SetAsync("+0");
                var begun = DateTimeOffset.UtcNow;
                // Rows of the minutes an hour ago that this round's clock may write into; other tests of this fleet may have left rows of other times before and after.
                var hourAgo = $"SELECT count(*) FROM usage_events WHERE at BETWEEN {Micros(begun.AddHours(-1)) - 60_000_000} AND {Micros(begun.AddHours(-1)) + 600_000_000}";
                var there = (await fleet.ReadAsync(hourAgo, r => r.GetInt64(0)))[0];
                await using var run = await FaultRun.StartAsync(fleet, caps, 0.7m);
                await run.ServedAsync(FaultRun.Now, proxy: 2);
                var periods = await PeriodsAsync(fleet);
                await SetAsync("-3600s");
                var back = FaultRun.Now;
                var served = await run.ServedAsync(back, proxy: 2);
                // Until the ledger has a row of that time: the others may have spent what was allowed before this proxy had any of it.
                for (var tries = 1; (await fleet.ReadAsync(hourAgo, r => r.GetInt64(0)))[0] <= there; tries++)
                {
                    tries.ShouldBeLessThan(20, "the clock that went back was not faked: no row has its time");
                    await caps.AllowAsync(0.2m);
                }

                await run.SpendRestAsync();
                var told = await run.FinishAsync();
                DatabaseFaultTests.OnlySaid(run.Answers());
                var after = await PeriodsAsync(fleet);
                // In the first hour of a month and its last minutes, two are right.
                if (begun.AddMinutes(-70).Month == DateTimeOffset.UtcNow.AddMinutes(10).Month)
                    after.ShouldBe(periods);
                output.WriteLine($"F44: {after} periods of {periods}; {told}; served {served.TotalSeconds:f1} s after the step");
            }
        }
        finally
        {
            await fleet.RestartProxiesAsync();
        }

        Task SetAsync(string offset) => SetClockAsync(clock, offset, Cancel);
    }

    [Fact]
    public async Task F45_At_a_months_end_each_stream_counts_in_the_month_of_its_admission_whatever_the_hosts_clocks_say()
    {
        var (fleet, caps) = await shared.WholeAsync();
        try
        {
            for (var round = 0; round < DatabaseFaultTests.Runs; round++)
            {
                // Their months end within six seconds of each other, half a minute from when they start; a machine that takes longer to start them gets another try.
                DateTimeOffset start, end;
                for (var tries = 1; ; tries++)
                {
                    await fleet.StopProxiesAsync();
                    start = DateTimeOffset.UtcNow;
                    end = new DateTimeOffset(start.Year, start.Month, 1, 0, 0, 0, TimeSpan.Zero).AddMonths(start.AddMinutes(5).Month == start.Month ? 1 : 2);
                    await fleet.RestartProxiesAsync(i => Faked(string.Create(CultureInfo.InvariantCulture, $"+{(end - start).TotalSeconds - 30 + ((i - 1) * 3):f0}s")));
                    if (DateTimeOffset.UtcNow - start < TimeSpan.FromSeconds(20))
                        break;
                    tries.ShouldBeLessThan(4, fleet.Logs);
                }

                var at = Micros(end);
                var sumsBefore = await SumsAsync(fleet, at);
                await using var run = await FaultRun.StartAsync(fleet, caps, 1.5m, callers: 48, slow: true);
                await run.ServedAsync(FaultRun.Now);
                while (DateTimeOffset.UtcNow - start < TimeSpan.FromSeconds(36))
                    await Task.Delay(100, Cancel);
                var told = await run.FinishAsync();
                DatabaseFaultTests.OnlySaid(run.Answers());
                var (before, after) = await SumsAsync(fleet, at);
                before.ShouldBeGreaterThan(sumsBefore.Before);
                after.ShouldBeGreaterThan(sumsBefore.After);
                // The ledger's own check compares every account with the sum of its period; this one says that both periods are there. What a closed run
                // forfeited counts as posted and has no row.
                var posted = await fleet.ReadAsync($"""
                    SELECT period_start, posted_nano - coalesce((SELECT sum(amount_nano) FROM budget_forfeits AS f WHERE f.budget_id = a.budget_id AND f.period_start = a.period_start), 0)::bigint
                    FROM budget_accounts AS a WHERE budget_id = '{caps.Tenant.Id}'
                    """, r => (Start: r.GetInt64(0), Posted: r.GetInt64(1)));
                posted.Where(p => p.Start < at).Sum(p => p.Posted).ShouldBe(before);
                posted.Where(p => p.Start >= at).ShouldHaveSingleItem().ShouldBe((at, after));
                output.WriteLine($"F45: {before - sumsBefore.Before} n$ before, {after - sumsBefore.After} n$ after the month's end, both as posted; {told}");
            }
        }
        finally
        {
            await fleet.RestartProxiesAsync();
        }
    }

    // The most that any budget has of any value.
    private static async Task<int> PeriodsAsync(Fleet fleet) => (await fleet.AccountsAsync()).GroupBy(a => (a.Budget, a.Subject)).Max(g => g.Count());

    // What budgets count of the test environment, before that moment and after.
    private static async Task<(long Before, long After)> SumsAsync(Fleet fleet, long at) => (await fleet.ReadAsync(
        $"SELECT coalesce(sum(coalesce(budget_nano, cost_nano)) FILTER (WHERE at < {at}), 0)::bigint, coalesce(sum(coalesce(budget_nano, cost_nano)) FILTER (WHERE at >= {at}), 0)::bigint FROM usage_events WHERE environment = 1",
        r => (r.GetInt64(0), r.GetInt64(1))))[0];

    private static long Micros(DateTimeOffset at) => at.ToUnixTimeMilliseconds() * 1000;

    // Debian's faketime. Intervals are measured by the monotonic clock, which is nobody's to set; without the last of these its waits on that clock end at once.
    /// <summary>By what the file says at each moment.</summary>
    internal static (string, string)[] FakedBy(string file) => [.. Faked(null), ("FAKETIME_TIMESTAMP_FILE", file), ("FAKETIME_NO_CACHE", "1")];

    internal static async Task SetClockAsync(string file, string offset, CancellationToken cancellationToken)
    {
        await File.WriteAllTextAsync(file + ".new", offset, cancellationToken);
        File.Move(file + ".new", file, overwrite: true);
    }

    internal static (string, string)[] Faked(string? offset)
    {
        var library = Directory.EnumerateFiles("/usr/lib", "libfaketimeMT.so.1", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true }).FirstOrDefault()
            ?? throw new InvalidOperationException("this test needs faketime: ./test.sh installs it (Debian: apt install faketime)");
        (string, string)[] common = [("LD_PRELOAD", library), ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("FAKETIME_FORCE_MONOTONIC_FIX", "0")];
        return offset is null ? common : [.. common, ("FAKETIME", offset)];
    }
}
