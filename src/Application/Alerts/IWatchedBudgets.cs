using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Alerts;

/// <summary>A budget in dollars whose period ends, and how its running period stands.</summary>
/// <param name="Named">The name of the team, project or key; null for other scopes.</param>
/// <param name="Within">What contains its key or project, the narrowest first.</param>
/// <param name="Accounts">Of the running period: none before its first call; of a budget for each value of a tag the <see cref="Budgets.BudgetForecasts.MostValues"/> that spent most. The limit is the one that holds now.</param>
public sealed record WatchedBudget(
    Budget Budget, PeriodWindow Window, TimeZoneInfo Zone, string? Named, IReadOnlyList<AlertSubject> Within, IReadOnlyList<(string Subject, NanoUsd Limit, NanoUsd Posted)> Accounts);

/// <summary>The budgets of active tenants, for those who watch them.</summary>
public interface IWatchedBudgets
{
    /// <param name="tenantId">Null for all.</param>
    Task<IReadOnlyList<WatchedBudget>> RunningAsync(string? tenantId, CancellationToken cancellationToken);
}
