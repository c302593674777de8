using Tokonomics.Domain.RateLimits;
using Tokonomics.Infrastructure.Redis;

namespace Tokonomics.Infrastructure.RateLimits;

/// <summary>What one key, or one tenant in one environment, has used on this node. Everything in it is guarded by <see cref="Sync"/>.</summary>
internal sealed class LimitScope(SharedScope? shared)
{
    public Lock Sync { get; } = new();

    public SlidingWindow Requests { get; } = new();

    public SlidingWindow Tokens { get; } = new();

    public int Running { get; set; }

    /// <summary>Questions to other nodes whose answers will be entered here.</summary>
    public int Asking { get; set; }

    /// <summary>Tidied away: whoever found it before looks it up anew.</summary>
    public bool Retired { get; set; }

    /// <summary>The part that nodes share; null where there is one node.</summary>
    public SharedScope? Shared { get; } = shared;
}

/// <summary>The limits of a scope as they apply to a call, the installation's own included; 0 is none.</summary>
internal readonly record struct ScopeLimits(long Requests, long Tokens, long Concurrent)
{
    public bool None => (Requests | Tokens | Concurrent) == 0;
}

/// <summary>Where one call is counted: the tenant, the key, or both. Locks are taken tenant first, which is the same for all calls.</summary>
internal readonly record struct CallScopes(LimitScope? Tenant, ScopeLimits TenantLimits, LimitScope? Key, ScopeLimits KeyLimits)
{
    public void Exit()
    {
        Key?.Sync.Exit();
        Tenant?.Sync.Exit();
    }

    public void Enter()
    {
        Tenant?.Sync.Enter();
        Key?.Sync.Enter();
    }
}

/// <summary>The record behind a ticket. Records are used again; <see cref="Turn"/> tells a ticket's call from the next one's.</summary>
internal sealed class Admission
{
    private int _turn;

    public int Turn => _turn;

    public LimitScope? Tenant { get; set; }

    public LimitScope? Key { get; set; }

    /// <summary>Of this node's clock.</summary>
    public long Second { get; set; }

    public long Tokens { get; set; }

    public SharedUse TenantUse { get; set; }

    public SharedUse KeyUse { get; set; }

    /// <summary>True for the first that asks with this turn, and never again.</summary>
    public bool TryEnd(int turn) => Interlocked.CompareExchange(ref _turn, turn + 1, turn) == turn;
}
