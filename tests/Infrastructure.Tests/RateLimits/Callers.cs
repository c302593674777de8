using Tokonomics.Application.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;

namespace Tokonomics.Tests.RateLimits;

/// <summary>Keys with limits, without a store.</summary>
internal static class Callers
{
    public static KeySnapshot Key(CallLimits? limits = null, CallLimits? tenant = null, string id = "key_1", string tenantId = "ten_1", KeyEnvironment environment = KeyEnvironment.Live) =>
        new() { Id = id, Limits = limits, Environment = environment, Tenant = new TenantSnapshot { Id = tenantId, Limits = tenant } };
}

/// <summary>A clock that stands until it is told to go on.</summary>
internal sealed class StandingClock : TimeProvider
{
    private long _ticks = TimeSpan.TicksPerDay;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public TimeSpan Elapsed => TimeSpan.FromTicks(_ticks - TimeSpan.TicksPerDay);

    public override long GetTimestamp() => Interlocked.Read(ref _ticks);

    public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
}
