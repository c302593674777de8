using System.Collections.Concurrent;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Web.Proxy.Routing;

/// <summary>
/// How the targets of routes have done of late, as this node saw it: whether they fail, and how soon they begin to answer. By tenant, since one's key may be refused and another's not; of routed
/// calls alone, so that there are no more than the routes name.
/// </summary>
internal sealed class TargetHealth
{
    // Of each answer's time, so much enters the mean: some ten answers are remembered.
    private const double Newest = 0.2;

    private readonly ConcurrentDictionary<(string TenantId, KeyEnvironment Environment, string Provider, string Model), Health> _targets = new();

    public Health Of(string tenantId, KeyEnvironment environment, string provider, string model) => _targets.GetOrAdd((tenantId, environment, provider, model), static _ => new Health());

    /// <summary>Of each target that was ever called: its provider, and whether calls are kept away from it.</summary>
    public IEnumerable<(string Provider, bool IsOpen)> Open(DateTimeOffset now)
    {
        foreach (var (target, health) in _targets)
            yield return (target.Provider, health.Breaker.IsOpen(now));
    }

    internal sealed class Health
    {
        private readonly Lock _turn = new();
        private double _latencyMs = double.NaN;

        public CircuitBreaker Breaker { get; } = new();

        /// <summary>Until its recent answers began; null where there were none.</summary>
        public TimeSpan? Latency
        {
            get
            {
                lock (_turn)
                    return double.IsNaN(_latencyMs) ? null : TimeSpan.FromMilliseconds(_latencyMs);
            }
        }

        public void Answered(TimeSpan after)
        {
            lock (_turn)
                _latencyMs = double.IsNaN(_latencyMs) ? after.TotalMilliseconds : (_latencyMs * (1 - Newest)) + (after.TotalMilliseconds * Newest);
        }
    }
}
