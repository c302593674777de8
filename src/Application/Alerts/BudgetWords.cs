using System.Globalization;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Alerts;

/// <summary>How alerts write budgets and what is guessed of them.</summary>
public static class BudgetWords
{
    /// <summary><c>$412</c> from ten dollars on: a guess has no cents.</summary>
    public static string About(NanoUsd amount) => amount.Usd >= 10 ? "$" + decimal.Round(amount.Usd, 0, MidpointRounding.AwayFromZero).ToString("#,0", CultureInfo.InvariantCulture) : AlertWords.Usd(amount);

    /// <summary><c>41 %</c>, of a change: its size.</summary>
    public static string Percent(NanoUsd part, NanoUsd whole)
    {
        var percent = whole.Value == 0 ? 0 : Math.Abs((decimal)part.Value / whole.Value * 100);
        return percent.ToString(percent is > 0 and < 0.95m ? "0.0" : "#,0", CultureInfo.InvariantCulture) + " %";
    }

    /// <summary><c>team Search</c>, <c>customer acme</c>, <c>the whole organization</c>.</summary>
    /// <param name="subject">Of a budget for each value of a tag, the value.</param>
    public static string Whose(Budget budget, string? named, string subject)
    {
        var whose = budget.Scope.Kind switch
        {
            BudgetScopeKind.Tenant => "the whole organization",
            BudgetScopeKind.Tag => $"{budget.Scope.Name} {budget.Scope.Value ?? subject}",
            var kind => $"{kind.ToString().ToLowerInvariant()} {named ?? budget.Scope.Value}",
        };
        return budget.Environment == KeyEnvironment.Test ? whose + " (test keys)" : whose;
    }

    /// <summary>What becomes of calls that a spent budget counts, to stand after "then" or "from now on".</summary>
    /// <param name="until">The period's end, as people read it; null where it has none.</param>
    /// <param name="cheaper">The model that calls go to, where it is known.</param>
    public static string WhenSpent(BudgetAction action, string? until, string? cheaper = null) => (action switch
    {
        BudgetAction.Block => "calls that it counts are refused (status 429)",
        BudgetAction.Downgrade => $"calls that it counts go to {cheaper ?? "the cheaper model"}",
        _ => "nothing changes: this budget only tells",
    }) + (until is null || action == BudgetAction.Alert ? "" : $", until {until}");

    public static (string Per, string Within) Of(BudgetPeriod period) => period switch
    {
        BudgetPeriod.Day => ("daily", "today"),
        BudgetPeriod.Week => ("weekly", "this week"),
        BudgetPeriod.Month => ("monthly", "this month"),
        _ => ("total", "in all"),
    };

    /// <summary>Of what can't be known to the minute: <c>14:30</c> today, <c>23 November</c> later.</summary>
    public static string Around(DateTimeOffset at, TimeZoneInfo zone, DateTimeOffset now)
    {
        var quarter = TimeSpan.FromMinutes(15).Ticks;
        var (local, today) = (TimeZoneInfo.ConvertTime(new DateTimeOffset((at.UtcTicks + (quarter / 2)) / quarter * quarter, TimeSpan.Zero), zone), TimeZoneInfo.ConvertTime(now, zone));
        return local.Date == today.Date ? local.ToString("HH:mm", CultureInfo.InvariantCulture) : local.ToString(local.Year == today.Year ? "d MMMM" : "d MMMM yyyy", CultureInfo.InvariantCulture);
    }
}
