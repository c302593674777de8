using System.Collections.Concurrent;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Web.Proxy.Routing;

/// <summary>Counts weak signals in memory and brings them to the store every few seconds, where all nodes' add up; whoever's count tips the scale demotes the class.</summary>
/// <remarks>What a process that dies had not brought yet is lost: signals are hints, not accounts.</remarks>
internal sealed partial class QualitySignals(RoutingLearner learner, TimeProvider time, ILogger<QualitySignals> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    private ConcurrentDictionary<(RoutingPair Pair, TrafficClass Class, bool OfCandidate, WeakSignal? Signal), long> _counts = new();

    /// <param name="signal">Null: a call.</param>
    public void Add(RoutingPair pair, TrafficClass name, bool ofCandidate, WeakSignal? signal) => _counts.AddOrUpdate((pair, name, ofCandidate, signal), 1, static (_, count) => count + 1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await FlushAsync(stoppingToken);
        }
        catch (OperationCanceledException)
        {
            await FlushAsync(CancellationToken.None);
        }
    }

    /// <summary>Brings what was counted to the store.</summary>
    internal async Task FlushAsync(CancellationToken cancellationToken)
    {
        var counts = Interlocked.Exchange(ref _counts, new());
        foreach (var group in counts.GroupBy(c => c.Key.Pair))
        {
            try
            {
                await learner.SignalAsync(group.Key, [.. group.Select(c => new SignalCount(c.Key.Class, c.Key.OfCandidate, c.Key.Signal, c.Value))], cancellationToken);
            }
            catch (Exception e) when (e is not (OperationCanceledException or OutOfMemoryException))
            {
                foreach (var (name, times) in group)
                    _counts.AddOrUpdate(name, times, (_, count) => count + times);
                NotBrought(group.Key.RouteId, e);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Weak signals of route {Route} can't be brought to the store at the moment and are kept")]
    private partial void NotBrought(string route, Exception e);
}
