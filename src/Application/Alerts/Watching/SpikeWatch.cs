using System.Globalization;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Alerts.Watching;

/// <summary>
/// Looks for spending that is far beyond the usual: of the organization, its projects, keys, features and customers. One rise of spending shows in several of them; it is told once, of the
/// narrowest that makes up most of it. What that one spends is then left out, so that a second cause beside it is found as well.
/// </summary>
internal sealed class SpikeWatch(IWatchQueries queries, UsualSpend usuals, IAlertBook book)
{
    private const string Prefix = "spike:";

    // What makes up so much of the largest rise is what rose.
    private const double MostOfRise = 0.6;

    private const int MostAtOnce = 5;

    // What has come to stay is told once a day, unless it has doubled.
    private static readonly TimeSpan NotAgain = TimeSpan.FromDays(1);
    private const double Doubled = 2;
    private const double CriticalFloors = 10;

    // Calls that are read to say what made up spending before.
    private const double CallsCompared = 100_000;

    private static readonly IReadOnlyList<int> Windows = SpendSpike.Windows;
    private static readonly string[] Tags = ["customer", "feature"];

    /// <param name="ExcessPerHour">Dollars beyond the usual, of what isn't told of already.</param>
    private sealed record Found(AlertSubject Subject, SpendSpike Spike, double ExcessPerHour);

    public async Task<int> LookAsync(WatchedMinute minute, IReadOnlyList<OpenAlert> open, CancellationToken cancellationToken)
    {
        var told = 0;
        List<AlertSubject> covered = [];
        foreach (var alert in open)
            if (!await IsOverAsync(minute, alert, cancellationToken))
                covered.Add(Subject(alert.Condition));
        for (var causes = 0; causes < MostAtOnce && !covered.Contains(AlertSubject.Tenant); causes++)
        {
            var rest = minute.Cells.Where(c => c.Spent > 0 && !covered.Exists(s => minute.Is(c, s))).ToList();
            var found = new List<Found>();
            foreach (var (subject, sums) in Suspects(minute, rest))
                if (await FindAsync(minute, subject, sums, cancellationToken) is { } spike)
                    found.Add(spike);
            if (found.Count == 0)
                break;
            var most = found.Max(f => f.ExcessPerHour);
            var culprit = found.Where(f => f.ExcessPerHour >= MostOfRise * most).OrderBy(f => Width(f.Subject)).ThenByDescending(f => f.ExcessPerHour).First();
            covered.Add(culprit.Subject);
            if (await WasToldAsync(minute, culprit, cancellationToken))
                continue;
            if (await book.TellAsync(await WordsAsync(minute, culprit, cancellationToken), cancellationToken))
                told++;
        }

        return told;
    }

    private async Task<bool> WasToldAsync(WatchedMinute minute, Found found, CancellationToken cancellationToken) =>
        (await book.LastCauseAsync(minute.TenantId, AlertKind.SpendSpike, found.Subject, cancellationToken))?.Split('@')[^2..] is [var at, var excess]
        && minute.Now.ToUnixTimeSeconds() - long.Parse(at, CultureInfo.InvariantCulture) < NotAgain.TotalSeconds && found.ExcessPerHour < Doubled * long.Parse(excess, CultureInfo.InvariantCulture) / 1e6;

    private static string Cause(WatchedMinute minute, Found found) => string.Create(CultureInfo.InvariantCulture, $"{Condition(found.Subject)}@{minute.Now.ToUnixTimeSeconds():d12}@{(long)(found.ExcessPerHour * 1e6)}");

    // The narrowest first.
    private static int Width(AlertSubject subject) => (subject.Scope, subject.Name) switch { ("key", _) => 0, ("tag", "customer") => 1, ("tag", _) => 2, ("project", _) => 3, _ => 4 };

    private static string Condition(AlertSubject subject) => $"{Prefix}{subject.Scope}:{subject.Name}:{subject.Value}";

    private static AlertSubject Subject(string condition) => condition[Prefix.Length..].Split(':', 3) is [var scope, var name, var value] ? new AlertSubject(scope, name, value) : AlertSubject.Tenant;

    private sealed class Sums
    {
        public double[] Spent { get; } = new double[Windows.Count];

        public double Dearest { get; private set; }

