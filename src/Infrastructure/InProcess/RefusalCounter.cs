using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Infrastructure.InProcess;

/// <summary>
/// Refusals in memory, and what takes them to the store. A count is kept until its hour is over and written: what the store has is always the whole count of
/// this run, so that a batch may be written again. Exact through an orderly stop; kill -9 loses what was counted in the last seconds.
/// </summary>
public sealed partial class RefusalCounter(IRefusals refusals, TimeProvider time, ILogger<RefusalCounter> log) : BackgroundService, IRefusalCounter
{
    private static readonly TimeSpan WriteEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastWrite = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<(string Tenant, KeyEnvironment Environment, long Hour, string Code, string Key), Cell> _cells = new();
    private readonly string _run = Guid.NewGuid().ToString("n")[..12];
    private readonly SemaphoreSlim _turn = new(1, 1);
    private long _latestHour;

    public void Count(string tenantId, KeyEnvironment environment, string keyId, string code)
    {
        while (!_cells.GetOrAdd((tenantId, environment, Hour(), code, keyId), static _ => new Cell()).Add())
        {
            // It was closed in this moment: its hour is long over.
        }
    }

    // A clock that goes back must not reach an hour that is written and forgotten.
    private long Hour()
    {
        var hour = time.GetUtcNow().UtcTicks / TimeSpan.TicksPerHour;
        for (var latest = Interlocked.Read(ref _latestHour); ; latest = Interlocked.Read(ref _latestHour))
        {
            if (hour <= latest)
                return latest;
            if (Interlocked.CompareExchange(ref _latestHour, hour, latest) == latest)
                return hour;
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(WriteEvery);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await TryWriteAsync(stoppingToken);
        }
        catch (OperationCanceledException)
        {
            // What is left is written when the host has stopped taking requests.
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        using var limit = new CancellationTokenSource(LastWrite);
        await TryWriteAsync(limit.Token);
    }

    /// <summary>Writes what was counted so far.</summary>
    public async Task WriteAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var due = _cells.Where(c => c.Value.Unwritten).Select(c => (c.Key, c.Value, c.Value.Calls)).ToList();
            await refusals.WriteAsync(_run, due.ConvertAll(d => new RefusalCount(d.Key.Tenant, d.Key.Environment, new DateTimeOffset(d.Key.Hour * TimeSpan.TicksPerHour, TimeSpan.Zero), d.Key.Code, d.Key.Key, d.Calls)), cancellationToken);
            foreach (var (_, cell, calls) in due)
                cell.Written(calls);
            var latest = Interlocked.Read(ref _latestHour);
            // Not the hour just over: somebody who read the clock before its end may still be about to count.
            foreach (var (key, cell) in _cells)
                if (key.Hour < latest - 1 && cell.Close())
                    _cells.TryRemove(key, out _);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task TryWriteAsync(CancellationToken cancellationToken)
    {
        try
        {
            await WriteAsync(cancellationToken);
        }
        catch (Exception e) when (e is not OutOfMemoryException && !(e is OperationCanceledException && ExecuteTask is { IsCompleted: false }))
        {
            NotWritten(e); // They are here, and written with the next.
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        _turn.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The counts of refused calls could not be written; trying again")]
    private partial void NotWritten(Exception e);

    private sealed class Cell
    {
        private readonly Lock _lock = new();
        private long _written;
        private bool _closed;

        public long Calls { get; private set; }

        public bool Unwritten => Calls > Interlocked.Read(ref _written);

        /// <summary>False where it is closed: who counts takes a new one, of the same hour at the latest.</summary>
        public bool Add()
        {
            lock (_lock)
            {
                if (_closed)
                    return false;
                Calls++;
                return true;
            }
        }

        public void Written(long calls) => Interlocked.Exchange(ref _written, calls);

        public bool Close()
        {
            lock (_lock)
                return _closed = Calls == _written;
        }
    }
}
