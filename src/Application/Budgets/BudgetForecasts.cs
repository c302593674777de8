using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Budgets;

/// <summary>How the running periods of budgets will end, each from the hours of its own scope.</summary>
public sealed class BudgetForecasts(ISpendHours hours, TimeProvider time)
{
    /// <summary>Of a budget for each value of a tag, so many accounts are looked at: those nearest to their limit.</summary>
    public const int MostValues = 10;

    /// <param name="accounts">Of the running period; of a budget for each value those that spent most, most first.</param>
    /// <returns>By subject; without those that there is too little to say of, and without any for a total or a quota of calls.</returns>
    public async Task<IReadOnlyDictionary<string, SpendForecast>> OfAsync(Budget budget, PeriodWindow window, TimeZoneInfo zone, IReadOnlyList<(string Subject, NanoUsd Limit, NanoUsd Posted)> accounts, CancellationToken cancellationToken)
    {
        var forecasts = new Dictionary<string, SpendForecast>(StringComparer.Ordinal);
        var now = time.GetUtcNow();
        // Between a period's last moment and whoever read its accounts, it may have ended.
        if (window.ResetsAt is null || !window.Contains(now) || budget.Scope.CountsCalls || accounts.Count == 0)
            return forecasts;
        var scope = ScopeOf(budget, now);
        var nearest = budget.Scope.IsEachValue ? accounts.OrderByDescending(a => a.Limit.Value == 0 ? 0 : (decimal)a.Posted.Value / a.Limit.Value).Take(MostValues).ToList() : [accounts[0]];
        var histories = budget.Scope.IsEachValue ? await hours.ReadAsync(scope, budget.Scope.Name, [.. nearest.Select(a => a.Subject)], cancellationToken) : [await hours.ReadAsync(scope, cancellationToken)];
        for (var i = 0; i < nearest.Count; i++)
            if (SpendForecast.Of(histories[i], SoFar(budget, window, nearest[i].Limit, nearest[i].Posted, now, zone)) is { } forecast)
                forecasts[nearest[i].Subject] = forecast;
        return forecasts;
    }

    private static PeriodSoFar SoFar(Budget budget, PeriodWindow window, NanoUsd limit, NanoUsd posted, DateTimeOffset now, TimeZoneInfo zone) => new(window, posted, limit, now, zone)
    {
        CapLater = budget.LimitHoldsFor(now) is { } left && now + left < window.End ? (budget.Limit, now + left) : null,
    };

    private static SummaryQuestion ScopeOf(Budget budget, DateTimeOffset now)
    {
        var question = new SummaryQuestion(budget.TenantId, now.AddHours(-1), now) { Environment = budget.Environment };
        return budget.Scope.Kind switch
        {
            BudgetScopeKind.Team => question with { TeamId = budget.Scope.Value },
            BudgetScopeKind.Project => question with { ProjectId = budget.Scope.Value },
            BudgetScopeKind.Key => question with { KeyId = budget.Scope.Value },
            BudgetScopeKind.Tag when budget.Scope.Value is { } value => question with { Tag = new Tag(budget.Scope.Name, value) },
            _ => question,
        };
    }
}