        public void Add(in SpendCell cell)
        {
            for (var i = 0; i < Windows.Count; i++)
                if (cell.Minute < Windows[i])
                    Spent[i] += cell.Spent;
            if (cell.Minute < SpendSpike.ShortestWindow)
                Dearest = Math.Max(Dearest, cell.Dearest);
        }

        /// <summary>Whether some window has as much as a spike needs, chance left out.</summary>
        /// <param name="floor">Dollars an hour beyond <paramref name="expected"/>.</param>
        public bool IsBeyond(WatchedMinute minute, double floor, double ratio, double expected)
        {
            for (var i = 0; i < Windows.Count && Windows[i] <= minute.Minutes; i++)
                if (Spent[i] - Dearest - (expected * Windows[i] / 60) >= floor * Windows[i] / 60 && Spent[i] - Dearest >= ratio * expected * Windows[i] / 60)
                    return true;
            return false;
        }
    }

    // What spent more than the floor in some window, whatever is usual for it: the others needn't be asked about.
    private static IEnumerable<(AlertSubject Subject, Sums Sums)> Suspects(WatchedMinute minute, List<SpendCell> cells)
    {
        var sums = new Dictionary<AlertSubject, Sums>();
        foreach (var cell in cells)
        {
            foreach (var subject in Subjects(minute, cell))
            {
                if (!sums.TryGetValue(subject, out var sum))
                    sums[subject] = sum = new Sums();
                sum.Add(cell);
            }
        }

        foreach (var (subject, sum) in sums)
            if (sum.IsBeyond(minute, (double)AlertTerms.LeastFloor.Usd, 0, 0) && minute.Terms(AlertKind.SpendSpike, subject) is { On: true } terms && sum.IsBeyond(minute, terms.Spike.Floor, 0, 0))
                yield return (subject, sum);
    }

    private static IEnumerable<AlertSubject> Subjects(WatchedMinute minute, SpendCell cell)
    {
        yield return AlertSubject.Tenant;
        yield return AlertSubject.Key(cell.Key);
        if (cell.Project.Length > 0)
            yield return new AlertSubject("project", "", cell.Project);
        foreach (var name in Tags)
            if (minute.Tag(cell, name) is { Length: > 0 } value)
                yield return new AlertSubject("tag", name, value);
    }

    private async Task<Found?> FindAsync(WatchedMinute minute, AlertSubject subject, Sums sums, CancellationToken cancellationToken)
    {
        if (await usuals.AtAsync(minute, subject, cancellationToken) is not { } usual)
            return null;
        var sensitivity = minute.Terms(AlertKind.SpendSpike, subject).Spike;
        if (!sums.IsBeyond(minute, sensitivity.Floor, sensitivity.Ratio, usual.Spend.Expected))
            return null;
        var (spend, calls, dearest) = await RecentAsync(minute, subject, usual, cancellationToken);
        if (SpendSpike.Find(spend, calls, dearest, sensitivity) is not { } spike)
            return null;
        // What is told of already doesn't count again for what contains it.
        var window = Enumerable.Range(0, Windows.Count).Last(i => Windows[i] <= spike.Minutes && Windows[i] <= minute.Minutes);
        return new Found(subject, spike, (sums.Spent[window] * 60 / Windows[window]) - usual.Spend.Expected);
    }

    private async Task<(Recent Spend, Recent Calls, double Dearest)> RecentAsync(WatchedMinute minute, AlertSubject subject, Usual usual, CancellationToken cancellationToken)
    {
        var last = await LastMinutesAsync(minute, subject, usual.MostOfCall, cancellationToken);
        var grains = await usuals.GrainsAsync(minute, subject, usual, cancellationToken);
        return (new Recent(last.Spent, usual.Spend, grains.Spend), new Recent(last.Calls, usual.Calls, grains.Calls), last.Dearest[^SpendSpike.ShortestWindow..].Max());
    }

