using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Budgets;

public enum BudgetScopeKind
{
    Tenant,
    Team,
    Project,
    Key,
    Tag,
}

/// <summary>Whose calls a budget counts.</summary>
/// <param name="Name">The tag's name; empty for the other kinds.</param>
/// <param name="Value">The id of the team, project or key; the tag's value; empty for the tenant. Null for a tag: each value has an account of its own, one never seen before too.</param>
public sealed record BudgetScope(BudgetScopeKind Kind, string Name, string? Value)
{
    public static BudgetScope Tenant { get; } = new(BudgetScopeKind.Tenant, "", "");

    public static BudgetScope Team(string id) => new(BudgetScopeKind.Team, "", id);

    public static BudgetScope Project(string id) => new(BudgetScopeKind.Project, "", id);

    public static BudgetScope Key(string id) => new(BudgetScopeKind.Key, "", id);

    /// <summary>All calls of the tenant, counted one each instead of by their cost: a plan's quota. Its amounts are calls, not nano-dollars.</summary>
    public static BudgetScope Calls { get; } = new(BudgetScopeKind.Tenant, "calls", "");

    public static BudgetScope Tag(string name, string? value) => new(BudgetScopeKind.Tag, name, value);

    public bool IsEachValue => Value is null;

    /// <summary>Its amounts are calls.</summary>
    public bool CountsCalls => Kind == BudgetScopeKind.Tenant && Name.Length > 0;

    public override string ToString() => Kind switch
    {
        BudgetScopeKind.Tenant => CountsCalls ? "calls" : "tenant",
        BudgetScopeKind.Tag => $"tag {Name}={Value ?? "(each)"}",
        _ => $"{Kind.ToString().ToLowerInvariant()} {Value}",
    };
}

public enum BudgetPeriod
{
    Day,

    /// <summary>Monday to Sunday.</summary>
    Week,
    Month,

    /// <summary>From the budget's creation on, for ever.</summary>
    Total,
}

/// <summary>What happens to a call when the budget is spent.</summary>
public enum BudgetAction
{
    Block,

    /// <summary>The call goes to a cheaper model, which this budget no longer stops.</summary>
    Downgrade,

    /// <summary>Nothing but the alert: no holds are taken, spend is counted when it is recorded.</summary>
    Alert,
}

public enum BudgetMode
{
    /// <summary>Holds the upper bound: never overshot.</summary>
    Strict,

    /// <summary>Holds what such a call is expected to cost: less is set aside, a little overshoot is possible.</summary>
    Expected,
}

/// <param name="Until">From then on the plain limit holds again.</param>
public sealed record TemporaryIncrease(NanoUsd Amount, DateTimeOffset Until);

/// <summary>A limit in USD on a scope for a period.</summary>
public sealed record Budget
{
    /// <summary>A billion dollars: sums of it and of what is leased stay far from the end of the range.</summary>
    public static readonly NanoUsd MaxLimit = new(1_000_000_000 * NanoUsd.PerUsd);

    public static readonly IReadOnlyList<int> DefaultThresholds = [50, 80, 100];

    public required string TenantId { get; init; }

    public required string Id { get; init; }

    public required BudgetScope Scope { get; init; }

    /// <summary>Live and test calls are counted apart, as everywhere.</summary>
    public KeyEnvironment Environment { get; init; }

    public required BudgetPeriod Period { get; init; }

    public required NanoUsd Limit { get; init; }

    public BudgetAction Action { get; init; }

    /// <summary>Set where <see cref="Action"/> is <see cref="BudgetAction.Downgrade"/>.</summary>
    public string? DowngradeTo { get; init; }

    public BudgetMode Mode { get; init; }

    /// <summary>Where the rest is less than a call's upper bound, the call's output limit is lowered to what the rest pays for.</summary>
    public bool Clamp { get; init; } = true;

    /// <summary>How long a call waits for others' holds to shrink when all is held and not all is spent. 0 to 60 s.</summary>
    public TimeSpan Wait { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Calls are forwarded when the budget can't be verified, and counted afterwards. The cap may then be overshot.</summary>
    public bool FailOpen { get; init; }

    public TemporaryIncrease? Increase { get; init; }

    /// <summary>Percent of the limit at which an alert is recorded, once in a period.</summary>
    public IReadOnlyList<int> Thresholds { get; init; } = DefaultThresholds;

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Whether calls take holds on it at all.</summary>
    public bool TakesHolds => Action != BudgetAction.Alert;

    public NanoUsd LimitAt(DateTimeOffset now) => Increase is { } more && now < more.Until ? Limit + more.Amount : Limit;

    /// <summary>How long the limit stays what it is now; null for good.</summary>
    public TimeSpan? LimitHoldsFor(DateTimeOffset now) => Increase is { } more && now < more.Until ? more.Until - now : null;
}

/// <summary>One budget's account of one period, and of one value where it has an account for each.</summary>
/// <param name="Subject">The tag's value in a budget for each value; otherwise empty.</param>
/// <param name="PeriodStart">Unix microseconds.</param>
public readonly record struct AccountKey(string TenantId, string BudgetId, string Subject, long PeriodStart)
{
    public override string ToString() => $"{TenantId}/{BudgetId}/{PeriodStart}/{Subject}";
}

/// <summary>How much of a call's cost a node's lease on an account covers. It travels with the event to the store, which takes it off the lease as it posts the cost.</summary>
/// <param name="Owner">The lease's: <see cref="LeaseOwner.ToString"/>.</param>
public readonly record struct BudgetCharge(AccountKey Account, string Owner, NanoUsd Covered);
