using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Routing;

/// <summary>What quality groups of the tenant's routes could save at each threshold, by the labels of its own traffic; what they have saved; and where a promise was broken.</summary>
public sealed record GetSavings(Caller Caller, string TenantId, KeyEnvironment Environment, string? RouteId = null) : IUseCase<SavingsReport>
{
    public Right Needs => Right.ReadUsage;

    /// <summary>Groups that route nothing yet alone, and each at its own threshold alone: for suggestions.</summary>
    public bool OnlyWatching { get; init; }
}

/// <param name="From">The calls that are counted are those from here…</param>
/// <param name="Until">…to before here: four weeks of whole days, UTC.</param>
public sealed record SavingsReport(DateTimeOffset From, DateTimeOffset Until, IReadOnlyList<GroupSavings> Groups);

/// <summary>A quality group of a route.</summary>
/// <param name="Rule">Its number in the route, from 1.</param>
/// <param name="SampleCost">What its samples and their judges cost in the four weeks.</param>
/// <param name="Realised">What calls that went to a candidate cost less than on the strong model, less what was tried in vain, in the four weeks; samples not counted.</param>
/// <param name="RoutedCalls">Calls that went to a candidate in the four weeks.</param>
/// <param name="Calls">All calls of clients in them that it decided on.</param>
/// <param name="Weeks">What quality was kept, newest first, of the last half year: by the calls that stayed on the strong model for nothing but to tell.</param>
/// <param name="Incidents">Newest first.</param>
public sealed record GroupSavings(
    string RouteId, string RouteName, int Rule, string Strong, RouteQuality Quality, NanoUsd SampleCost, NanoUsd Realised, long RoutedCalls, long Calls,
    IReadOnlyList<CandidateSavings> Candidates, IReadOnlyList<WeekKept> Weeks, IReadOnlyList<RoutingIncident> Incidents);

/// <param name="Labels">How many requests were judged, older ones fading.</param>
/// <param name="StrongMean">Of the strong model's scores, 0 to 1; null without labels. Likewise the candidate's.</param>
/// <param name="LabelCost">What one label costs, as far as that is known.</param>
/// <param name="Thresholds">At each threshold what would be saved: 95, 97, 99 % and the group's own.</param>
public sealed record CandidateSavings(string Model, double Labels, double? StrongMean, double? CandidateMean, NanoUsd? LabelCost, IReadOnlyList<ThresholdSavings> Thresholds);

/// <param name="IsOwn">The group's own threshold.</param>
/// <param name="All">Over all classes, in four weeks.</param>
public sealed record ThresholdSavings(QualityTarget Keep, bool IsOwn, SavingEstimate All, IReadOnlyList<ClassSavings> Classes);

/// <param name="Facts">Null for a class of which nothing may be said: one of too many.</param>
/// <param name="KeyName">Null where the key is gone.</param>
/// <param name="NeededCost">What the labels that are needed would cost; null where that isn't known, or no number of labels would prove it.</param>
public sealed record ClassSavings(TrafficClass Class, ClassFacts? Facts, string? KeyName, SavingEstimate Saving, NanoUsd? NeededCost);

/// <param name="Keep">What was promised.</param>
/// <param name="Kept">Of the strong model's mean score; null where it scored nothing.</param>
/// <param name="Low">The end of the interval of which nine in ten lie above; so far above lies <paramref name="High"/>.</param>
/// <param name="Broken">More than a point below the promise. Where <paramref name="High"/> isn't, few labels may be why.</param>
public sealed record WeekKept(string Candidate, DateTimeOffset Week, QualityTarget Keep, double Labels, double? Kept, double? Low, double? High, bool Broken)
{
    /// <summary>Broken by more than chance explains.</summary>
    public bool SurelyBroken => Broken && High < Keep.Target - QualityBound.Tolerance;
}

internal sealed class GetSavingsHandler(TokonomicsDbContext db, IRoutingStore store, TimeProvider time) : IRequestHandler<GetSavings, Outcome<SavingsReport>>
{
    private const int Days = 28;
    private const int MostIncidents = 20;
    private const int MostWeeks = 26;
    private const double NineInTen = 1.2816;

