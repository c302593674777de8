using System.Diagnostics;
using Npgsql;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>
/// F17-F19, F21-F23: the database of a fleet crashes, is away, hangs, has no connection left, breaks off what runs. <c>TOKONOMICS_FAULT_RUNS</c> sets how often
/// each is done, <c>TOKONOMICS_OUTAGE_SECONDS</c> how long the database is away, <c>TOKONOMICS_TERMINATIONS</c> how many of its connections are broken off.
/// </summary>
[Collection(SharedFleet.Name)]
public sealed class DatabaseFaultTests(SharedFleet shared, ITestOutputHelper output)
{
    internal const string Unverifiable = "503 budget_unverifiable";

    internal static int Runs => Setting("TOKONOMICS_FAULT_RUNS", 1);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    internal static int Setting(string name, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(name), out var number) ? number : otherwise;

    [Fact]
    public async Task F17_The_database_crashes_under_load_and_comes_back()
    {
        var (fleet, caps) = await shared.WholeAsync();
        for (var round = 0; round < Runs; round++)
        {
            await using var run = await FaultRun.StartAsync(fleet, caps, 0.7m);
            await Task.Delay(1000, Cancel);
            await fleet.Postgres.StopImmediateAsync();
            await Task.Delay(run.Random.Next(500, 3000), Cancel);
            await fleet.Postgres.StartAgainAsync();
            var back = FaultRun.Now;
            var recovered = await run.ServedAsync(back);
            await run.SpendRestAsync();
            var told = await run.FinishAsync();
            OnlySaid(run.Answers(), Unverifiable);
            output.WriteLine($"F17: served again {recovered.TotalSeconds:f1} s after the server was back; {told}");
        }
    }

    [Fact]
    public async Task F18_With_the_database_away_leases_serve_on_then_calls_are_refused_for_a_moment_and_nothing_is_lost()
    {
        var (fleet, caps) = await shared.WholeAsync();
        var seconds = Setting("TOKONOMICS_OUTAGE_SECONDS", 20);
        for (var round = 0; round < Runs; round++)
        {
            await using var run = await FaultRun.StartAsync(fleet, caps, 4m);
            await run.ServedAsync(FaultRun.Now);
            await Task.Delay(2000, Cancel);
            var away = FaultRun.Now;
            await fleet.Postgres.StopImmediateAsync();
            var (status, said) = await fleet.ListBudgetsAsync();
            await Task.Delay(TimeSpan.FromSeconds(seconds), Cancel);
            var back = FaultRun.Now;
            await fleet.Postgres.StartAgainAsync();
            var up = FaultRun.Now;
            var recovered = await run.ServedAsync(up);
            var drained = await DrainedAsync(fleet, up);
            await Task.Delay(2000, Cancel);
            var told = await run.FinishAsync();

            var during = run.Answers(away, back);
            OnlySaid(run.Answers(), Unverifiable);
            during.Count(a => a.Status == 200).ShouldBeGreaterThan(0, "leases serve on");
            during.Count(a => a.ToString() == Unverifiable).ShouldBeGreaterThan(0, told);
            fleet.RetryAfter["budget_unverifiable"].ShouldBe("2");
            (status, said).ShouldBe((503, "store_unavailable")); // the portal's API
            var lastServed = during.Where(a => a.Status == 200).Max(a => Stopwatch.GetElapsedTime(away, a.At).TotalSeconds);
            output.WriteLine($"F18: away {seconds} s: {FaultRun.Told(during)}; served from leases until {lastServed:f1} s after; {FaultRun.Times(during.FindAll(a => a.Status == 200))} when served, {FaultRun.Times(during.FindAll(a => a.Status == 503))} when refused; "
                + $"served again {recovered.TotalSeconds:f1} s and drained {drained.TotalSeconds:f1} s after the server was back; {told}");
        }
    }

    [Fact]
    public async Task F19_While_the_database_hangs_or_a_table_is_locked_leased_budgets_serve_on()
    {
        var (fleet, caps) = await shared.WholeAsync();
        for (var round = 0; round < Runs; round++)
        {
            await using var run = await FaultRun.StartAsync(fleet, caps, 4m);
            await run.ServedAsync(FaultRun.Now);
            await Task.Delay(2000, Cancel);
            var hangs = FaultRun.Now;
            await fleet.Postgres.PauseAsync();
            try
            {
                await Task.Delay(TimeSpan.FromSeconds(8), Cancel);
            }
            finally
            {
                await fleet.Postgres.ContinueAsync();
            }

            var on = FaultRun.Now;
            var recovered = await run.ServedAsync(on);
            await Task.Delay(2000, Cancel);
            var locked = FaultRun.Now;
            await using (var connection = new NpgsqlConnection(fleet.Database + ";Pooling=false"))
            {
                await connection.OpenAsync(Cancel);
                await using var transaction = await connection.BeginTransactionAsync(Cancel);
                await using var command = new NpgsqlCommand("LOCK TABLE budget_accounts", connection, transaction);
                await command.ExecuteNonQueryAsync(Cancel);
                await Task.Delay(TimeSpan.FromSeconds(8), Cancel);
            }

            var free = FaultRun.Now;
            var freed = await run.ServedAsync(free);
            await Task.Delay(1000, Cancel);
            var told = await run.FinishAsync();
            OnlySaid(run.Answers(), Unverifiable);
            foreach (var (what, from, until, after) in new[] { ("hangs", hangs, on, recovered), ("locked", locked, free, freed) })
            {
                var during = run.Answers(from, until);
                during.Count(a => a.Status == 200).ShouldBeGreaterThan(0, what);
                output.WriteLine($"F19 {what}: {FaultRun.Told(during)}; served {FaultRun.Times(during.FindAll(a => a.Status == 200))}, refused {FaultRun.Times(during.FindAll(a => a.Status == 503))}; served again after {after.TotalSeconds:f1} s");
            }

            output.WriteLine($"before: {FaultRun.Times(run.Answers(0, hangs).FindAll(a => a.Status == 200))}; {told}");
        }
    }

