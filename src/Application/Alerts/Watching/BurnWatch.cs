using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;

namespace Tokonomics.Application.Alerts.Watching;

/// <summary>Looks for budgets that burn: by the last five minutes and the last hour they are gone within hours. One alert for each until it lasts again.</summary>
internal sealed class BurnWatch(IWatchQueries queries, UsualSpend usuals, IAlertBook book)
{
    public async Task<int> LookAsync(WatchedMinute minute, IReadOnlyList<OpenAlert> open, CancellationToken cancellationToken)
    {
        var told = 0;
        var running = await queries.BudgetsAsync(minute.TenantId, minute.Now, cancellationToken);
        foreach (var alert in open)
        {
            var budget = running.FirstOrDefault(b => Condition(b) == alert.Condition);
            var over = budget is null ? "A new period has begun, or the budget has ended."
                : budget.Posted >= budget.Limit ? "The budget is used up."
                : BudgetBurn.IsOver(Pace(minute, budget, minute.Cells, null), Sensitivity(minute.Terms(AlertKind.BudgetBurn, budget.Counts))) ? $"It lasts again: {AlertWords.Usd(budget.Limit - budget.Posted)} of {AlertWords.Usd(budget.Limit)} are left."
                : null;
            if (over is not null)
                await book.ResolveAsync(new AlertEnd(alert.TenantId, alert.Condition, over, [], minute.Now), cancellationToken);
        }

        var spenders = Spenders(minute, running);
        foreach (var budget in running)
        {
            if (!spenders.Contains(budget.Counts))
                continue;
            var terms = minute.Terms(AlertKind.BudgetBurn, budget.Counts);
            var sensitivity = Sensitivity(terms);
            if (!terms.On || open.Any(a => a.Condition == Condition(budget)) || BudgetBurn.Of(Pace(minute, budget, minute.Cells, null) with { Hour = double.MaxValue }, sensitivity) is null)
                continue; // by the last five minutes alone it doesn't
            var hour = await minute.LastHourAsync(cancellationToken);
            var usual = await usuals.AtAsync(minute, budget.Counts, cancellationToken);
            if (BudgetBurn.Of(Pace(minute, budget, hour, usual?.Spend.Expected), sensitivity) is { } burn && await book.TellAsync(Words(minute, budget, burn), cancellationToken))
                told++;
        }

        return told;
    }

    // Who spent in the last five minutes: of thousands of accounts those of the others needn't be looked at.
    private static HashSet<AlertSubject> Spenders(WatchedMinute minute, IReadOnlyList<RunningBudget> running)
    {
        var names = running.Where(b => b.Counts.Scope == "tag").Select(b => b.Counts.Name).Distinct(StringComparer.Ordinal).ToList();
        var spenders = new HashSet<AlertSubject> { AlertSubject.Tenant };
        foreach (var cell in minute.Cells)
        {
            if (cell.Minute >= 5 || cell.Spent <= 0)
                continue;
            spenders.Add(AlertSubject.Key(cell.Key));
            spenders.Add(new AlertSubject("project", "", cell.Project));
            spenders.Add(new AlertSubject("team", "", cell.Team));
            foreach (var name in names)
                if (minute.Tag(cell, name) is { } value)
                    spenders.Add(new AlertSubject("tag", name, value));
        }

        return spenders;
    }

    private static string Condition(RunningBudget budget) => $"burn:{budget.Id}:{budget.Start.ToUnixTimeSeconds()}:{budget.Subject}";

    private static BurnSensitivity Sensitivity(AlertTerms terms) => new(TimeSpan.FromHours(terms.Hours));

    private static BudgetPace Pace(WatchedMinute minute, RunningBudget budget, IReadOnlyList<SpendCell> cells, double? usual)
    {
        var (five, hour, dearest) = (0d, 0d, 0d);
        foreach (var cell in cells)
        {
            // What was spent before the period began isn't on it.
            if (!minute.Is(cell, budget.Counts) || minute.Now.AddMinutes(-cell.Minute) <= budget.Start)
                continue;
            hour += cell.Spent;
            if (cell.Minute < 5)
                (five, dearest) = (five + cell.Spent, Math.Max(dearest, cell.Dearest));
        }

        return new BudgetPace((double)budget.Limit.Usd, (double)(budget.Limit - budget.Posted).Usd, budget.End - budget.Start, budget.End - minute.Now, five, hour, dearest, usual);
    }

    private static AlertDraft Words(WatchedMinute minute, RunningBudget budget, BudgetBurn burn)
    {
        var (whose, gone) = (AlertWords.Of(budget.Counts, minute.Names), minute.Now + burn.Left);
        var (per, _) = BudgetWords.Of(budget.Period);
        var clock = AlertWords.Clock(gone, minute.Now, minute.Names.Zone);
        var until = budget.End is { } end ? AlertWords.At(end, minute.Names.Zone) : null;
        return new AlertDraft(
            minute.TenantId, $"{Condition(budget)}:{minute.Now.ToUnixTimeSeconds()}", AlertKind.BudgetBurn, budget.Action == BudgetAction.Block ? AlertSeverity.Critical : AlertSeverity.Warning, budget.Counts,
            $"At this rate the {per} budget of {whose} is gone at {clock}",
            $"{AlertWords.Usd(burn.PerHour)} an hour are spent, by the last five minutes. {AlertWords.Usd(budget.Posted)} of {AlertWords.Usd(budget.Limit)} are spent already. Then {BudgetWords.WhenSpent(budget.Action, until)}."
                + " Look at what runs; if it is meant, raise the cap or give it an increase that ends by itself.",
            "/budgets/" + budget.Id,
            [new("Budget of", whose), new("Rate", $"{AlertWords.Usd(burn.PerHour)} an hour"), new("Spent", AlertWords.Usd(budget.Posted)), new("Cap", AlertWords.Usd(budget.Limit)), new("Gone at", AlertWords.At(gone, minute.Names.Zone))],
            minute.Now, Condition(budget));
    }
}
