using Tokonomics.Domain.RateLimits;

namespace Tokonomics.Infrastructure.RateLimits;

/// <summary>Settings under <c>RateLimits</c>.</summary>
public sealed class RateLimitOptions
{
    /// <summary>For keys that have no such limit of their own. Empty for none, as below.</summary>
    public long? KeyRequestsPerMinute { get; set; }

    /// <summary>For keys that have no such limit of their own: input and output tokens.</summary>
    public long? KeyTokensPerMinute { get; set; }

    /// <summary>For keys that have no such limit of their own.</summary>
    public int? KeyConcurrentRequests { get; set; }

    /// <summary>For tenants that have no such limit of their own: over all their keys, live and test apart.</summary>
    public long? TenantRequestsPerMinute { get; set; }

    /// <summary>For tenants that have no such limit of their own.</summary>
    public long? TenantTokensPerMinute { get; set; }

    /// <summary>For tenants that have no such limit of their own.</summary>
    public int? TenantConcurrentRequests { get; set; }

    /// <summary>With Redis: at least so many nodes share the limits. While Redis is away each takes its share, by this number or by the last that Redis knew if that is larger. 1 to 1000.</summary>
    public int Nodes { get; set; } = 1;

    internal string? Problem() =>
        new CallLimits(KeyRequestsPerMinute, KeyTokensPerMinute, KeyConcurrentRequests).Problem() is { } key ? $"RateLimits:Key…: {key}"
        : new CallLimits(TenantRequestsPerMinute, TenantTokensPerMinute, TenantConcurrentRequests).Problem() is { } tenant ? $"RateLimits:Tenant…: {tenant}"
        : Nodes is < 1 or > 1000 ? $"RateLimits:Nodes is {Nodes}; it must be 1 to 1000."
        : null;
}
