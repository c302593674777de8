using System.Diagnostics;
using System.Security.Cryptography;
using Tokonomics.Application.Jobs;

namespace Tokonomics.Workers.Jobs;

/// <summary>
/// Runs a job once and keeps the record of it. While it runs, it says every few seconds that this worker lives; a worker that could not say so for as long as makes others
/// take it for dead breaks its run off, so that two are never at one job.
/// </summary>
internal sealed partial class JobRunner(IJobRuns runs, IServiceScopeFactory scopes, JobMetrics metrics, ILogger<JobRunner> log)
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);

    // The store may be away for a moment when a run has ended.
    private static readonly TimeSpan[] EndAgain = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(6)];

    private const int LongestFailure = 200;

    /// <summary>This worker's name, in the schedule and on the jobs page.</summary>
    public static string Worker { get; } = $"{Environment.MachineName}-{RandomNumberGenerator.GetHexString(6, lowercase: true)}";

    /// <summary>As the schedule has it due. Waits for a run that is under way, no longer than it takes to know whether its worker is dead.</summary>
    /// <exception cref="OperationCanceledException">The worker was told to stop in the middle of it.</exception>
    public async Task RunScheduledAsync(string job, bool recovering, DateTimeOffset? next, CancellationToken cancellationToken)
    {
        if (JobPlan.Of(job) is not { } plan || !JobWorks.Knows(job))
        {
            await runs.LeaveAsync(job, Worker, cancellationToken);
            Unknown(job);
            return;
        }

        var waited = Stopwatch.StartNew();
        while (true)
        {
            JobStart start;
            try
            {
                if (!recovering)
                    await runs.PlanAsync([(job, next)], cancellationToken);
                start = await runs.StartAsync(job, Worker, recovering ? JobCause.Recovery : JobCause.Schedule, plan.Every / 2, cancellationToken);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                NotBegun(job, FailureWords.Of(e, LongestFailure)); // the store is away or locked: the next time makes up for it
                return;
            }

            if (start.RunId is { } run)
            {
                await CarryOutAsync(job, run, null, cancellationToken);
                return;
            }

            if (!start.IsBusy)
            {
                NotDue(job);
                return;
            }

            if (waited.Elapsed > IJobRuns.Silence + IJobRuns.SayEvery)
            {
                StillBusy(job);
                return;
            }

            await Task.Delay(AskAgain, cancellationToken);
        }
    }

    /// <summary>Because somebody asked for it, if no other run is under way.</summary>
    public async Task RunRequestedAsync(string job, string requestId, CancellationToken cancellationToken)
    {
        if ((await runs.StartAsync(job, Worker, JobCause.Request, null, cancellationToken)).RunId is { } run)
            await CarryOutAsync(job, run, requestId, cancellationToken);
    }

    private async Task CarryOutAsync(string job, string run, string? requestId, CancellationToken cancellationToken)
    {
        using var mine = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var ended = new CancellationTokenSource();
        var began = Stopwatch.StartNew();
        var saying = SayAsync(job, run, mine, ended.Token);
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var report = await JobWorks.Of(job, scope.ServiceProvider).RunAsync(mine.Token);
            await EndAsync(report.WantsAttention ? JobOutcome.Attention : JobOutcome.Done, report.Did, null);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await EndAsync(JobOutcome.Stopped, null, "its worker was told to stop");
            throw; // the schedule hands it to another
        }
        catch (OperationCanceledException) when (mine.IsCancellationRequested)
        {
            // Another has it, or may have.
        }
        catch (Exception e)
        {
            Failed(e, job);
            await EndAsync(JobOutcome.Failed, null, FailureWords.Of(e, LongestFailure));
        }
        finally
        {
            await ended.CancelAsync();
            await saying;
        }

        async Task EndAsync(JobOutcome outcome, string? did, string? failure)
        {
            metrics.Ended(job, outcome, began.Elapsed);
            for (var attempt = 0; ; attempt++)
            {
                try
                {
                    await runs.EndAsync(run, outcome, did, failure, requestId, CancellationToken.None);
                    return;
                }
                catch (Exception e) when (attempt < EndAgain.Length)
                {
                    NotNoted(e, job);
                    await Task.Delay(EndAgain[attempt], CancellationToken.None);
                }
                catch (Exception e)
                {
                    NotNoted(e, job); // it is taken for lost, and done once more
                    return;
                }
            }
        }
    }

    private async Task SayAsync(string job, string run, CancellationTokenSource mine, CancellationToken ended)
    {
        using var timer = new PeriodicTimer(IJobRuns.SayEvery);
        var said = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                await timer.WaitForNextTickAsync(ended);
                if (!await runs.SayAsync(run, ended))
                {
                    TakenForLost(job);
                    await mine.CancelAsync();
                    return;
                }

                said.Restart();
            }
            catch (OperationCanceledException) when (ended.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                NotSaid(e, job);
            }

            // Before anybody else may begin: the last word went out at its start at the earliest.
            if (said.Elapsed < IJobRuns.Silence - IJobRuns.SayEvery)
                continue;
            TakenForLost(job);
            await mine.CancelAsync();
            return;
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "The job {Job} is not known to this version: it is left to a worker that knows it")]
    private partial void Unknown(string job);

    [LoggerMessage(2, LogLevel.Warning, "The job {Job} came up long before it was due and was not run: is this machine's clock ahead of the others'?")]
    private partial void NotDue(string job);

    [LoggerMessage(3, LogLevel.Information, "The job {Job} is still under way from the last time; this time is left out")]
    private partial void StillBusy(string job);

    [LoggerMessage(4, LogLevel.Error, "The job {Job} failed")]
    private partial void Failed(Exception e, string job);

    [LoggerMessage(8, LogLevel.Error, "The job {Job} could not be begun, and is left out until it is due again: {Why}")]
    private partial void NotBegun(string job, string why);

    [LoggerMessage(5, LogLevel.Warning, "What came of the job {Job} could not be noted")]
    private partial void NotNoted(Exception e, string job);

    [LoggerMessage(6, LogLevel.Warning, "The store could not be told that the job {Job} is under way")]
    private partial void NotSaid(Exception e, string job);

    [LoggerMessage(7, LogLevel.Error, "The job {Job} is broken off: this worker could not be heard of for so long that another may have begun it")]
    private partial void TakenForLost(string job);
}
