using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Caching;
using Tokonomics.Domain.RateLimits;

namespace Tokonomics.Domain.Tenants;

public enum TenantPlan
{
    Free,
    Pro,
}

public enum TenantStatus
{
    Active,

    /// <summary>Its keys are refused, its people can read.</summary>
    Suspended,
}

/// <summary>What becomes of a call whose client leaves before the answer has ended.</summary>
public enum DisconnectPolicy
{
    /// <summary>It is broken off at the provider: no more is generated, and what it used is an estimate, marked so.</summary>
    Cancel,

    /// <summary>The answer is read to its end without the client, within bounds: what it used is exact, and all of it is paid for.</summary>
    ReadOn,
}

/// <summary>What becomes of a call whose model has no price. Under a strict budget it is refused in any case: no cap could hold.</summary>
public enum UnpricedPolicy
{
    /// <summary>It is forwarded and recorded, its cost unknown and marked so.</summary>
    Record,

    /// <summary>It is refused: what can't be counted isn't spent.</summary>
    Refuse,
}

/// <summary>Who pays, and whose data stay apart from everyone else's.</summary>
public sealed class Tenant
{
    public required string Id { get; init; }

    public required string Name { get; set; }

    public TenantPlan Plan { get; set; }

    /// <summary>An IANA name; decides where the tenant's days and months begin.</summary>
    public required string TimeZone { get; set; }

    /// <summary>The time zones before <see cref="TimeZone"/>, as <see cref="BudgetCalendar.WriteEarlier"/> writes them.</summary>
    public string EarlierZones { get; set; } = "[]";

    public BudgetCalendar Calendar => BudgetCalendar.Read(TimeZone, EarlierZones);

    public TenantStatus Status { get; set; }

    public required DateTimeOffset CreatedAt { get; init; }

    public DisconnectPolicy OnDisconnect { get; set; }

    public UnpricedPolicy Unpriced { get; set; }

    /// <summary>Events older than this many days are deleted; their hourly sums stay. Null: never. 35 at least, so that the running month is always whole.</summary>
    public int? RetentionDays { get; set; }

    /// <summary>When everything of the tenant will be deleted. Until then its keys are refused, and it can be read, and the deletion be cancelled.</summary>
    public DateTimeOffset? DeleteAt { get; set; }

    /// <summary>Its kept answers are named and sealed with it: a new one empties its cache. In no answer and no export.</summary>
    public string CacheEpoch { get; set; } = CacheTime.NewEpoch();

    public long? RequestsPerMinute { get; private set; }

    public long? TokensPerMinute { get; private set; }

    public int? ConcurrentRequests { get; private set; }

    public CallLimits Limits
    {
        get => new(RequestsPerMinute, TokensPerMinute, ConcurrentRequests);
        set => (RequestsPerMinute, TokensPerMinute, ConcurrentRequests) = (value.RequestsPerMinute, value.TokensPerMinute, value.ConcurrentRequests);
    }
}

/// <summary>A person in a tenant.</summary>
public sealed class Member
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    /// <summary>In lower case.</summary>
    public required string Email { get; init; }

    public required Role Role { get; set; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Who signs in as this member; null until they do for the first time.</summary>
    public string? UserId { get; set; }
}

public sealed class Team
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    public required string Name { get; set; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>From then on nothing new belongs to it; it stays for the names in reports.</summary>
    public DateTimeOffset? ArchivedAt { get; set; }
}

public sealed class Project
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    public string? TeamId { get; set; }

    public required string Name { get; set; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>From then on nothing new belongs to it; it stays for the names in reports.</summary>
    public DateTimeOffset? ArchivedAt { get; set; }
}
