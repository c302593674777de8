using System.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Alerts;

/// <summary>Counts, where somebody listens, the deliveries of alerts that wait; by the index of those that are due, so that it costs as much as there are.</summary>
internal sealed partial class OutboxWatch : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(15);

    private readonly ISqlStore _store;
    private readonly TimeProvider _time;
    private readonly ILogger<OutboxWatch> _log;
    private readonly ObservableGauge<long> _waitingGauge;
    private long _waiting = -1; // not counted yet
    private long _overdueMicros;

    public OutboxWatch(ISqlStore store, TimeProvider time, IMeterFactory meters, ILogger<OutboxWatch> log)
    {
        (_store, _time, _log) = (store, time, log);
        var meter = meters.Create(AlertDeliveries.MeterName);
        _waitingGauge = meter.CreateObservableGauge("tokonomics.alerts.waiting", () => Counted(Interlocked.Read(ref _waiting)), "{delivery}", "Deliveries of alerts that have neither arrived nor been given up, of all workers; counted every 15 s.");
        meter.CreateObservableGauge("tokonomics.alerts.overdue", () => Counted(Interlocked.Read(ref _overdueMicros) / 1_000_000), "s", "How long the oldest delivery has been due that nobody has taken; 0 where none is.");
    }

    /// <summary>Of the last count.</summary>
    internal (long Waiting, TimeSpan Overdue) Counts => (Interlocked.Read(ref _waiting), TimeSpan.FromMicroseconds(Interlocked.Read(ref _overdueMicros)));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every);
        do
        {
            if (!_waitingGauge.Enabled)
                continue;
            try
            {
                await CountAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                Interlocked.Exchange(ref _waiting, -1); // what is not known is not shown
                NotCounted(e.Message);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    internal async Task CountAsync(CancellationToken cancellationToken)
    {
        await using var connection = _store.Open();
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT count(*), min(next_at) FROM alert_deliveries WHERE next_at IS NOT NULL";
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        // By this process's clock, like the times that those who carry write there.
        var since = reader.IsDBNull(1) ? 0 : UsageRow.Micros(_time.GetUtcNow()) - reader.GetInt64(1);
        Interlocked.Exchange(ref _overdueMicros, Math.Max(0, since));
        Interlocked.Exchange(ref _waiting, reader.GetInt64(0));
    }

    private Measurement<long>[] Counted(long value) => Interlocked.Read(ref _waiting) < 0 ? [] : [new(value)];

    [LoggerMessage(Level = LogLevel.Warning, Message = "The deliveries of alerts that wait could not be counted: {Reason}")]
    private partial void NotCounted(string reason);
}
