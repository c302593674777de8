using System.Globalization;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Alerts;

/// <summary>
/// Looks, each hour, at how budgets will end, and tells of those that won't last: once for each budget, subject and period. What was told is over when the forecast is clearly below the cap again, when
/// the cap is raised beyond it, or when the period is over. Any number of workers may do this at once.
/// </summary>
public sealed partial class ForecastBudgets(IWatchedBudgets budgets, BudgetForecasts forecasts, IAlertBook book, IAlertRules rules, TimeProvider time, ILogger<ForecastBudgets> log)
{
    /// <summary>What lasts: a budget, its period, the limit that won't suffice, and the tag's value where the budget is for each.</summary>
    private sealed record Told(string BudgetId, long PeriodStart, long LimitNano, string Subject)
    {
        public string Condition => string.Create(CultureInfo.InvariantCulture, $"forecast:{BudgetId}:{PeriodStart}:{LimitNano}:{Subject}");

        // Without the limit: a cap that was raised and doesn't suffice either isn't told anew.
        public string Cause => string.Create(CultureInfo.InvariantCulture, $"forecast:{BudgetId}:{PeriodStart}:{Subject}");

        public static Told? Read(string condition) => condition.Split(':', 5) is ["forecast", var budget, var start, var limit, var subject]
            && long.TryParse(start, CultureInfo.InvariantCulture, out var s) && long.TryParse(limit, CultureInfo.InvariantCulture, out var l) ? new Told(budget, s, l, subject) : null;
    }

