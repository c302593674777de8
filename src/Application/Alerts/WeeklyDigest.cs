using System.Globalization;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Application.Alerts;

/// <summary>Whose week is to be told.</summary>
public interface IDigestTenants
{
    /// <summary>The active tenants and their zones, by id.</summary>
    Task<IReadOnlyList<(string TenantId, TimeZoneInfo Zone)>> ActiveAsync(CancellationToken cancellationToken);

    /// <summary>Whether the cause wasn't told yet, and a live call was made in the range: two questions of an index.</summary>
    Task<bool> WaitsAsync(string tenantId, string cause, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken);
}

/// <summary>
/// Tells each tenant on Monday at eight, by its own clocks, what last week was: what it cost against the week before, what grew most, the budgets nearest their cap, what was refused, what caching saved.
/// Once for each week, however many workers look: of a cause there is one alert. Who finds all workers stopped at eight is told within the day after. Without calls in both weeks nothing is told.
/// </summary>
public sealed partial class WeeklyDigest(
    IDigestTenants tenants, IUsageQueries usage, ISpendHours hours, ISpendQueries spend, IRefusals refusals, IWatchedBudgets budgets, BudgetForecasts forecasts, IAlertBook book, IAlertRules rules, TimeProvider time,
    ILogger<WeeklyDigest> log)
{
    private const int Most = 3;

    private static readonly TimeSpan At = TimeSpan.FromHours(8);
    private static readonly TimeSpan NotLater = TimeSpan.FromHours(24);

    public async Task<LookReport> RunAsync(CancellationToken cancellationToken)
    {
        var (due, told, failed) = (0, 0, 0);
        foreach (var (tenantId, zone) in await tenants.ActiveAsync(cancellationToken))
        {
            if (Due(time.GetUtcNow(), zone) is not { } week)
                continue;
            try
            {
                if (!await tenants.WaitsAsync(tenantId, week.Cause, week.Before.Start, week.Last.End, cancellationToken) || !(await rules.OfAsync(tenantId, cancellationToken)).For(AlertKind.WeeklyDigest, []).On)
                    continue;
                due++;
                if (await book.TellAsync(await WriteAsync(tenantId, zone, week, cancellationToken), cancellationToken))
                    told++;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One that can't be written keeps no other from being.
                NotWritten(log, e, tenantId);
                failed++;
            }
        }

        return new LookReport($"{told} of {due} digests that were due were told", failed);
    }

    [LoggerMessage(1, LogLevel.Error, "The week of tenant {Tenant} could not be written")]
    private static partial void NotWritten(ILogger logger, Exception e, string tenant);

    /// <summary>The week that is told now; null where it isn't Monday from eight o'clock to the same time of the next day.</summary>
    internal static DigestWeek? Due(DateTimeOffset now, TimeZoneInfo zone)
    {
        var local = TimeZoneInfo.ConvertTime(now, zone).DateTime.Date;
        var monday = DateTime.SpecifyKind(local.AddDays(-(((int)local.DayOfWeek + 6) % 7)), DateTimeKind.Unspecified);
        var from = Clocks.At(monday + At, zone);
        if (now < from || now >= from + NotLater)
            return null;
        var last = BudgetPeriods.Containing(BudgetPeriod.Week, zone, BudgetPeriods.Containing(BudgetPeriod.Week, zone, from, from).Start.AddTicks(-10), from);
        var before = BudgetPeriods.Containing(BudgetPeriod.Week, zone, last.Start.AddTicks(-10), from);
        // Named by the week that it tells of.
        var named = monday.AddDays(-7);
        return new DigestWeek("digest:" + Clocks.Week(named), last, before, DateOnly.FromDateTime(named));
    }

    private async Task<AlertDraft> WriteAsync(string tenantId, TimeZoneInfo zone, DigestWeek week, CancellationToken cancellationToken)
    {
        var names = await spend.NamesAsync(tenantId, cancellationToken);
        var question = new SummaryQuestion(tenantId, week.Last.Start, week.Last.End) { TimeZone = zone, Environment = KeyEnvironment.Live };
        var reader = new SpendReader(usage, hours, time);
        var earlier = question with { From = week.Before.Start, To = week.Before.End };
        var change = await reader.CompareAsync(question, earlier, cancellationToken);
        var (calls, callsBefore) = (await CallsAsync(question), await CallsAsync(earlier));
        var range = string.Create(CultureInfo.InvariantCulture, $"from={week.Monday:yyyy-MM-dd}&to={week.Monday.AddDays(6):yyyy-MM-dd}");

        List<AlertFact> facts =
        [
            new("Spent", $"{AlertWords.Usd(change.Now)};{Against(change)[1..]}", $"/explore?by=model&{range}"),
            new("Calls", $"{Count(calls)}; {Count(callsBefore)} the week before", $"/calls?{range}"),
        ];
        facts.AddRange(change.Largest.Where(c => c.Change.Value > 0 && c.Value.Length > 0).Take(Most)
            .Select(c => new AlertFact($"Grew: {c.Dimension} {names.Of(c.Value)}", $"+{AlertWords.Usd(c.Change)}, to {AlertWords.Usd(c.Now)}", $"/explore?{FilterOf(c)}&{range}")));
        facts.AddRange(await BudgetsAsync(tenantId, zone, cancellationToken));
        var refused = (await refusals.ListAsync(tenantId, KeyEnvironment.Live, week.Last.Start, week.Last.End, cancellationToken)).GroupBy(r => r.Code).Select(g => (Code: g.Key, Calls: g.Sum(r => r.Calls))).OrderByDescending(r => r.Calls).ToList();
        facts.Add(new AlertFact("Refused", refused.Count == 0 ? "no call" : $"{Count(refused.Sum(r => r.Calls))} calls, most of them as {refused[0].Code}", "/overview"));
        if (await spend.CacheSavingsAsync(question, cancellationToken) is { Net.Value: > 0 } savings)
            facts.Add(new AlertFact("Caching saved", AlertWords.Usd(savings.Net), "/overview"));
        if (await spend.RepeatSavingsAsync(question, cancellationToken) is { Repeats: > 0 } repeats)
            facts.Add(new AlertFact("Repeats saved", $"{AlertWords.Usd(repeats.Saved)}; {Count(repeats.Repeats)} answered from the cache", "/overview"));

        var days = string.Create(CultureInfo.InvariantCulture, $"{week.Monday.ToString(week.Monday.Month == week.Monday.AddDays(6).Month ? "%d" : "d MMMM", CultureInfo.InvariantCulture)} to {week.Monday.AddDays(6):d MMMM}");
        return new AlertDraft(
            tenantId, week.Cause, AlertKind.WeeklyDigest, AlertSeverity.Info, AlertSubject.Tenant, $"Your week: {AlertWords.Usd(change.Now)}{InTitle(change)}",
            $"From {days} you spent {AlertWords.Usd(change.Now)}{Against(change)}.{Why(change, names)}", $"/explore?by=model&{range}", facts, time.GetUtcNow());

        async Task<long> CallsAsync(SummaryQuestion of) => (await reader.DaysAsync(of, cancellationToken)).Sum(l => l.Totals.Calls);
    }

    private async Task<IEnumerable<AlertFact>> BudgetsAsync(string tenantId, TimeZoneInfo zone, CancellationToken cancellationToken)
    {
        // The fullest first; one with room for all that is expected is still among them, and says so.
        var nearest = (await budgets.RunningAsync(tenantId, cancellationToken)).Where(w => w.Budget.Environment == KeyEnvironment.Live)
            .SelectMany(w => w.Accounts.Where(a => a.Limit.Value > 0).Select(a => (Watched: w, a.Subject, a.Limit, a.Posted)))
            .OrderByDescending(a => (decimal)a.Posted.Value / a.Limit.Value).ThenBy(a => a.Watched.Budget.Id, StringComparer.Ordinal).Take(Most).ToList();
        var (facts, now) = (new List<AlertFact>(), time.GetUtcNow());
        foreach (var (watched, subject, limit, posted) in nearest)
        {
            var ends = await forecasts.OfAsync(watched.Budget, watched.Window, zone, [(subject, limit, posted)], cancellationToken);
            var end = posted >= limit ? ", used up"
                : !ends.TryGetValue(subject, out var forecast) ? ""
                : $"; about {BudgetWords.About(forecast.Expected)} at the end{(forecast.ReachedAt is { } at ? $", cap reached about {BudgetWords.Around(at, zone, now)}" : "")}";
            facts.Add(new AlertFact(
                $"Budget ({BudgetWords.Of(watched.Budget.Period).Per}): {BudgetWords.Whose(watched.Budget, watched.Named, subject)}", $"{AlertWords.Usd(posted)} of {AlertWords.Usd(limit)}{end}", "/budgets/" + watched.Budget.Id));
        }

        return facts.DistinctBy(f => f.Name);
    }

    private static string Against(SpendChange change) => change.Before.Value == 0 ? ", and nothing the week before"
        : change.Change.Value == 0 ? ", as much as the week before"
        : $", {AlertWords.Usd(change.Change.Value > 0 ? change.Change : change.Before - change.Now)} ({BudgetWords.Percent(change.Change, change.Before)}) {(change.Change.Value > 0 ? "more" : "less")} than the week before";

    private static string InTitle(SpendChange change) => change.Before.Value == 0 || change.Change.Value == 0 ? "" : $", {BudgetWords.Percent(change.Change, change.Before)} {(change.Change.Value > 0 ? "more" : "less")} than the week before";

    private static string Why(SpendChange change, SpendNames names)
    {
        if (change.Change.Value == 0 || change.Before.Value == 0)
            return "";
        var move = change.Change.Value > 0 ? "rise" : "fall";
        if (change.Cause is not { Value.Length: > 0 } cause)
            return $" The {move} is spread: nothing by itself explains it.";
        var share = change.Share >= 0.9m ? "Nearly all" : change.Share >= 0.5m ? "Most" : "The largest part";
        return $" {share} of the {move} is {cause.Dimension} {names.Of(cause.Value)}{(change.CauseOnModel?.Model is { } model ? $" on {model}" : "")}.";
    }

    private static string FilterOf(Contribution c) => $"{AlertWords.ExploreFilter(c.Dimension, c.Value)}&by={(c.Dimension == "model" ? "tag%3Afeature" : "model")}";

    private static string Count(long count) => count.ToString("#,0", CultureInfo.InvariantCulture);
}

/// <param name="Cause"><c>digest:2026-W48</c></param>
/// <param name="Monday">The first day of the week that is told.</param>
internal sealed record DigestWeek(string Cause, PeriodWindow Last, PeriodWindow Before, DateOnly Monday);
