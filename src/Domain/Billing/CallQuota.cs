using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Billing;

/// <summary>
/// A plan's calls a month, as a budget whose amounts are calls: it is leased, held and settled like any other, so that it is as exact over any number of
/// proxies. Live calls count; the sandbox's don't.
/// </summary>
public static class CallQuota
{
    /// <summary>One call, in the amounts of such a budget.</summary>
    public static readonly NanoUsd One = new(1);

    /// <summary>Where the tenant is warned, percent.</summary>
    public static readonly IReadOnlyList<int> Thresholds = [80, 100];

    private const string Prefix = "quota_";

    /// <summary>The same for a tenant whatever its plan: what was counted goes on counting when the plan changes.</summary>
    public static string BudgetId(string tenantId) => Prefix + tenantId;

    /// <summary>Its amounts are calls, and no money.</summary>
    public static bool IsOne(string budgetId) => budgetId.StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>Every call that reached a provider, or may have, counts one, whatever came of it.</summary>
    public static bool Counts(CallOutcome outcome) => outcome != CallOutcome.Unreachable;

    /// <summary>What the plan says, as terms of that budget. Where calls have no limit they are counted, and nothing is held.</summary>
    public static (NanoUsd Limit, BudgetAction Action) Terms(Plan plan) =>
        plan.CallsPerMonth is { } calls ? (new NanoUsd(calls), BudgetAction.Block) : (Budget.MaxLimit, BudgetAction.Alert);
}
