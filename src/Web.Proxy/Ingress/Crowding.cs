using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>
/// Tells when more comes than this process can serve. Every 50 ms a byte is sent the way of all calls; where for a whole
/// second none got through in <see cref="ProxyOptions.ShedAfter"/>, calls would only wait, longer and longer: new ones are refused until one gets through. A moment
/// in which all stood still (a collection of garbage, a neighbour on the machine) is none of that.
/// </summary>
/// <remarks>The least wait of an interval rather than the mean, as in CoDel (RFC 8289): a queue that empties now and then is no overload.</remarks>
internal sealed class Crowding(IOptions<ProxyOptions> options) : IHostedService, IDisposable
{
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly TimeSpan _limit = options.Value.ShedAfter;
    private readonly ManualResetEventSlim _stopped = new();
    private Thread? _thread;
    private long _queuedAt; // of the probe that waits; 0 where none does
    private long _quickAt = Stopwatch.GetTimestamp(); // when one last got through soon enough

    private volatile bool _tooMany;

    /// <summary>Null until the first probe, and where the system gives none.</summary>
    internal CallPath? Path { get; private set; }

    /// <summary>New calls are to be refused.</summary>
    public bool TooMany => _tooMany;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        Interlocked.Exchange(ref _quickAt, Stopwatch.GetTimestamp()); // what starts before it may have taken long
        // A thread of its own: it must not wait in the queue that it measures.
        _thread = new Thread(Watch) { IsBackground = true, Name = "Crowding" };
        _thread.Start();
        return Task.CompletedTask;
    }

    private void Watch()
    {
        while (!_stopped.Wait(Every))
            if (Look(Stopwatch.GetTimestamp()))
                Probe();
    }

    private void Probe()
    {
        try
        {
            (Path ??= new CallPath(() => Through(Stopwatch.GetTimestamp()))).Send();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // A broken connection, or no descriptor for one: the next probe makes another. What nobody can measure refuses nobody.
            Path?.Dispose();
            Path = null;
            Through(Interlocked.Read(ref _queuedAt));
        }
    }

    /// <summary>One look at the queue.</summary>
    /// <param name="now">Of <see cref="Stopwatch"/>.</param>
    /// <returns>No probe waits there: the next is to be put into it.</returns>
    internal bool Look(long now)
    {
        _tooMany = Stopwatch.GetElapsedTime(Interlocked.Read(ref _quickAt), now) > Interval + _limit;
        return Interlocked.CompareExchange(ref _queuedAt, now, 0) == 0;
    }

    /// <summary>The probe's turn has come.</summary>
    internal void Through(long now)
    {
        if (Stopwatch.GetElapsedTime(Interlocked.Exchange(ref _queuedAt, 0), now) <= _limit)
            Interlocked.Exchange(ref _quickAt, now);
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        _stopped.Set();
        _thread?.Join();
        Path?.Dispose();
        _tooMany = false;
        return Task.CompletedTask;
    }

    public void Dispose() => _stopped.Dispose();
}