    public async Task<Outcome<SavingsReport>> Handle(GetSavings request, CancellationToken cancellationToken)
    {
        var (tenant, environment) = (request.TenantId, request.Environment);
        var until = new DateTimeOffset(time.GetUtcNow().UtcDateTime.Date.AddDays(1), TimeSpan.Zero);
        var from = until.AddDays(-Days);
        var routes = await db.Routes.AsNoTracking().Where(r => r.TenantId == tenant && (request.RouteId == null || r.Id == request.RouteId)).OrderBy(r => r.Name).ToListAsync(cancellationToken);
        if (request.RouteId is not null && routes.Count == 0)
            return Refusal.NotFound("route");
        var read = routes.ConvertAll(r => RoutePolicy.Read(r.Id, r.Name, r.Policy).Route).OfType<ModelRoute>().Where(r => r.Rules.Any(rule => IsAsked(rule.Quality))).ToList();
        if (read.Count == 0)
            return new SavingsReport(from, until, []);
        var calls = (await store.CallsAsync(tenant, environment, request.RouteId, from, until, cancellationToken)).ToLookup(c => c.RouteId);
        var sums = await store.PairsAsync(tenant, environment, request.RouteId, cancellationToken);
        var classes = (await store.ClassesAsync(tenant, environment, request.RouteId, cancellationToken)).Where(c => c.Class != default).ToLookup(c => c.RouteId);
        var keyIds = classes.SelectMany(c => c).Select(c => c.KeyId).Distinct().ToList();
        var keys = await db.Keys.AsNoTracking().Where(k => k.TenantId == tenant && keyIds.Contains(k.Id)).ToDictionaryAsync(k => k.Id, k => k.Name, cancellationToken);
        var weeks = await store.WeeksAsync(tenant, environment, request.RouteId, cancellationToken);
        var incidents = await store.IncidentsAsync(tenant, environment, request.RouteId, MostIncidents * read.Count, cancellationToken);

        var groups = new List<GroupSavings>();
        foreach (var route in read)
            for (var i = 0; i < route.Rules.Count; i++)
            {
                if (route.Rules[i] is not { Quality: { } quality, Targets: [var strong, ..] } rule || !IsAsked(quality))
                    continue;
                var own = CallsOf(rule, route, calls[route.Id]);
                var thresholds = request.OnlyWatching ? [quality.Keep] : QualityTarget.Usual.Append(quality.Keep).Distinct().OrderBy(k => k.Target).ToList();
                groups.Add(new GroupSavings(
                    route.Id, route.Name, i + 1, strong.Model, quality, Cost(own.Where(IsSample)), new NanoUsd(own.Where(c => !IsSample(c)).Sum(c => c.SavedNano)), own.Where(c => IsRouted(c, quality)).Sum(c => c.Calls), own.Where(IsClients).Sum(c => c.Calls),
                    [.. quality.Candidates.Select(model => Candidate(
                        model, quality.Keep, thresholds, sums.FirstOrDefault(s => s.Pair.RouteId == route.Id && s.Pair.Strong == strong.Model && s.Pair.Candidate == model).Sums, own, classes[route.Id].ToDictionary(c => c.Class), keys))],
                    [.. weeks.Where(w => w.Pair.RouteId == route.Id && w.Pair.Strong == strong.Model && quality.Candidates.Contains(w.Pair.Candidate)).Take(MostWeeks * quality.Candidates.Count).Select(Kept)],
                    [.. incidents.Where(e => e.RouteId == route.Id && quality.Candidates.Contains(e.Candidate)).Take(MostIncidents)]));
            }

        return new SavingsReport(from, until, groups);

        bool IsAsked(RouteQuality? quality) => quality is not null && !(request.OnlyWatching && quality.Active);
    }

    // The store counts by route. Where several groups share one, a group's calls are those of the models that it names, and what two of them name is in both.
    private static List<RoutedCalls> CallsOf(RouteRule rule, ModelRoute route, IEnumerable<RoutedCalls> calls)
    {
        if (route.Rules.Count(r => r.Quality is not null) < 2)
            return [.. calls];
        var models = rule.Models.Append(rule.Quality!.Judge).OfType<string>().ToList();
        return [.. calls.Where(c => models.Any(m => RouteTarget.IsCalled(m, c.Model)))];
    }

    private static CandidateSavings Candidate(string model, QualityTarget own, List<QualityTarget> targets, StoredSums? stored, List<RoutedCalls> calls, Dictionary<TrafficClass, ClassFacts> facts, Dictionary<string, string> keys)
    {
        var sums = stored is null ? null : RoutingSums.Read(stored.Sums, stored.Fingerprint);
        var all = sums?.All ?? default;
        var labelCost = LabelCost(sums, calls);
        var volumes = calls.Where(IsClients).GroupBy(c => c.Class).ToDictionary(c => c.Key, c => c.Sum(one => one.Calls));
        foreach (var name in sums?.Classes.Keys ?? [])
            volumes.TryAdd(name, 0);
        var thresholds = new List<ThresholdSavings>();
        var known = sums ?? new RoutingSums(default);
        var learned = RoutingModel.Of(known);
        foreach (var keep in targets)
        {
            var (total, byClass) = SavingEstimate.Of(known, RoutingPolicy.Of(known, keep, learned), volumes);
            thresholds.Add(new ThresholdSavings(keep, keep == own, total, [.. byClass
                .OrderByDescending(c => c.Value.Saving.Value).ThenByDescending(c => c.Value.Calls).ThenBy(c => c.Key)
                .Select(c => new ClassSavings(
                    c.Key, facts.GetValueOrDefault(c.Key), facts.TryGetValue(c.Key, out var of) ? keys.GetValueOrDefault(of.KeyId) : null, c.Value,
                    c.Value.LabelsNeeded is { } needed && labelCost is { } each ? new NanoUsd(needed * each.Value) : null))]));
        }

        return new CandidateSavings(model, all.Count, all.Count > 0 ? all.Strong / all.Count : null, all.Count > 0 ? all.Candidate / all.Count : null, labelCost, thresholds);
    }

