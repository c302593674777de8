using System.Globalization;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Budgets;

/// <summary>A budget's row.</summary>
public sealed class StoredBudget
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    /// <summary><c>tenant</c>, <c>team</c>, <c>project</c>, <c>key</c>, <c>tag</c> for one value, <c>each</c> for every value of a tag.</summary>
    public required string Scope { get; init; }

    public required string ScopeName { get; init; }

    public required string ScopeValue { get; init; }

    public required KeyEnvironment Environment { get; init; }

    public required BudgetPeriod Period { get; init; }

    public long LimitNano { get; set; }

    public BudgetAction Action { get; set; }

    public string? DowngradeTo { get; set; }

    public BudgetMode Mode { get; set; }

    public bool Clamp { get; set; }

    public int WaitMs { get; set; }

    public bool FailOpen { get; set; }

    public long IncreaseNano { get; set; }

    public DateTimeOffset? IncreaseUntil { get; set; }

    /// <summary>Percents in ascending order, joined by commas.</summary>
    public required string Thresholds { get; set; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required string CreatedBy { get; init; }

    public DateTimeOffset? EndedAt { get; set; }

    public void Set(BudgetTerms terms)
    {
        LimitNano = terms.Limit.Value;
        Action = terms.Action;
        DowngradeTo = terms.DowngradeTo;
        Mode = terms.Mode;
        Clamp = terms.Clamp;
        WaitMs = (int)terms.Wait.TotalMilliseconds;
        FailOpen = terms.FailOpen;
        IncreaseNano = terms.Increase?.Amount.Value ?? 0;
        IncreaseUntil = terms.Increase?.Until;
        Thresholds = string.Join(',', terms.Thresholds.Order());
    }

    public Budget ToBudget() => new()
    {
        TenantId = TenantId,
        Id = Id,
        Scope = ReadScope(Scope, ScopeName, ScopeValue),
        Environment = Environment,
        Period = Period,
        Limit = new NanoUsd(LimitNano),
        Action = Action,
        DowngradeTo = DowngradeTo,
        Mode = Mode,
        Clamp = Clamp,
        Wait = TimeSpan.FromMilliseconds(WaitMs),
        FailOpen = FailOpen,
        Increase = IncreaseUntil is { } until ? new TemporaryIncrease(new NanoUsd(IncreaseNano), until) : null,
        Thresholds = ReadThresholds(Thresholds),
        CreatedAt = CreatedAt,
    };

    public static string ScopeText(BudgetScope scope) => scope.IsEachValue ? "each" : scope.Kind.ToString().ToLowerInvariant();

    public static BudgetScope ReadScope(string kind, string name, string value) =>
        kind == "each" ? BudgetScope.Tag(name, null) : new BudgetScope(Enum.Parse<BudgetScopeKind>(kind, true), name, value);

    public static IReadOnlyList<int> ReadThresholds(string text) =>
        text.Length == 0 ? [] : [.. text.Split(',').Select(t => int.Parse(t, CultureInfo.InvariantCulture))];
}

/// <summary>What of a budget can be changed. Scope, period and environment can't: another of these is another budget.</summary>
public sealed record BudgetTerms
{
    public required NanoUsd Limit { get; init; }

    public BudgetAction Action { get; init; }

    public string? DowngradeTo { get; init; }

    public BudgetMode Mode { get; init; }

    public bool Clamp { get; init; } = true;

    public TimeSpan Wait { get; init; } = TimeSpan.FromSeconds(2);

    public bool FailOpen { get; init; }

    public TemporaryIncrease? Increase { get; init; }

    public IReadOnlyList<int> Thresholds { get; init; } = Budget.DefaultThresholds;
}
