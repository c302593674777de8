using System.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Journal;

namespace Tokonomics.Infrastructure.InProcess;

/// <summary>Settings under <c>Recorder</c>.</summary>
public sealed class RecorderOptions
{
    /// <summary>Above so many waiting events nothing more is admitted. 1,000 to 10,000,000; an event takes about 1 kB.</summary>
    public int MaxWaiting { get; set; } = 100_000;

    /// <summary>Events in one transaction at most. 1 to 10,000.</summary>
    public int BatchSize { get; set; } = 1000;

    /// <summary>How long the first event of a batch waits for others. 1 ms to 10 s.</summary>
    public TimeSpan BatchDelay { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>How long a stopping host waits for the store to take what is left. 1 s to 10 min.</summary>
    public TimeSpan ShutdownTimeout { get; set; } = TimeSpan.FromSeconds(30);

    internal string? Problem() =>
        MaxWaiting is < 1000 or > 10_000_000 ? $"Recorder:MaxWaiting is {MaxWaiting}; it must be 1000 to 10000000."
        : BatchSize is < 1 or > 10_000 ? $"Recorder:BatchSize is {BatchSize}; it must be 1 to 10000."
        : BatchDelay < TimeSpan.FromMilliseconds(1) || BatchDelay > TimeSpan.FromSeconds(10) ? $"Recorder:BatchDelay is {BatchDelay}; it must be 1 ms to 10 s."
        : ShutdownTimeout < TimeSpan.FromSeconds(1) || ShutdownTimeout > TimeSpan.FromMinutes(10) ? $"Recorder:ShutdownTimeout is {ShutdownTimeout}; it must be 1 s to 10 min."
        : null;
}

/// <summary>
/// The journal, and one writer that takes from it to the ledger. A batch that the store refuses is tried again, later and later, until it is taken:
/// the ledger leaves out what it has, so a batch whose commit was lost on the way back does no harm. What is not taken before the process ends is
/// taken after its next start.
/// </summary>
public sealed partial class UsageRecorder : BackgroundService, IUsageRecorder
{
    /// <summary>For <c>AddMeter</c>.</summary>
    public const string MeterName = "Tokonomics.Ledger";

    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan TidyEvery = TimeSpan.FromMilliseconds(50);

    private readonly IUsageLedger _ledger;
    private readonly CallJournal _journal;
    private readonly IPriceVersions? _prices;
    private readonly RecorderOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<UsageRecorder> _log;
    private readonly Meter _meter;
    private readonly Counter<long> _written;
    private readonly Counter<long> _repeated;
    private readonly Counter<long> _failures;
    private long _recorded;
    private long _settled;
    private long _oldest; // UTC ticks of when the first event of the batch at hand ended; 0 where there is none

    // Above zero at shutdown and in FlushAsync: the batch at hand then waits for no more events.
    private int _hurry;
    private bool _started;
    private readonly CancellationTokenSource _abandon = new();
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="prices">For the estimated cost of calls that a killed process left open; null where they stay unpriced.</param>
    public UsageRecorder(IUsageLedger ledger, CallJournal journal, IOptions<RecorderOptions> options, TimeProvider time, IMeterFactory meters, ILogger<UsageRecorder> log, IPriceVersions? prices = null)
    {
        (_ledger, _journal, _options, _time, _log, _prices) = (ledger, journal, options.Value, time, log, prices);
        if (_options.Problem() is { } problem)
            throw new InvalidOperationException(problem);
        _meter = meters.Create(MeterName);
        _written = _meter.CreateCounter<long>("tokonomics.ledger.events", "{event}", "Events that the ledger took.");
        _repeated = _meter.CreateCounter<long>("tokonomics.ledger.repeated", "{event}", "Events that the ledger had already.");
        _failures = _meter.CreateCounter<long>("tokonomics.ledger.failures", "{batch}", "Batches that the store refused; each is tried again.");
        _meter.CreateObservableGauge("tokonomics.ledger.waiting", () => Waiting, "{event}", "Events that wait for the ledger.");
        _meter.CreateObservableGauge("tokonomics.journal.open", () => _journal.OpenCalls, "{call}", "Calls that run.");
        _meter.CreateObservableGauge("tokonomics.journal.writable", () => _journal.Writable ? 1 : 0, null, "1 while the journal can be written; at 0 no call is admitted.");
        _meter.CreateObservableGauge("tokonomics.journal.size", () => _journal.Bytes, "By", "The journal's files together, those that are set aside included.");
        _meter.CreateObservableGauge("tokonomics.journal.limit", () => _journal.MaxBytes, "By", "What the journal's files may be together; past it no call is admitted.");
        _meter.CreateObservableGauge("tokonomics.ledger.waiting.limit", () => _options.MaxWaiting, "{event}", "With so many events waiting no call is admitted.");
        _meter.CreateObservableGauge("tokonomics.ledger.lag", () => Lag.TotalSeconds, "s", "How long ago the oldest call ended whose event is not in the ledger yet; 0 where none waits.");
    }