    // What was paid for each; before any was taken, nobody knows.
    private static NanoUsd? LabelCost(RoutingSums? sums, List<RoutedCalls> calls)
    {
        var samples = calls.Where(c => c.Reason == RouteReason.Shadow).Sum(c => c.Calls);
        if (samples > 0)
            return new NanoUsd(Cost(calls.Where(IsSample)).Value / samples);
        return sums is { All.Count: > 0 } ? new NanoUsd((long)(sums.Classes.Values.Sum(c => c.CandidateCost.Value) / sums.All.Count)) : null;
    }

    private static WeekKept Kept(KeptWeek week)
    {
        var keep = new QualityTarget(week.KeepPermille / 1000d);
        var scores = week.Scores;
        if (scores.Strong <= 0)
            return new WeekKept(week.Pair.Candidate, week.Week, keep, scores.Count, null, null, null, false);
        var kept = scores.Candidate / scores.Strong;
        // Of candidate − kept × strong, whose mean is zero: its spread over the strong model's mean is that of the ratio. One loss more than were seen.
        var about = NineInTen * Math.Sqrt(Math.Max(0, scores.MarginSquares(kept) + 1)) / scores.Strong;
        return new WeekKept(week.Pair.Candidate, week.Week, keep, scores.Count, kept, kept - about, kept + about, kept < keep.Target - QualityBound.Tolerance);
    }

    private static bool IsSample(RoutedCalls calls) => calls.Reason is RouteReason.Shadow or RouteReason.Judge;

    // A turn in the middle of a tool loop is where its conversation is.
    private static bool IsRouted(RoutedCalls calls, RouteQuality quality) => calls.Reason is RouteReason.ClassProven or RouteReason.PromptProven
        || (calls.Reason == RouteReason.Conversation && quality.Candidates.Any(c => RouteTarget.IsCalled(c, calls.Model)));

    // An escalated call has been counted where it went first.
    private static bool IsClients(RoutedCalls calls) => !IsSample(calls) && calls.Reason != RouteReason.Escalated;

    private static NanoUsd Cost(IEnumerable<RoutedCalls> calls) => new(calls.Sum(c => c.CostNano));
}

/// <summary>What the labels suggest: groups that could save and don't yet, best first.</summary>
public sealed record GetSuggestions(Caller Caller, string TenantId, KeyEnvironment Environment, int Most = 3) : IUseCase<SavingSuggestions>
{
    public Right Needs => Right.ReadUsage;
}

public sealed record SavingSuggestions(IReadOnlyList<SavingSuggestion> Suggestions);

/// <summary>In a month, the calls of a class could cost so much less. Of several candidates the one that saves most.</summary>
/// <param name="Rule">Its number in the route, from 1.</param>
/// <param name="KeyName">Whose calls; null where the key is gone.</param>
/// <param name="Facts">Null for the class of all that are too many.</param>
/// <param name="Kept">Of the strong model's quality.</param>
/// <param name="Low">The end of the interval of which nine in ten lie above.</param>
/// <param name="Saving">In thirty days, with its interval of nine in ten.</param>
public sealed record SavingSuggestion(string RouteId, string RouteName, int Rule, string Strong, string Candidate, QualityTarget Keep, string? KeyName, ClassFacts? Facts, double Kept, double Low, NanoUsd Saving, NanoUsd SavingLow, NanoUsd SavingHigh);

internal sealed class GetSuggestionsHandler(IMediator sender) : IRequestHandler<GetSuggestions, Outcome<SavingSuggestions>>
{
    private const int MonthDays = 30;

    public async Task<Outcome<SavingSuggestions>> Handle(GetSuggestions request, CancellationToken cancellationToken)
    {
        var report = await sender.Send(new GetSavings(request.Caller, request.TenantId, request.Environment) { OnlyWatching = true }, cancellationToken);
        if (report.Refusal is { } refusal)
            return refusal;
        var days = (decimal)(report.Value.Until - report.Value.From).TotalDays;
        NanoUsd Month(NanoUsd amount) => NanoUsd.Round(amount.Usd * MonthDays / days);
        var found =
            from g in report.Value.Groups
            from c in g.Candidates
            from t in c.Thresholds
            from one in t.Classes
            // What is promised of all calls together may be missed by one class of them: such a one is no suggestion.
            where one.Saving is { RoutedShare: > 0, QualityLow: not null } && one.Saving.QualityKept >= t.Keep.Target && one.Saving.SavingLow > NanoUsd.Zero
            orderby one.Saving.Saving.Value descending
            select (Of: (g.RouteId, g.Rule, one.Class), Suggestion: new SavingSuggestion(
                g.RouteId, g.RouteName, g.Rule, g.Strong, c.Model, t.Keep, one.KeyName, one.Facts, one.Saving.QualityKept!.Value, one.Saving.QualityLow!.Value, Month(one.Saving.Saving), Month(one.Saving.SavingLow), Month(one.Saving.SavingHigh)));
        return new SavingSuggestions([.. found.DistinctBy(f => f.Of).Take(Math.Max(0, request.Most)).Select(f => f.Suggestion)]);
    }
}