    [Fact]
    public async Task F21_Without_a_free_connection_leases_serve_on_and_all_goes_on_when_there_is_one()
    {
        var (fleet, caps) = await shared.WholeAsync();
        for (var round = 0; round < Runs; round++)
        {
            await using var run = await FaultRun.StartAsync(fleet, caps, 1.5m);
            await run.ServedAsync(FaultRun.Now);
            var taken = new List<NpgsqlConnection>();
            long full, free;
            try
            {
                await TakeAllAsync();
                full = FaultRun.Now;
                await using (var end = new NpgsqlCommand("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tokonomics'", taken[0]))
                    await end.ExecuteNonQueryAsync(Cancel);
                for (var waited = Stopwatch.StartNew(); waited.Elapsed < TimeSpan.FromSeconds(6); await Task.Delay(5, Cancel))
                    await TakeAllAsync();
            }
            finally
            {
                free = FaultRun.Now;
                foreach (var connection in taken)
                    await connection.DisposeAsync();
            }

            var freed = await run.ServedAsync(free);
            await run.SpendRestAsync();
            var told = await run.FinishAsync();
            OnlySaid(run.Answers(), Unverifiable);
            output.WriteLine($"F21: {taken.Count} connections taken; {FaultRun.Told(run.Answers(full, free))}; served again after {freed.TotalSeconds:f1} s; {told}");

            async Task TakeAllAsync()
            {
                while (true)
                {
                    var connection = new NpgsqlConnection(fleet.Database + ";Pooling=false;Application Name=taker");
                    try
                    {
                        await connection.OpenAsync(Cancel);
                        taken.Add(connection);
                    }
                    catch (NpgsqlException)
                    {
                        await connection.DisposeAsync();
                        return;
                    }
                }
            }
        }
    }

    [Fact]
    public async Task F22_F23_Connections_broken_off_at_random_moments_double_nothing()
    {
        var (fleet, caps) = await shared.WholeAsync();
        var terminations = Setting("TOKONOMICS_TERMINATIONS", 120);
        for (var round = 0; round < Runs; round++)
        {
            await using var run = await FaultRun.StartAsync(fleet, caps, 0.7m);
            var (done, atWork) = (0L, 0L);
            while (done < terminations)
            {
                await Task.Delay(run.Random.Next(5, 60), Cancel);
                // Those at work first: an idle one has nothing to lose.
                var ended = (await fleet.ReadAsync(
                    "SELECT state <> 'idle', pg_terminate_backend(pid) FROM (SELECT pid, state FROM pg_stat_activity WHERE application_name = 'tokonomics' ORDER BY state = 'idle', random() LIMIT 2) AS a", r => (AtWork: r.GetBoolean(0), Ended: r.GetBoolean(1))))
                    .FindAll(e => e.Ended);
                (done, atWork) = (done + ended.Count, atWork + ended.Count(e => e.AtWork));
            }

            await run.SpendRestAsync();
            var told = await run.FinishAsync();
            OnlySaid(run.Answers(), Unverifiable);
            output.WriteLine($"F22: {done} connections broken off, {atWork} of them at work; {told}");
        }
    }

    /// <summary>
    /// Besides answers and what a cap says when it is met. Where nothing is done to the database, a machine that is busy with something else may still keep it
    /// from answering in time now and then.
    /// </summary>
    internal static void OnlySaid(IReadOnlyCollection<FaultRun.Answer> answers, params string[] also)
    {
        answers.Select(a => a.ToString()).Distinct().Except(also).ShouldBeSubsetOf(["200", "429 budget_held", "429 budget_exhausted", Unverifiable]);
        if (!also.Contains(Unverifiable))
            answers.Count(a => a.ToString() == Unverifiable).ShouldBeLessThanOrEqualTo(answers.Count / 10, FaultRun.Told(answers));
    }

    // Until the ledger has every call that had ended by then.
    internal static async Task<TimeSpan> DrainedAsync(Fleet fleet, long since)
    {
        var calls = fleet.Bill().Count(l => l.Outcome != Web.Proxy.Sandbox.SandboxOutcome.Open);
        while ((await fleet.ReadAsync("SELECT count(*) FROM usage_events", r => r.GetInt64(0)))[0] < calls)
        {
            Stopwatch.GetElapsedTime(since).ShouldBeLessThan(TimeSpan.FromSeconds(60), fleet.Logs);
            await Task.Delay(50, Cancel);
        }

        return Stopwatch.GetElapsedTime(since);
    }
}
