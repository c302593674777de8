using Tokonomics.Application.Routing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Web.Portal.Api;

/// <summary>The report of quality groups as JSON: money as decimal strings, shares as numbers, 1 is all. Intervals hold in nine cases of ten.</summary>
internal static class SavingsApi
{
    /// <param name="From">The calls that are counted are those from here…</param>
    /// <param name="Until">…to before here: 28 days.</param>
    internal sealed record ReportShape(KeyEnvironment Environment, DateTimeOffset From, DateTimeOffset Until, IReadOnlyList<GroupShape> Data)
    {
        public static ReportShape Of(SavingsReport r, KeyEnvironment environment) => new(environment, r.From, r.Until, [.. r.Groups.Select(GroupShape.Of)]);
    }

    /// <param name="Rule">Its number in the route, from 1.</param>
    /// <param name="Active">False: it only watches.</param>
    /// <param name="SampleCostUsd">What comparing cost.</param>
    /// <param name="SavedUsd">What calls to candidates cost less than on the strong model, less attempts in vain; comparing is not taken off.</param>
    /// <param name="Weeks">Newest first.</param>
    /// <param name="Incidents">Newest first.</param>
    internal sealed record GroupShape(
        string RouteId, string RouteName, int Rule, string Strong, bool Active, decimal KeepPercent, int SamplePercent, string SampleLimitUsd, string SampleCostUsd, string SavedUsd, long Calls, long RoutedCalls,
        IReadOnlyList<CandidateShape> Candidates, IReadOnlyList<WeekShape> Weeks, IReadOnlyList<IncidentShape> Incidents)
    {
        public static GroupShape Of(GroupSavings g) => new(
            g.RouteId, g.RouteName, g.Rule, g.Strong, g.Quality.Active, Percent(g.Quality.Keep), g.Quality.SamplePercent, g.Quality.SampleLimit.ToString(), g.SampleCost.ToString(), g.Realised.ToString(), g.Calls, g.RoutedCalls,
            [.. g.Candidates.Select(CandidateShape.Of)], [.. g.Weeks.Select(WeekShape.Of)], [.. g.Incidents.Select(IncidentShape.Of)]);
    }

    /// <param name="Labels">Requests of which two answers were compared, older ones fading.</param>
    /// <param name="StrongMean">Of the strong model's scores; null without labels.</param>
    internal sealed record CandidateShape(string Model, double Labels, double? StrongMean, double? CandidateMean, string? LabelCostUsd, IReadOnlyList<ThresholdShape> Thresholds)
    {
        public static CandidateShape Of(CandidateSavings c) => new(c.Model, c.Labels, c.StrongMean, c.CandidateMean, c.LabelCost?.ToString(), [.. c.Thresholds.Select(ThresholdShape.Of)]);
    }

    /// <param name="Own">The group's own threshold.</param>
    internal sealed record ThresholdShape(decimal KeepPercent, bool Own, EstimateShape All, IReadOnlyList<ClassShape> Classes)
    {
        public static ThresholdShape Of(ThresholdSavings t) => new(Percent(t.Keep), t.IsOwn, EstimateShape.Of(t.All), [.. t.Classes.Select(ClassShape.Of)]);
    }

    /// <param name="SavingUsd">In the 28 days.</param>
    /// <param name="QualityKept">Of the strong model's mean score; null where it scored nothing.</param>
    internal sealed record EstimateShape(long Calls, double RoutedShare, string SavingUsd, string SavingLowUsd, string SavingHighUsd, double? QualityKept, double? QualityLow)
    {
        public static EstimateShape Of(SavingEstimate e) => new(e.Calls, e.RoutedShare, e.Saving.ToString(), e.SavingLow.ToString(), e.SavingHigh.ToString(), e.QualityKept, e.QualityLow);
    }

    /// <param name="Class">A number that says nothing of the request's text.</param>
    /// <param name="KeyId">Null, like what follows, for the class of all that are too many.</param>
    /// <param name="LabelsNeeded">How many more would prove it whole; 0 where it is proven, null where none would.</param>
    internal sealed record ClassShape(string Class, string? KeyId, string? KeyName, bool? SystemPrompt, int? Tools, string? Format, EstimateShape Saving, int? LabelsNeeded, string? LabelsNeededUsd)
    {
        public static ClassShape Of(ClassSavings c) => new(
            c.Class.ToString(), c.Facts?.KeyId, c.KeyName, c.Facts?.HasSystem, c.Facts?.Tools, c.Facts?.Format, EstimateShape.Of(c.Saving), c.Saving.LabelsNeeded, c.NeededCost?.ToString());
    }

    /// <param name="Week">Its Monday.</param>
    /// <param name="KeepPercent">What was promised.</param>
    /// <param name="Broken">More than a point below the promise.</param>
    /// <param name="SurelyBroken">By more than chance explains.</param>
    internal sealed record WeekShape(string Candidate, DateTimeOffset Week, decimal KeepPercent, double Labels, double? Kept, double? Low, double? High, bool Broken, bool SurelyBroken)
    {
        public static WeekShape Of(WeekKept w) => new(w.Candidate, w.Week, Percent(w.Keep), w.Labels, w.Kept, w.Low, w.High, w.Broken, w.SurelyBroken);
    }

    /// <param name="Class">Null where it is about all classes.</param>
    /// <param name="Kind">reset or demoted.</param>
    internal sealed record IncidentShape(string Candidate, string? Class, string Kind, string Detail, DateTimeOffset At)
    {
        public static IncidentShape Of(RoutingIncident i) => new(i.Candidate, i.Class?.ToString(), i.Kind, i.Detail, i.At);
    }

    private static decimal Percent(QualityTarget keep) => (decimal)keep.Target * 100;
}
