using Microsoft.Extensions.Hosting;
using Tokonomics.Application.Keys;
using Tokonomics.Application.RateLimits;

namespace Tokonomics.Infrastructure.RateLimits;

/// <summary>The limits of a single node, in memory: exact, and forgotten when it restarts.</summary>
internal sealed class InProcessRateLimiter(RateLimitOptions options, TimeProvider time) : BackgroundService, IRateLimiter
{
    private static readonly TimeSpan SweepEvery = TimeSpan.FromSeconds(10);

    private readonly NodeLimits _node = new(options, time);

    /// <summary>Keys and tenants in memory.</summary>
    public int Count => _node.Scopes.Count();

    public ValueTask<RateVerdict> EnterAsync(KeySnapshot key, long estimatedTokens)
    {
        if (!_node.TryLock(key, out var scopes))
            return default;
        try
        {
            // A call uses something: without that, a window that is overdrawn would let calls of unknown size through.
            return new ValueTask<RateVerdict>(_node.Take(scopes, Math.Max(1, estimatedTokens), nodes: 1));
        }
        finally
        {
            scopes.Exit();
        }
    }

    public void Leave(RateTicket ticket, long? actualTokens) => _node.End(ticket, actualTokens, sent: true);

    public void Cancel(RateTicket ticket) => _node.End(ticket, null, sent: false);

    public void Sweep() => _node.Sweep();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(SweepEvery, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
            Sweep();
    }
}
