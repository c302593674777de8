using System.Diagnostics;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing.FakeStripe;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>Jobs of several workers on one PostgreSQL: each run once, and what a killed worker left is taken up by another.</summary>
public sealed class JobTests(ITestOutputHelper output)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_worker_that_is_killed_in_the_middle_of_every_job_left_is_done_once_by_another()
    {
        await using var fleet = await JobFleet.StartAsync();
        var first = await fleet.WorkerAsync();
        // Once undisturbed: the schedule is there, and nothing is slow for being the first time.
        await fleet.DueAsync();
        await fleet.UntilAsync("every job has run", async () => (await fleet.RunsAsync("outcome IN ('done', 'attention')")).Count == JobFleet.Jobs.Count);
        await fleet.ExecuteAsync("DELETE FROM price_sheet_warnings; DELETE FROM operator_mails");
        var work = await GiveWorkAsync(fleet);

        // Each job comes to a point from which it doesn't get on: behind a lock, or before a Stripe that is silent.
        var before = await fleet.CountAsync("SELECT count(*) FROM invariant_checks");
        var holds = new List<IAsyncDisposable>();
        foreach (var sql in (string[])
        [
            "LOCK TABLE invariant_checks IN SHARE ROW EXCLUSIVE MODE",
            "SELECT pg_advisory_xact_lock(hashtextextended('tokonomics: partitions', 0))",
            "SELECT 1 FROM idempotency_keys FOR UPDATE",
            $"SELECT 1 FROM usage_events WHERE request_id = '{work.OldRequest}' FOR UPDATE",
            $"SELECT 1 FROM palette_places WHERE tenant_id = '{work.Doomed}' FOR UPDATE", // its teams are gone by then
            "LOCK TABLE operator_mails IN SHARE ROW EXCLUSIVE MODE",
            "LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE",
        ])
            holds.Add(await fleet.HoldAsync(sql));
        fleet.Link.Silent = true;
        // Those first that wait for longest. Most of the others give up a lock after fifteen seconds, and a partition's after two.
        // On most days of the week a digest has no middle, wherever the tenant is.
        var broken = JobFleet.Jobs.Where(j => j != "weekly-digest" || work.WeekEvent is not null).ToList();
        string[] patient = ["verify-ledger", "reconcile-billing", "report-usage"];
        const string hasty = "prepare-partitions";
        await fleet.DueAsync(patient);
        await InTheMiddleAsync(fleet, patient.Length, 1);
        await fleet.UntilAsync("the amount is planned", async () => await fleet.CountAsync("SELECT count(*) FROM meter_reports WHERE state = 'pending'") == 1);
        await fleet.DueAsync([.. broken.Except(patient).Except([hasty]), JobFleet.EachMinute]);
        await InTheMiddleAsync(fleet, broken.Count - 1, holds.Count - 1);
        await fleet.DueAsync(hasty);
        await InTheMiddleAsync(fleet, broken.Count, holds.Count);
        await first.KillAsync();
        var killed = Stopwatch.StartNew();
        foreach (var hold in holds)
            await hold.DisposeAsync();
        fleet.Link.Reset();
        fleet.Link.Silent = false;

        await fleet.WorkerAsync();
        await fleet.UntilAsync("the other has taken up every job", async () =>
            (await fleet.RunsAsync("cause = 'recovery' AND outcome IN ('done', 'attention')")).Select(r => r.Job).Distinct().Count() == broken.Count);
        output.WriteLine($"taken up and done {killed.Elapsed.TotalSeconds:f1} s after the kill");
        killed.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(60));
        foreach (var job in broken)
            (await fleet.RunsAsync($"job = '{job}'")).Select(r => (r.Cause, r.Outcome is "attention" ? "done" : r.Outcome)).ShouldBe([("schedule", "done"), ("schedule", "lost"), ("recovery", "done")], job);

        // verify-ledger: one result of each check more, of one moment.
        (await fleet.CountAsync("SELECT count(*) FROM (SELECT check_name FROM invariant_checks GROUP BY check_name HAVING count(*) < 2) AS c")).ShouldBe(0);
        (await fleet.CountAsync("SELECT count(*) FROM invariant_checks")).ShouldBeInRange(before * 2, (before * 2) + 1); // what the killed worker waited to write is there, too
        // prepare-partitions: made once, and nothing is left beside the table.
        (await fleet.CountAsync("SELECT count(*) FROM pg_inherits WHERE inhparent = 'usage_events'::regclass AND inhrelid = to_regclass('" + work.Partition + "')")).ShouldBe(1);
        // forget-idempotency-keys, delete-old-events: gone, and what was to be kept is there.
        (await fleet.CountAsync("SELECT count(*) FROM idempotency_keys")).ShouldBe(0);
        (await fleet.ReadAsync("SELECT request_id FROM usage_events ORDER BY at", r => r.GetString(0))).ShouldBe([.. work.WeekEvent is { } lastWeek ? (string[])[lastWeek] : [], work.KeptRequest, work.UnpricedRequest]);
        // weekly-digest: told once.
        if (work.WeekEvent is not null)
            (await fleet.CountAsync("SELECT count(*) FROM alerts WHERE cause LIKE 'digest:%'")).ShouldBe(1);
        // watch-spend: the model without a price is told, once.
        await fleet.UntilAsync("the model without a price is told", async () => await fleet.CountAsync("SELECT count(*) FROM alerts WHERE kind = 'model.unpriced'") == 1, seconds: 90);
        // erase-tenants: gone, and said once.
        (await fleet.CountAsync($"SELECT count(*) FROM tenants WHERE id = '{work.Doomed}'")).ShouldBe(0);
        (await fleet.CountAsync($"SELECT count(*) FROM palette_places WHERE tenant_id = '{work.Doomed}'")).ShouldBe(0);
        (await fleet.CountAsync($"SELECT count(*) FROM audit_log WHERE action = 'erase_tenant' AND subject = '{work.Doomed}'")).ShouldBe(1);
        // check-price-sheets: each operator has one mail of the week.
        (await fleet.CountAsync("SELECT count(*) FROM price_sheet_warnings WHERE provider = 'old-llm'")).ShouldBe(1);
        (await fleet.ReadAsync("SELECT address FROM operator_mails WHERE sent_at IS NOT NULL ORDER BY address", r => r.GetString(0))).ShouldBe(["ops@example.com", "second@example.com"]);
        // reconcile-billing: the plan that was bought, once in the audit log.
        (await fleet.ReadAsync($"SELECT plan FROM billing_accounts WHERE tenant_id = '{work.Buyer}'", r => r.GetString(0))).ShouldBe(["pro"]);
        (await fleet.CountAsync($"SELECT count(*) FROM audit_log WHERE tenant_id = '{work.Buyer}' AND actor = 'billing'")).ShouldBe(1);
        // report-usage: the tenant stays with the killed worker for ten minutes; then the amount is sent, and counts once.
        await fleet.ExecuteAsync("UPDATE stripe_meters SET busy_until = 0");
        (await fleet.SendAsync(new Tokonomics.Application.Jobs.RunJobNow(Caller.Operator, "report-usage"))).Refusal.ShouldBeNull();
        await fleet.UntilAsync("the amount is reported", async () => await fleet.CountAsync("SELECT count(*) FROM meter_reports WHERE state = 'reported'") == 1);
        fleet.Stripe.Metered(work.Customer).ShouldBe(123);
        (await fleet.RunsAsync("cause = 'request'")).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Each_run_is_one_workers_of_three_and_a_clock_that_is_an_hour_ahead_runs_nothing_again()
    {
        await using var fleet = await JobFleet.StartAsync();
        // At once: Quartz's tables are made by one of them, and found by the others.
        var workers = await Task.WhenAll(fleet.WorkerAsync(), fleet.WorkerAsync(), fleet.WorkerAsync());
        // What the store has as a job's type is there for good.
        (await fleet.ReadAsync("SELECT DISTINCT job_class_name FROM qrtz_job_details", r => r.GetString(0))).ShouldBe(["Tokonomics.Workers.Jobs.ScheduledJob, Tokonomics.Workers"]);
        (await fleet.CountAsync("SELECT count(*) FROM qrtz_triggers")).ShouldBe(JobFleet.Jobs.Count + 1);
        await fleet.DueAsync();
        await fleet.UntilAsync("every job has run", async () => (await fleet.RunsAsync("ended_at IS NOT NULL")).Count >= JobFleet.Jobs.Count);
        var runs = await fleet.RunsAsync();
        runs.Select(r => (r.Job, r.Cause)).ShouldBe(JobFleet.Jobs.Select(j => (j, "schedule")));
        output.WriteLine(string.Join(", ", runs.GroupBy(r => r.Worker).Select(w => $"{w.Key}: {w.Count()}")));

        // A newer version's job, and an interval that is another by now.
        await fleet.ExecuteAsync("""
            INSERT INTO qrtz_job_details SELECT (jsonb_populate_record(j, '{"job_name":"of-a-newer-version"}')).* FROM qrtz_job_details AS j WHERE job_name = 'verify-ledger';
            INSERT INTO qrtz_triggers SELECT (jsonb_populate_record(t, '{"job_name":"of-a-newer-version","trigger_name":"of-a-newer-version"}')).* FROM qrtz_triggers AS t WHERE trigger_name = 'verify-ledger';
            INSERT INTO qrtz_simple_triggers SELECT (jsonb_populate_record(t, '{"trigger_name":"of-a-newer-version"}')).* FROM qrtz_simple_triggers AS t WHERE trigger_name = 'verify-ledger';
            UPDATE qrtz_simple_triggers SET repeat_interval = repeat_interval * 3 WHERE trigger_name = 'delete-old-events'
            """);
        var intervals = await IntervalsAsync(fleet);
        await fleet.ExecuteAsync($"UPDATE qrtz_triggers SET next_fire_time = {DateTime.UtcNow.Ticks} WHERE trigger_name = 'of-a-newer-version'");
        await fleet.UntilAsync("the newer version's job is left to it", async () => await fleet.CountAsync("SELECT count(*) FROM job_requests WHERE job = 'of-a-newer-version'") == 1);

        // One that is an hour ahead: the hourly jobs are due for it, and all others are dead.
        await workers[0].KillAsync();
        await workers[1].KillAsync();
        var ahead = await fleet.WorkerAsync(ClockTests.Faked("+3700s"));
        await fleet.UntilAsync("it has found what it takes for due", () => Task.FromResult(ahead.Output.Contains("came up long before it was due", StringComparison.Ordinal)));
        await fleet.UntilAsync("it has found all of it", async () => await fleet.CountAsync($"SELECT count(*) FROM qrtz_triggers WHERE next_fire_time < {DateTime.UtcNow.AddMinutes(55).Ticks} AND trigger_name NOT IN ('report-usage', 'weekly-digest', '{JobFleet.EachMinute}')") == 0);
        (await fleet.RunsAsync()).Count.ShouldBe(JobFleet.Jobs.Count);
        // Its start put the interval right, and took nothing away.
        var after = await IntervalsAsync(fleet);
        after["delete-old-events"].ShouldBe(intervals["delete-old-events"] / 3);
        after.Keys.ShouldContain("of-a-newer-version");
        (await fleet.RunsAsync("outcome NOT IN ('done', 'attention')")).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_running_workers_clock_that_is_set_an_hour_ahead_runs_nothing_again_and_set_back_keeps_nothing_from_running()
    {
        await using var fleet = await JobFleet.StartAsync();
        var clock = Path.Combine(fleet.Folder, "clock");
        await ClockTests.SetClockAsync(clock, "+0", Cancel);
        var worker = await fleet.WorkerAsync(ClockTests.FakedBy(clock));
        await fleet.DueAsync();
        await fleet.UntilAsync("every job has run", async () => (await fleet.RunsAsync("outcome IN ('done', 'attention')")).Count >= JobFleet.Jobs.Count);

        await ClockTests.SetClockAsync(clock, "+3700s", Cancel);
        await fleet.UntilAsync("it has found what it takes for due", () => Task.FromResult(worker.Output.Contains("came up long before it was due", StringComparison.Ordinal)), seconds: 90);
        (await fleet.RunsAsync()).Count.ShouldBe(JobFleet.Jobs.Count);

        // Back: what it had put off by its own clock comes when the store says so.
        await ClockTests.SetClockAsync(clock, "+0", Cancel);
        await fleet.DueAsync();
        await fleet.UntilAsync("every job has run again", async () => (await fleet.RunsAsync("outcome IN ('done', 'attention')")).Count >= JobFleet.Jobs.Count * 2, seconds: 90);
        (await fleet.RunsAsync()).GroupBy(r => r.Job).Select(g => (g.Key, g.Count())).OrderBy(g => g.Key, StringComparer.Ordinal).ShouldBe(JobFleet.Jobs.Order(StringComparer.Ordinal).Select(j => (j, 2)));
        worker.HasExited.ShouldBeFalse();
    }

    private static async Task<Dictionary<string, long>> IntervalsAsync(JobFleet fleet) =>
        (await fleet.ReadAsync("SELECT trigger_name, repeat_interval FROM qrtz_simple_triggers", r => (r.GetString(0), r.GetInt64(1)))).ToDictionary(r => r.Item1, r => r.Item2);

    private static Task InTheMiddleAsync(JobFleet fleet, int running, int waiting) => fleet.UntilAsync($"{running} jobs are in the middle", async () =>
        (await fleet.RunsAsync("ended_at IS NULL")).Count == running
        && await fleet.CountAsync("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") >= waiting, seconds: 20);

    private sealed record Work(string Doomed, string Buyer, string Customer, string OldRequest, string KeptRequest, string UnpricedRequest, string? WeekEvent, string Partition);

    private static async Task<Work> GiveWorkAsync(JobFleet fleet)
    {
        var now = DateTimeOffset.UtcNow;
        // Settled: of the hour before last, whatever the minute.
        await fleet.UseAsync(now.AddHours(-2), 1_234_000_000);
        await fleet.UseAsync(now.AddDays(-100), 1_000_000);
        await fleet.UseAsync(now.AddMinutes(-3), null);
        string? weekEvent = null;
        if (DigestZone(now) is { } zone)
        {
            await fleet.UseAsync(now.AddDays(-5), 1);
            await fleet.ExecuteAsync($"UPDATE tenants SET time_zone = '{zone}' WHERE id = '{fleet.Tenant}'");
            weekEvent = "req_job3";
        }

        await fleet.ExecuteAsync($"UPDATE tenants SET retention_days = 90 WHERE id = '{fleet.Tenant}'");
        fleet.Make("/v1/billing/meters", "display_name=Spend&event_name=spend&default_aggregation[formula]=sum");
        (await fleet.SendAsync(new SetStripeMeter(fleet.Owner, fleet.Tenant, "rk_test_0000000000000000abcd", "spend"))).Refusal.ShouldBeNull();
        var customer = fleet.Make("/v1/customers", "name=Acme");
        (await fleet.SendAsync(new ConnectMeteredCustomer(fleet.Owner, fleet.Tenant, "acme", customer))).Refusal.ShouldBeNull();
        await fleet.ExecuteAsync("UPDATE stripe_meters SET from_month = 202601; UPDATE metered_customers SET from_month = 202601"); // in the first hours of a month, too

        var doomed = (await fleet.SendAsync(new CreateTenant(Caller.Operator, "Doomed", "doomed@example.com"))).Value.TenantId;
        await fleet.ExecuteAsync($"INSERT INTO teams (tenant_id, id, name, created_at) VALUES ('{doomed}', 'team_a', 'a', 0); INSERT INTO palette_places (tenant_id, dimension, value, place) VALUES ('{doomed}', 'model', 'm', 0); UPDATE tenants SET delete_at = 1 WHERE id = '{doomed}'");
        await fleet.ExecuteAsync(
            $"INSERT INTO idempotency_keys (tenant_id, key_id, key_hash, body_hash, request_id, at, node, run, expires_at) VALUES ('{fleet.Tenant}', 'key_1', '\\x00', '\\x00', 'req_x', 0, 'n', 'r', 1)");

        var buyer = (await fleet.SendAsync(new CreateTenant(Caller.Operator, "Buyer", "buyer@example.com"))).Value;
        var checkout = (await fleet.SendAsync(new StartCheckout(new Caller(buyer.TenantId, buyer.OwnerId, Role.Owner), buyer.TenantId, "pro"))).Value.Url.Segments[^1];
        fleet.Stripe.Complete(checkout);
        fleet.Stripe.Events.Clear(); // none of it arrived

        var partition = $"usage_events_{new DateTime(now.Year, now.Month, 1).AddMonths(3):yyyyMM}";
        await fleet.ExecuteAsync($"DROP TABLE {partition}");
        return new Work(doomed, buyer.TenantId, customer, "req_job1", "req_job0", "req_job2", weekEvent, partition);
    }

    // Where it is after eight on Monday, or before eight on Tuesday, and stays so for a while; null on the days on which nobody is told of his week.
    private static string? DigestZone(DateTimeOffset now) => new[] { "Pacific/Kiritimati", "Asia/Tokyo", "UTC", "America/Los_Angeles", "Pacific/Pago_Pago" }.FirstOrDefault(id =>
        TimeZoneInfo.ConvertTime(now, TimeZoneInfo.FindSystemTimeZoneById(id)).DateTime.AddHours(-8) is { DayOfWeek: DayOfWeek.Monday, Hour: < 23 });
}
