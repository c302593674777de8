using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Tokonomics.Application.Jobs;

namespace Tokonomics.Workers.Jobs;

/// <summary>What this worker's runs of jobs say to whoever watches it. Of several workers each knows its own runs: watch the latest of them all.</summary>
internal sealed class JobMetrics
{
    /// <summary>The name <c>job</c> is Prometheus's own.</summary>
    private const string JobTag = "tokonomics.job";

    private readonly TimeProvider _time;
    private readonly Counter<long> _runs;
    private readonly Histogram<double> _duration;
    private readonly ConcurrentDictionary<string, long> _endedWell = new(StringComparer.Ordinal); // unix milliseconds

    public JobMetrics(IMeterFactory meters, TimeProvider time)
    {
        _time = time;
        var meter = meters.Create("Tokonomics.Jobs");
        _runs = meter.CreateCounter<long>("tokonomics.jobs.runs", "{run}", "Runs of jobs that ended, by outcome.");
        _duration = meter.CreateHistogram(
            "tokonomics.jobs.duration", "s", "How long a run took.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600] });
        meter.CreateObservableGauge("tokonomics.jobs.last_success.time", EndedWell, "s", "When a run of the job last ended well, as unix time: in this process, or as the record of runs had it when this process started; where neither has one, that start.");
        meter.CreateObservableGauge("tokonomics.jobs.interval", static () => JobPlan.All.Select(p => new Measurement<double>(p.Every.TotalSeconds, Of(p.Name))), "s", "How often the job is due.");
    }

    /// <summary>Without this a job that fails from a worker's start on would have no time at all, and whoever waits for it to grow old would wait for ever.</summary>
    public void Began(IReadOnlyDictionary<string, DateTimeOffset> lastEndedWell)
    {
        foreach (var plan in JobPlan.All)
            _endedWell.TryAdd(plan.Name, (lastEndedWell.TryGetValue(plan.Name, out var at) ? at : _time.GetUtcNow()).ToUnixTimeMilliseconds());
    }

    public void Ended(string job, JobOutcome outcome, TimeSpan took)
    {
        if (outcome is JobOutcome.Done or JobOutcome.Attention)
            _endedWell[job] = _time.GetUtcNow().ToUnixTimeMilliseconds();
        _runs.Add(1, Of(job), new("tokonomics.job.outcome", outcome.ToString().ToLowerInvariant()));
        _duration.Record(took.TotalSeconds, Of(job));
    }

    private IEnumerable<Measurement<double>> EndedWell() => _endedWell.Select(e => new Measurement<double>(e.Value / 1000.0, Of(e.Key)));

    private static KeyValuePair<string, object?> Of(string job) => new(JobTag, job);
}