    public bool Accepting => _journal.Writable && Waiting < _options.MaxWaiting;

    public bool JournalWritable => _journal.Writable;

    /// <summary>Events recorded and not yet in the ledger.</summary>
    public long Waiting => Interlocked.Read(ref _recorded) - Interlocked.Read(ref _settled);

    /// <summary>How long ago the oldest call ended whose event is not in the ledger yet; zero where none waits.</summary>
    public TimeSpan Lag => Interlocked.Read(ref _oldest) is > 0 and var ended && _time.GetUtcNow().UtcTicks - ended is > 0 and var age ? new TimeSpan(age) : TimeSpan.Zero;

    public CallTicket Admit(in CallAdmission admission, bool sent) => _journal.Admit(admission, sent);

    public bool Sent(CallTicket ticket, int attempt) => _journal.Sent(ticket, attempt);

    public bool Extend(CallTicket ticket, NanoUsd upperBound, IReadOnlyList<BudgetCharge> charges) => _journal.Extend(ticket, upperBound, charges);

    public void Progress(CallTicket ticket, in TokenUsage usage) => _journal.Progress(ticket, usage);

    public void Void(CallTicket ticket) => _journal.Void(ticket);

    public void Record(UsageEvent usage) => Record(usage, default, last: true);

    public void Record(UsageEvent usage, CallTicket ticket, bool last)
    {
        Interlocked.Increment(ref _recorded);
        if (_journal.Settle(usage, ticket, last))
            return;
        Interlocked.Increment(ref _settled);
        // Only after the recorder is gone: hosts stop taking requests before that.
        throw new InvalidOperationException($"{usage.RequestId}/{usage.Attempt} was recorded after the recorder had stopped; it is not in the ledger.");
    }

    /// <summary>Reads the journal before the host takes requests: what an earlier process left goes to the ledger first.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        var left = await Task.Run(() => _journal.Open(_prices), cancellationToken);
        Interlocked.Add(ref _recorded, left);
        _started = true;
        _opened.SetResult();
        await base.StartAsync(cancellationToken);
    }