    public async Task<LookReport> RunAsync(CancellationToken cancellationToken)
    {
        var open = (await book.OpenAsync(AlertKind.BudgetForecast, cancellationToken)).Select(o => (Alert: o, Told: Told.Read(o.Condition))).Where(o => o.Told is not null)
            .ToDictionary(o => (o.Alert.TenantId, o.Told!.BudgetId, o.Told.Subject, o.Told.PeriodStart), o => (o.Alert, Told: o.Told!));
        var (looked, told, over, failed, tenant, terms) = (0, 0, 0, 0, "", TenantRules.None);
        foreach (var watched in (await budgets.RunningAsync(null, cancellationToken)).OrderBy(w => w.Budget.TenantId, StringComparer.Ordinal))
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                if (tenant != watched.Budget.TenantId)
                    (tenant, terms) = (watched.Budget.TenantId, await rules.OfAsync(watched.Budget.TenantId, cancellationToken));
                var (t, o) = await LookAsync(watched, terms, open, cancellationToken);
                (looked, told, over) = (looked + 1, told + t, over + o);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One that can't be read keeps no other from being looked at, and nothing of it is over.
                NotLooked(log, e, watched.Budget.Id);
                failed++;
                foreach (var key in open.Keys.Where(k => (k.TenantId, k.BudgetId) == (watched.Budget.TenantId, watched.Budget.Id)).ToList())
                    open.Remove(key);
            }
        }

        // Their period is over, or nobody watches them any more.
        foreach (var (alert, _) in open.Values)
        {
            try
            {
                if (await book.ResolveAsync(new AlertEnd(alert.TenantId, alert.Condition, "Its period is over, or the budget is gone.", [], time.GetUtcNow()), cancellationToken))
                    over++;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                NotLooked(log, e, alert.Condition);
                failed++;
            }
        }

        return new LookReport($"{looked} budgets were looked at, {told} told of, {over} over", failed);
    }

    [LoggerMessage(1, LogLevel.Error, "The forecast of {Budget} could not be looked at")]
    private static partial void NotLooked(ILogger logger, Exception e, string budget);

    // What is found in the running period is taken out of what is open; what is left there is over.
    private async Task<(int Told, int Over)> LookAsync(
        WatchedBudget watched, TenantRules terms, Dictionary<(string TenantId, string BudgetId, string Subject, long PeriodStart), (OpenAlert Alert, Told Told)> open, CancellationToken cancellationToken)
    {
        var (budget, window, now) = (watched.Budget, watched.Window, time.GetUtcNow());
        var standing = new Dictionary<string, (OpenAlert Alert, Told Told)>(StringComparer.Ordinal);
        foreach (var key in open.Keys.Where(k => (k.TenantId, k.BudgetId, k.PeriodStart) == (budget.TenantId, budget.Id, window.StartMicros)).ToList())
        {
            standing[key.Subject] = open[key];
            open.Remove(key);
        }

        var passed = new PeriodSoFar(window, default, null, now, watched.Zone).Passed;
        // Of most budgets nothing is to be said yet, or nothing more: their hours aren't read.
        var accounts = watched.Accounts.Where(a => standing.ContainsKey(a.Subject) || (passed >= CapOutlook.LeastPassed && a.Posted < a.Limit)).ToList();
        if (accounts.Count == 0)
            return (0, 0);
        var ends = await forecasts.OfAsync(budget, window, watched.Zone, accounts, cancellationToken);
        var (told, over) = (0, 0);
        foreach (var (subject, limit, posted) in accounts)
        {
            if (!ends.TryGetValue(subject, out var forecast))
                continue;
            var scope = AlertSubject.Of(budget.Scope, subject);
            if (standing.TryGetValue(subject, out var earlier))
            {
                if (posted < limit && (CapOutlook.WillLast(forecast, limit) || (limit.Value > earlier.Told.LimitNano && forecast.ReachedAt is null))
                    && await book.ResolveAsync(Ending(watched, earlier.Alert, subject, limit, posted, forecast, raised: limit.Value > earlier.Told.LimitNano, now), cancellationToken))
                    over++;
            }
            else if (CapOutlook.WillNotLast(forecast, new PeriodSoFar(window, posted, limit, now, watched.Zone)) && terms.For(AlertKind.BudgetForecast, [scope, .. watched.Within]).On
                && await book.TellAsync(Draft(watched, scope, new Told(budget.Id, window.StartMicros, limit.Value, subject), limit, posted, forecast, now), cancellationToken))
                told++;
        }

        return (told, over);
    }

    private static AlertDraft Draft(WatchedBudget watched, AlertSubject scope, Told told, NanoUsd limit, NanoUsd posted, SpendForecast forecast, DateTimeOffset now)
    {
        var (budget, zone) = (watched.Budget, watched.Zone);
        var (whose, (per, within)) = (BudgetWords.Whose(budget, watched.Named, told.Subject), BudgetWords.Of(budget.Period));
        var (reached, ends) = (BudgetWords.Around(forecast.ReachedAt!.Value, zone, now), AlertWords.At(watched.Window.End, zone));
        return new AlertDraft(
            budget.TenantId, told.Cause, AlertKind.BudgetForecast, AlertSeverity.Warning, scope, $"The {per} budget will not last, used up about {reached}: {whose}",
            $"{AlertWords.Usd(posted)} of {AlertWords.Usd(limit)} are spent {within}, and as things go about {BudgetWords.About(forecast.Expected)} would be at the end (four times in five {Range(forecast)}): the cap is reached about {reached}. From then on {BudgetWords.WhenSpent(budget.Action, ends, budget.DowngradeTo)}. "
            + "Raise the cap, give it an increase that ends by itself, or look at what drives it.",
            "/budgets/" + budget.Id,
            [
                new("Budget of", whose), new("Spent", AlertWords.Usd(posted)), new("Cap", AlertWords.Usd(limit)), new("Cap reached", "about " + reached), new("Expected at the end", $"{BudgetWords.About(forecast.Expected)} ({Range(forecast)})"),
                new("New period", ends), new("What drives it", "spend by model", Driver(budget, told.Subject)),
            ],
            now, told.Condition);
    }

    private static AlertEnd Ending(WatchedBudget watched, OpenAlert alert, string subject, NanoUsd limit, NanoUsd posted, SpendForecast forecast, bool raised, DateTimeOffset now) => new(
        alert.TenantId, alert.Condition,
        $"{(raised ? $"The cap was raised to {AlertWords.Usd(limit)}" : $"Less is spent than before")}: about {BudgetWords.About(forecast.Expected)} is expected at the end ({Range(forecast)}), below the cap.",
        [new("Budget of", BudgetWords.Whose(watched.Budget, watched.Named, subject)), new("Spent", AlertWords.Usd(posted)), new("Cap", AlertWords.Usd(limit)), new("Expected at the end", BudgetWords.About(forecast.Expected))], now);

    private static string Range(SpendForecast forecast) => $"{BudgetWords.About(forecast.Low)} to {BudgetWords.About(forecast.High)}";

    private static string Driver(Budget budget, string subject)
    {
        var of = budget.Scope.Kind == BudgetScopeKind.Tenant ? "" : AlertWords.ExploreFilter(budget.Scope.Kind == BudgetScopeKind.Tag ? budget.Scope.Name : budget.Scope.Kind.ToString().ToLowerInvariant(), budget.Scope.Value ?? subject) + "&";
        var range = budget.Period switch { BudgetPeriod.Day => "today", BudgetPeriod.Week => "7d", _ => "month" };
        return $"/explore?{of}by=model&range={range}{(budget.Environment == KeyEnvironment.Test ? "&env=test" : "")}";
    }
}
