using System.Collections.Concurrent;
using Tokonomics.Application.Keys;
using Tokonomics.Application.RateLimits;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Infrastructure.Redis;

namespace Tokonomics.Infrastructure.RateLimits;

/// <summary>
/// This node's own count of every key and tenant that has a limit: the whole truth where there is one node, and what a node goes by while it can't
/// ask the others. A call takes the locks of its tenant and its key for some hundred nanoseconds, looks at all limits, and takes from all or none.
/// </summary>
/// <remarks>Memory: about 1.2 kB for each key or tenant that was used in the last minute; <see cref="Sweep"/> lets go of the others.</remarks>
internal sealed class NodeLimits(RateLimitOptions options, TimeProvider time)
{
    private const int PooledAdmissions = 10_000;

    private readonly ConcurrentDictionary<string, LimitScope> _keys = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string TenantId, KeyEnvironment), LimitScope> _tenants = new();
    private readonly ConcurrentQueue<Admission> _pool = new();
    private readonly long _origin = time.GetTimestamp();

    /// <summary>Makes what is shared of a scope, by tenant, environment and, for a key's scope, the key's id; null where nothing is.</summary>
    public Func<string, KeyEnvironment, string?, SharedScope>? Share { get; init; }

    public IEnumerable<LimitScope> Scopes => _tenants.Values.Concat(_keys.Values);

    /// <summary>Of a clock that nobody sets.</summary>
    public long Second => (time.GetTimestamp() - _origin) / time.TimestampFrequency;

    /// <summary>Finds where a call is counted and takes the locks: <see cref="CallScopes.Exit"/> must follow. False, and no lock, where no limit applies.</summary>
    public bool TryLock(KeySnapshot key, out CallScopes scopes)
    {
        var tenantLimits = Applying(key.Tenant.Limits, options.TenantRequestsPerMinute, options.TenantTokensPerMinute, options.TenantConcurrentRequests);
        var keyLimits = Applying(key.Limits, options.KeyRequestsPerMinute, options.KeyTokensPerMinute, options.KeyConcurrentRequests);
        if (tenantLimits.None && keyLimits.None)
        {
            scopes = default;
            return false;
        }

        while (true)
        {
            scopes = new CallScopes(tenantLimits.None ? null : TenantScope(key), tenantLimits, keyLimits.None ? null : KeyScope(key), keyLimits);
            scopes.Enter();
            if (scopes.Tenant is not { Retired: true } && scopes.Key is not { Retired: true })
                return true;
            scopes.Exit();
        }
    }

    private static ScopeLimits Applying(CallLimits? own, long? requests, long? tokens, int? concurrent) =>
        new(own?.RequestsPerMinute ?? requests ?? 0, own?.TokensPerMinute ?? tokens ?? 0, own?.ConcurrentRequests ?? concurrent ?? 0);

    private LimitScope TenantScope(KeySnapshot key) => _tenants.TryGetValue((key.Tenant.Id, key.Environment), out var scope)
        ? scope
        : _tenants.GetOrAdd((key.Tenant.Id, key.Environment), static (id, share) => new LimitScope(share?.Invoke(id.TenantId, id.Item2, null)), Share);

    private LimitScope KeyScope(KeySnapshot key) => _keys.TryGetValue(key.Id, out var scope)
        ? scope
        : _keys.GetOrAdd(key.Id, static (id, made) => new LimitScope(made.Share?.Invoke(made.key.Tenant.Id, made.key.Environment, id)), (Share, key));

    /// <summary>Takes a call from this node's count alone, its limits divided among so many nodes. Under the locks.</summary>
    public RateVerdict Take(in CallScopes scopes, long tokens, int nodes)
    {
        var second = Second;
        var refusal = scopes.Tenant is null ? null : Refuse(scopes.Tenant, scopes.TenantLimits, RateScope.Tenant, second, tokens, nodes, null);
        refusal = scopes.Key is null ? refusal : Refuse(scopes.Key, scopes.KeyLimits, RateScope.Key, second, tokens, nodes, refusal);
        var ticket = refusal is null ? Admit(scopes, tokens) : default;
        return new RateVerdict(
            ticket,
            RateStanding.Tighter(Standing(scopes.Key?.Requests, scopes.KeyLimits.Requests, second, nodes), Standing(scopes.Tenant?.Requests, scopes.TenantLimits.Requests, second, nodes)),
            RateStanding.Tighter(Standing(scopes.Key?.Tokens, scopes.KeyLimits.Tokens, second, nodes), Standing(scopes.Tenant?.Tokens, scopes.TenantLimits.Tokens, second, nodes)),
            refusal);
    }

    /// <summary>Counts a call that may go, whoever decided so. Under the locks.</summary>
    public RateTicket Admit(in CallScopes scopes, long tokens, SharedUse tenantUse = default, SharedUse keyUse = default)
    {
        if (!_pool.TryDequeue(out var admission))
            admission = new Admission();
        var second = Second;
        (admission.Tenant, admission.Key, admission.Second, admission.Tokens) = (scopes.Tenant, scopes.Key, second, tokens);
        (admission.TenantUse, admission.KeyUse) = (tenantUse, keyUse);
        Count(scopes.Tenant);
        Count(scopes.Key);
        return new RateTicket(admission, admission.Turn);

        void Count(LimitScope? scope)
        {
            if (scope is null)
                return;
            scope.Requests.Add(second, 1);
            scope.Tokens.Add(second, tokens);
            scope.Running++;
        }
    }

    /// <summary>Ends an admission, once. The request itself is given back only where <paramref name="sent"/> is false.</summary>
    public void End(RateTicket ticket, long? actualTokens, bool sent)
    {
        if (ticket.Admission is not Admission admission || !admission.TryEnd(ticket.Turn))
            return;
        var second = Second;
        var scopes = new CallScopes(admission.Tenant, default, admission.Key, default);
        var change = (sent ? Math.Max(0, actualTokens ?? admission.Tokens) : 0) - admission.Tokens;
        scopes.Enter();
        Uncount(scopes.Tenant, admission.TenantUse);
        Uncount(scopes.Key, admission.KeyUse);
        scopes.Exit();
        (admission.Tenant, admission.Key) = (null, null);
        if (_pool.Count < PooledAdmissions)
            _pool.Enqueue(admission);

        void Uncount(LimitScope? scope, SharedUse use)
        {
            if (scope is null)
                return;
            scope.Running--;
            if (change < 0)
                scope.Tokens.TakeBack(admission.Second, -change);
            else if (change > 0)
                scope.Tokens.Add(second, change); // it was used now rather than then, and may exceed the limit: nothing is admitted until it has left
            if (!sent)
                scope.Requests.TakeBack(admission.Second, 1);
            scope.Shared?.End(use, change, sent);
        }
    }

    /// <summary>Lets go of keys and tenants that have nothing in their windows and nothing running.</summary>
    public void Sweep()
    {
        var second = Second;
        foreach (var (id, scope) in _keys)
            if (Retire(scope))
                _keys.TryRemove(KeyValuePair.Create(id, scope));
        foreach (var (id, scope) in _tenants)
            if (Retire(scope))
                _tenants.TryRemove(KeyValuePair.Create(id, scope));

        bool Retire(LimitScope scope)
        {
            lock (scope.Sync)
                return scope.Retired = scope is { Running: 0, Asking: 0 } && scope.Requests.Used(second) == 0 && scope.Tokens.Used(second) == 0 && scope.Shared is not { IsIdle: false };
        }
    }

    /// <summary>A limit's share of one node: never nothing, or a small limit would be a closed door.</summary>
    public static long ShareOf(long limit, int nodes) => Math.Max(1, limit / nodes);

    // Of several limits that refuse, the one that takes longest: who came back sooner would be refused again.
    private static RateRefusal? Refuse(LimitScope scope, in ScopeLimits limits, RateScope of, long second, long tokens, int nodes, RateRefusal? other)
    {
        if (limits.Requests > 0 && scope.Requests.Used(second) + 1 - ShareOf(limits.Requests, nodes) is > 0 and var requests)
            other = Longer(other, new RateRefusal(of, RateKind.Requests, limits.Requests, TimeSpan.FromSeconds(scope.Requests.SecondsUntilFree(requests))));
        if (limits.Tokens > 0 && scope.Tokens.Used(second) + tokens - ShareOf(limits.Tokens, nodes) is > 0 and var over)
            other = Longer(other, new RateRefusal(of, RateKind.Tokens, limits.Tokens, tokens > limits.Tokens ? null : TimeSpan.FromSeconds(scope.Tokens.SecondsUntilFree(over))));
        if (limits.Concurrent > 0 && scope.Running >= ShareOf(limits.Concurrent, nodes))
            other = Longer(other, new RateRefusal(of, RateKind.Concurrency, limits.Concurrent, TimeSpan.FromSeconds(1)));
        return other;
    }

    public static RateRefusal? Longer(RateRefusal? one, RateRefusal? other) =>
        one is null ? other : other is null || one.RetryAfter is null || (other.RetryAfter is { } wait && one.RetryAfter >= wait) ? one : other;

    private static RateStanding Standing(SlidingWindow? window, long limit, long second, int nodes) =>
        window is null || limit == 0 ? default : new RateStanding(limit, Math.Max(0, ShareOf(limit, nodes) - window.Used(second)), window.SecondsUntilEmpty());
}
