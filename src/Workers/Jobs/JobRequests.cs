using System.Collections.Concurrent;
using Tokonomics.Application.Jobs;

namespace Tokonomics.Workers.Jobs;

/// <summary>Looks every two seconds for jobs that somebody wants run now, and for runs whose worker is silent. Any number of workers may: of each job one begins.</summary>
internal sealed partial class JobRequests(IJobRuns runs, JobRunner runner, ILogger<JobRequests> log) : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, Task> _running = new();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        for (var failed = false; !stoppingToken.IsCancellationRequested;)
        {
            try
            {
                foreach (var (job, request) in await runs.LookAsync(stoppingToken))
                    if (JobWorks.Knows(job) && !_running.ContainsKey(job))
                        Begin(job, request, stoppingToken);
                failed = false;
            }
            catch (Exception e) when (e is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
            {
                // The store is away, most likely; said once.
                if (!failed)
                    NotYet(e);
                failed = true;
            }

            await Task.Delay(failed ? AfterFailure : LookEvery, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await Task.WhenAll(_running.Values).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void Begin(string job, string request, CancellationToken stoppingToken)
    {
        // Added before it begins: it takes itself away at its end.
        var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _running[job] = RunAsync();
        begin.SetResult();

        async Task RunAsync()
        {
            await begin.Task;
            try
            {
                await runner.RunRequestedAsync(job, request, stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                NotYet(e);
            }
            catch (OperationCanceledException)
            {
                // The host stops; another worker takes it.
            }
            finally
            {
                _running.TryRemove(job, out _);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Jobs that were asked for could not be looked for; trying again")]
    private partial void NotYet(Exception e);
}