    /// <summary>Completes when everything recorded before it is in the ledger, what an earlier process left included.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        // Before the journal is read nobody knows what an earlier process left: who asks so soon would be told that it is nothing.
        await _opened.Task.WaitAsync(cancellationToken);
        var upTo = Interlocked.Read(ref _recorded);
        Interlocked.Increment(ref _hurry);
        try
        {
            while (Interlocked.Read(ref _settled) < upTo)
                await Task.Delay(TimeSpan.FromMilliseconds(5), cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _hurry);
        }
    }

    /// <summary>Waits for the store to take the events that wait. One that is recorded later stays in the journal for the next start.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _hurry);
        _journal.CompleteShipping();
        if (ExecuteTask is { } running)
        {
            try
            {
                await running.WaitAsync(_options.ShutdownTimeout, _time, CancellationToken.None);
            }
            catch (TimeoutException)
            {
                Abandoned(Waiting);
                await _abandon.CancelAsync();
            }
        }

        await base.StopAsync(cancellationToken);
    }

    // Not by the host's stopping token: the host's stop is the time to write everything, not to leave off.
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        using var shipped = CancellationTokenSource.CreateLinkedTokenSource(_abandon.Token);
        var tidying = TidyAsync(shipped.Token);
        try
        {
            await ShipAsync();
        }
        catch (OperationCanceledException) when (_abandon.IsCancellationRequested)
        {
            // Said in StopAsync, with the number of events.
        }
        finally
        {
            await shipped.CancelAsync();
            await tidying;
        }
    }

    private async Task ShipAsync()
    {
        var queue = _journal.ToShip;
        var batch = new List<Settled>(_options.BatchSize);
        while (await queue.WaitToReadAsync(_abandon.Token))
        {
            var due = _time.GetTimestamp();
            while (batch.Count < _options.BatchSize)
            {
                if (queue.TryRead(out var settled))
                {
                    // The first is the oldest of all that wait: they come in the order of the journal.
                    if (batch.Count == 0)
                        Interlocked.Exchange(ref _oldest, (settled.Event.At + settled.Event.Latency).UtcTicks);
                    batch.Add(settled);
                }
                else if (Volatile.Read(ref _hurry) > 0 || _time.GetElapsedTime(due) >= _options.BatchDelay)
                    break;
                else
                    await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(10, _options.BatchDelay.TotalMilliseconds)), _abandon.Token);
            }

            await WriteAsync(batch.ConvertAll(s => s.Event));
            _journal.Shipped(batch);
            Interlocked.Exchange(ref _oldest, 0);
            Interlocked.Add(ref _settled, batch.Count);
            batch.Clear();
        }
    }

    private async Task TidyAsync(CancellationToken cancellationToken)
    {
        // By the machine's clock, whatever the tests' says: it is about the disk.
        using var timer = new PeriodicTimer(TidyEvery);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                try
                {
                    _journal.Tidy();
                }
                catch (Exception e) when (e is not OutOfMemoryException)
                {
                    NotTidied(e); // Whatever it was, the next tick tries again.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Everything is shipped, or the host gave up.
        }
    }

    // Calls come before the ledger while it keeps up with them. Where it falls behind it is as urgent as they are: with too much waiting none is admitted.
    private bool NobodyWaits => Volatile.Read(ref _hurry) == 0 && Waiting <= 2 * _options.BatchSize;

    private async Task WriteAsync(List<UsageEvent> batch)
    {
        for (var wait = FirstRetry; ; wait = wait * 2 < LongestRetry ? wait * 2 : LongestRetry)
        {
            try
            {
                var added = await (NobodyWaits ? _ledger.AppendBehindCallsAsync(batch, _abandon.Token) : _ledger.AppendAsync(batch, _abandon.Token));
                _written.Add(added);
                _repeated.Add(batch.Count - added);
                return;
            }
            catch (Exception e) when (!_abandon.IsCancellationRequested)
            {
                // Whatever the store's reason is, the events are here and in the journal until it takes them.
                _failures.Add(1);
                Refused(e, batch.Count, Waiting, wait);
            }

            await Task.Delay(wait, _abandon.Token);
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        // Only now: calls that the host cut off record their events until it has stopped.
        if (_started)
            _journal.Finish();
        _started = false;
        _abandon.Dispose();
        _meter.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The ledger didn't take {Count} events ({Waiting} wait); trying again in {Wait}")]
    private partial void Refused(Exception e, int count, long waiting, TimeSpan wait);

    [LoggerMessage(Level = LogLevel.Error, Message = "The store took too long at shutdown: {Waiting} events wait in the journal for the next start")]
    private partial void Abandoned(long waiting);

    [LoggerMessage(Level = LogLevel.Error, Message = "The journal could not be tidied; trying again")]
    private partial void NotTidied(Exception e);
}
