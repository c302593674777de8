using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Tokonomics.Infrastructure.Telemetry;

/// <summary>Asks the store every few seconds whether it answers, where somebody wants to know: <c>tokonomics.store.up</c>. A scrape itself must not wait for a database that is away.</summary>
internal sealed partial class StorePulse : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(10);

    private readonly ISqlStore _store;
    private readonly ILogger<StorePulse> _log;
    private long _tookTicks = -1; // below zero: it didn't answer
    private volatile bool _asked;

    public StorePulse(ISqlStore store, IMeterFactory meters, ILogger<StorePulse> log)
    {
        (_store, _log) = (store, log);
        var meter = meters.Create("Tokonomics.Store");
        meter.CreateObservableGauge("tokonomics.store.up", Up, null, "1 while the store answers this process, 0 while it doesn't; asked every 10 s.");
        meter.CreateObservableGauge("tokonomics.store.roundtrip", RoundTrip, "s", "How long the store took to answer the smallest question; absent while it doesn't answer.");
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every);
        do
        {
            var began = Stopwatch.GetTimestamp();
            try
            {
                await using var connection = _store.Open();
                await using var command = connection.CreateCommand();
                command.CommandText = "SELECT 1";
                await command.ExecuteScalarAsync(stoppingToken);
                Interlocked.Exchange(ref _tookTicks, Stopwatch.GetElapsedTime(began).Ticks);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                if (Interlocked.Exchange(ref _tookTicks, -1) >= 0 || !_asked)
                    NotAnswered(e.Message);
            }

            _asked = true;
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private Measurement<int>[] Up() => _asked ? [new(Interlocked.Read(ref _tookTicks) >= 0 ? 1 : 0)] : [];

    private Measurement<double>[] RoundTrip() => Interlocked.Read(ref _tookTicks) is >= 0 and var ticks ? [new(new TimeSpan(ticks).TotalSeconds)] : [];

    [LoggerMessage(Level = LogLevel.Warning, Message = "The store doesn't answer: {Reason}")]
    private partial void NotAnswered(string reason);
}
