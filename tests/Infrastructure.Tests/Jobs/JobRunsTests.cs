using Tokonomics.Application.Jobs;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Tests.Jobs;

public sealed class JobRunsOnSqliteTests : JobRunsTests<OnSqlite>;

public sealed class JobRunsOnPostgresTests : JobRunsTests<OnPostgres>;

/// <summary>The record of jobs' runs, and that of each there is one at a time.</summary>
public abstract class JobRunsTests<TStore> : IAsyncLifetime
    where TStore : IStoreKind, new()
{
    private const string Job = "verify-ledger";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private TempStore _store = null!;
    private IJobRuns _runs = null!;

    public async ValueTask InitializeAsync()
    {
        _store = await new TStore().NewAsync();
        _runs = _store.Get<IJobRuns>();
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private Task<JobStart> StartAsync(JobCause cause = JobCause.Schedule, string worker = "a") => _runs.StartAsync(Job, worker, cause, cause == JobCause.Request ? null : TimeSpan.FromMinutes(30), Cancel);

    private Task EndAsync(JobStart start, JobOutcome outcome = JobOutcome.Done, string? request = null) =>
        _runs.EndAsync(start.RunId!, outcome, outcome is JobOutcome.Done ? "all hold" : null, outcome is JobOutcome.Failed ? "IOException: away" : null, request, Cancel);

    private async Task<JobLine> LineAsync() => (await _runs.LinesAsync(Cancel)).Single(l => l.Plan.Name == Job);

    private void Earlier(TimeSpan time, string columns = "started_at,seen_at,ended_at")
    {
        using var connection = _store.Open();
        using var command = connection.CreateCommand();
        command.CommandText = $"UPDATE job_runs SET {string.Join(", ", columns.Split(',').Select(c => $"{c} = {c} - {time.Ticks / 10}"))}";
        command.ExecuteNonQuery();
    }

    [Fact]
    public async Task When_a_job_last_ended_well_is_known_or_since_when_it_fails()
    {
        (await _runs.LastEndedWellAsync(Cancel)).ShouldBeEmpty();
        await EndAsync(await StartAsync(JobCause.Request), JobOutcome.Failed);
        // Nothing is known but failing: since then.
        var failing = (await LineAsync()).FailingSince!.Value;
        (await _runs.LastEndedWellAsync(Cancel)).ShouldHaveSingleItem().Value.ShouldBe(failing);

        await EndAsync(await StartAsync(JobCause.Request));
        Earlier(TimeSpan.FromHours(4));
        var ended = (await LineAsync()).Runs[0].EndedAt!.Value;
        await EndAsync(await StartAsync(JobCause.Request), JobOutcome.Failed);
        (await _runs.LastEndedWellAsync(Cancel)).ShouldHaveSingleItem().Value.ShouldBe(ended);
    }

    [Fact]
    public async Task Of_many_who_start_a_job_at_once_one_does()
    {
        var starts = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => StartAsync(worker: $"w{i}")));
        starts.Count(s => s.RunId is not null).ShouldBe(1);
        starts.Count(s => s.IsBusy).ShouldBe(5);
        (await LineAsync()).Running!.Worker.ShouldStartWith("w");
        // Asked for meanwhile, it waits.
        (await StartAsync(JobCause.Request)).IsBusy.ShouldBeTrue();
    }

    [Fact]
    public async Task What_came_up_long_before_it_was_due_is_not_run_and_what_is_asked_for_is()
    {
        await EndAsync(await StartAsync());
        (await StartAsync()).ShouldBe(JobStart.NotDue);
        (await StartAsync(JobCause.Recovery)).ShouldBe(JobStart.NotDue); // it had ended before its worker died
        await EndAsync(await StartAsync(JobCause.Request));
        Earlier(TimeSpan.FromMinutes(31));
        (await StartAsync()).RunId.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_run_whose_worker_is_silent_is_lost_and_followed_and_its_late_word_changes_nothing()
    {
        var first = await StartAsync();
        Earlier(IJobRuns.Silence - TimeSpan.FromSeconds(3), "started_at,seen_at");
        (await StartAsync(JobCause.Recovery, "b")).IsBusy.ShouldBeTrue();
        (await _runs.SayAsync(first.RunId!, Cancel)).ShouldBeTrue();
        Earlier(IJobRuns.Silence + TimeSpan.FromSeconds(1), "started_at,seen_at");
        // Seen as lost before anybody has noted it, and then noted.
        (await LineAsync()).Last!.Outcome.ShouldBe(JobOutcome.Lost);
        (await LineAsync()).FailingSince.ShouldNotBeNull();
        (await StartAsync(JobCause.Recovery, "b")).RunId.ShouldNotBeNull();
        (await _runs.SayAsync(first.RunId!, Cancel)).ShouldBeFalse();
        await EndAsync(first);
        var line = await LineAsync();
        line.Runs.Select(r => (r.Worker, r.Cause, r.Outcome)).ShouldBe([("b", JobCause.Recovery, null), ("a", JobCause.Schedule, JobOutcome.Lost)]);
        line.FailingSince.ShouldBe(line.Runs[1].StartedAt);
    }

    [Fact]
    public async Task Failing_since_is_the_first_of_the_row_and_ends_with_a_run_that_does_not_fail()
    {
        await EndAsync(await StartAsync());
        (await LineAsync()).FailingSince.ShouldBeNull();
        for (var i = 0; i < 3; i++)
        {
            await EndAsync(await StartAsync(JobCause.Request), JobOutcome.Failed);
            Earlier(TimeSpan.FromMinutes(10));
        }

        var line = await LineAsync();
        line.Last!.Failure.ShouldBe("IOException: away");
        line.FailingSince.ShouldBe(line.Runs[2].StartedAt + TimeSpan.FromMinutes(30)); // before it was put back
        await EndAsync(await StartAsync(JobCause.Request), JobOutcome.Stopped);
        (await LineAsync()).FailingSince.ShouldNotBeNull();
        await EndAsync(await StartAsync(JobCause.Request), JobOutcome.Attention);
        ((await LineAsync()).FailingSince, (await LineAsync()).AttentionSince is null).ShouldBe((null, false));
        await EndAsync(await StartAsync(JobCause.Request));
        (await LineAsync()).AttentionSince.ShouldBeNull();
    }

    [Fact]
    public async Task What_is_asked_for_waits_until_it_was_done_and_once_more_where_it_was_asked_for_meanwhile()
    {
        (await _store.SendAsync(new RunJobNow(Caller.Operator, "no-such-job"))).Refusal!.Code.ShouldBe("job_not_found");
        (await _store.SendAsync(new RunJobNow(Caller.Operator, Job))).Refusal.ShouldBeNull();
        var request = (await _runs.LookAsync(Cancel)).Single();
        request.Job.ShouldBe(Job);
        var run = await StartAsync(JobCause.Request);
        (await LineAsync()).AskedAt.ShouldNotBeNull();
        await _store.SendAsync(new RunJobNow(Caller.Operator, Job));
        await EndAsync(run, request: request.RequestId);
        var second = (await _runs.LookAsync(Cancel)).Single();
        second.RequestId.ShouldNotBe(request.RequestId);
        // Its worker is told to stop: another takes it on.
        await EndAsync(await StartAsync(JobCause.Request), JobOutcome.Stopped, second.RequestId);
        (await _runs.LookAsync(Cancel)).ShouldBe([second]);
        await EndAsync(await StartAsync(JobCause.Request), request: second.RequestId);
        (await _runs.LookAsync(Cancel)).ShouldBeEmpty();
        _store.Count("SELECT count(*) FROM audit_log WHERE action = 'run_job_now' AND subject = 'verify-ledger'").ShouldBe(2);
    }

    [Fact]
    public async Task Fifty_runs_of_each_are_kept_and_a_job_of_another_version_is_left_alone()
    {
        for (var i = 0; i < 53; i++)
            await EndAsync(await StartAsync(JobCause.Request));
        (await LineAsync()).Runs.Count.ShouldBe(50);
        await _runs.LeaveAsync("of-a-newer-version", "a", Cancel);
        await _runs.LeaveAsync("of-a-newer-version", "b", Cancel);
        (await _runs.LookAsync(Cancel)).Select(r => r.Job).ShouldBe(["of-a-newer-version"]);
        (await _runs.LinesAsync(Cancel)).Select(l => l.Plan.Name).ShouldBe(JobPlan.All.Select(p => p.Name));
    }

    [Fact]
    public async Task A_job_that_was_due_a_while_ago_and_runs_nowhere_is_late()
    {
        var now = DateTimeOffset.UtcNow;
        await _runs.PlanAsync([(Job, now.AddMinutes(-1))], Cancel);
        (await LineAsync()).IsLate.ShouldBeFalse();
        await _runs.PlanAsync([(Job, now.AddMinutes(-5))], Cancel);
        (await LineAsync()).IsLate.ShouldBeTrue();
        await StartAsync();
        (await LineAsync()).IsLate.ShouldBeFalse();
    }
}