    // By the cells; only minutes in which one call cost more than it counts as are read call by call.
    private async Task<MinuteSeries> LastMinutesAsync(WatchedMinute minute, AlertSubject subject, double most, CancellationToken cancellationToken)
    {
        const int count = SpendSpike.LongestWindow;
        var series = new MinuteSeries(new double[count], new double[count], new double[count]);
        var (first, last) = (count, -1);
        foreach (var cell in await minute.LastHourAsync(cancellationToken))
        {
            if (!minute.Is(cell, subject))
                continue;
            var at = count - 1 - cell.Minute;
            series.Spent[at] += cell.Spent;
            series.Calls[at] += cell.Calls;
            series.Dearest[at] = Math.Max(series.Dearest[at], cell.Dearest);
            if (cell.Dearest > most)
                (first, last) = (Math.Min(first, at), Math.Max(last, at));
        }

        if (last >= 0)
        {
            var read = await queries.MinutesAsync(minute.TenantId, subject, minute.Now.AddMinutes(first - count), minute.Now.AddMinutes(last + 1 - count), most, cancellationToken);
            read.Spent.CopyTo(series.Spent, first);
            read.Calls.CopyTo(series.Calls, first);
            read.Dearest.CopyTo(series.Dearest, first);
        }

        return series;
    }

    private async Task<bool> IsOverAsync(WatchedMinute minute, OpenAlert alert, CancellationToken cancellationToken)
    {
        var subject = Subject(alert.Condition);
        var text = $"Nothing tells any more what is usual for {AlertWords.Of(subject, minute.Names)}: it is looked at anew.";
        if (await usuals.AtAsync(minute, subject, cancellationToken) is { } usual)
        {
            var (spend, calls, dearest) = await RecentAsync(minute, subject, usual, cancellationToken);
            if (!SpendSpike.IsOver(spend, calls, dearest, minute.Terms(AlertKind.SpendSpike, subject).Spike))
                return false;
            text = $"{AlertWords.Usd(spend.Minutes.Span[^30..].ToArray().Sum())} in the last half hour, where {AlertWords.Usd(usual.Spend.Expected / 2)} is usual.";
        }

        return await book.ResolveAsync(new AlertEnd(alert.TenantId, alert.Condition, text, [], minute.Now), cancellationToken);
    }

    private async Task<AlertDraft> WordsAsync(WatchedMinute minute, Found found, CancellationToken cancellationToken)
    {
        var (subject, spike) = (found.Subject, found.Spike);
        var whose = AlertWords.Of(subject, minute.Names);
        var change = await ExplainAsync(minute, found, cancellationToken);
        var cause = change?.Cause is { Change.Value: > 0 } c ? c : null;
        var name = cause is null ? null : cause.Value.Length == 0 ? $"calls without a {cause.Dimension}" : $"{cause.Dimension} {minute.Names.Of(cause.Value)}";
        var model = cause?.Dimension != "model" && change?.CauseOnModel?.Model is { Length: > 0 } on ? $", most of it on {on}" : "";
        var times = spike.Usual > 0.005 * spike.Spent ? $"{AlertWords.Number(spike.Spent / spike.Usual)} times the usual" : "where hardly anything is usual";
        List<AlertFact> facts = [new("Spent", $"{AlertWords.Usd(spike.Spent)} in {spike.Minutes} minutes"), new("Usual", $"{AlertWords.Usd(spike.Usual)} in {spike.Minutes} minutes")];
        if (name is not null)
            facts.Add(new("Explained by", $"{name}: {Part(change!.Share)} of the rise{model}"));
        return new AlertDraft(
            minute.TenantId, Cause(minute, found), AlertKind.SpendSpike,
            found.ExcessPerHour >= CriticalFloors * minute.Terms(AlertKind.SpendSpike, subject).Spike.Floor ? AlertSeverity.Critical : AlertSeverity.Warning, subject,
            $"Spending of {whose}: {times}",
            $"{AlertWords.Usd(spike.Spent)} in the last {spike.Minutes} minutes, where {AlertWords.Usd(spike.Usual)} {(spike.Usual is > 0 and < 0.01 ? "or less " : "")}is usual at this hour of the week; at this rate {AlertWords.Usd(spike.Spent * 60 / spike.Minutes)} an hour."
                + (name is null ? "" : $" {char.ToUpperInvariant(name[0])}{name[1..]} explains {Part(change!.Share)} of the rise{model}.")
                + (subject.Scope == "key" ? " If it isn't meant: a budget on the key stops it at once, and revoking the key for good." : " If it isn't meant, a budget there stops it at once."),
            Path(minute, subject, cause), facts, minute.Now, Condition(subject));
    }

    // A reading of a day that doesn't come through in time costs the explanation, not the alert.
    private async Task<SpendChange?> ExplainAsync(WatchedMinute minute, Found found, CancellationToken cancellationToken)
    {
        try
        {
            return await ChangeAsync(minute, found, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    // What was spent in the window against as long a time of the hours before, by everything that calls carry.
    private async Task<SpendChange> ChangeAsync(WatchedMinute minute, Found found, CancellationToken cancellationToken)
    {
        var from = minute.Now.AddMinutes(-found.Spike.Minutes);
        var usual = await usuals.AtAsync(minute, found.Subject, cancellationToken);
        var perHour = usual is null ? 0 : usual.LastCalls[^24..].Average();
        var hours = Math.Clamp((int)(CallsCompared / Math.Max(1, perHour)), 1, 24);
        var now = (await queries.CellsAsync(minute.TenantId, from, minute.Now, byMinute: false, cancellationToken)).Where(c => minute.Is(c, found.Subject)).ToList();
        var before = (await queries.CellsAsync(minute.TenantId, from.AddHours(-hours), from, byMinute: false, cancellationToken)).Where(c => minute.Is(c, found.Subject)).ToList();
        var scale = found.Spike.Minutes / (60d * hours);
        List<(string Dimension, Func<SpendCell, string> Value)> dimensions =
        [
            ("customer", c => minute.Tag(c, "customer") ?? ""), ("feature", c => minute.Tag(c, "feature") ?? ""), ("key", c => c.Key), ("project", c => c.Project), ("model", c => c.Model), ("provider", c => c.Provider),
        ];
        var own = found.Subject.Scope == "tag" ? found.Subject.Name : found.Subject.Scope;
        var (values, onModels) = (new List<Contribution>(), new List<Contribution>());
        foreach (var (dimension, value) in dimensions.Where(d => d.Dimension != own))
        {
            values.AddRange(Contributions(dimension, c => (value(c), null)));
            onModels.AddRange(Contributions(dimension, c => (value(c), c.Model)));
        }

        return SpendChange.Of(values, onModels, Nano(before.Sum(c => c.Spent) * scale), Nano(now.Sum(c => c.Spent)));

        IEnumerable<Contribution> Contributions(string dimension, Func<SpendCell, (string Value, string? Model)> by)
        {
            var earlier = before.GroupBy(by).ToDictionary(g => g.Key, g => (Spent: g.Sum(c => c.Spent) * scale, Calls: (long)(g.Sum(c => c.Calls) * scale)));
            var later = now.GroupBy(by).ToDictionary(g => g.Key, g => (Spent: g.Sum(c => c.Spent), Calls: g.Sum(c => c.Calls)));
            return earlier.Keys.Union(later.Keys).Select(k =>
            {
                var (was, isNow) = (earlier.GetValueOrDefault(k), later.GetValueOrDefault(k));
                return new Contribution(dimension, k.Value, k.Model, Nano(was.Spent), Nano(isNow.Spent), was.Calls, isNow.Calls);
            });
        }
    }

    private static string Part(decimal share) => share >= 0.95m ? "all" : $"{AlertWords.Number((double)share * 100)} %";

    private static NanoUsd Nano(double usd) => NanoUsd.Round((decimal)Math.Min(usd, 9e9));

    private static string Path(WatchedMinute minute, AlertSubject subject, Contribution? cause)
    {
        var filters = new List<string> { "range=today", "grain=hour" };
        Add(subject.Scope == "tag" ? subject.Name : subject.Scope, subject.Value);
        if (cause is { Value.Length: > 0 })
            Add(cause.Dimension, cause.Value);
        filters.Add("by=" + (filters.Exists(f => f.StartsWith("model=", StringComparison.Ordinal)) ? "key" : "model"));
        return "/explore?" + string.Join('&', filters);

        // One tag is what the view filters by.
        void Add(string dimension, string value)
        {
            var filter = AlertWords.ExploreFilter(dimension, value);
            if (dimension != "tenant" && !(filter.StartsWith("tag=", StringComparison.Ordinal) && filters.Exists(f => f.StartsWith("tag=", StringComparison.Ordinal))))
                filters.Add(filter);
        }
    }
}
