using System.Globalization;
using Tokonomics.Application.Translation;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Routing;

/// <summary>Adds labels to what is known of a pair, lets old ones fade, and begins anew where a model or a price is another.</summary>
public sealed class RoutingLearner(IRoutingStore store, TimeProvider time)
{
    /// <summary>Classes of a route on a node, and of a pair; what comes after is of one class. A system prompt with the time in it would make one of each call.</summary>
    public const int MostClasses = 500;

    /// <summary>Labels of a month ago weigh so much.</summary>
    private const double KeptInMonth = 0.9;

    private static readonly TimeSpan Month = TimeSpan.FromDays(30);

    /// <summary>The same as long as both models' names and rates are: of rates that hold all day.</summary>
    public static PairFingerprint FingerprintOf(RoutingPair pair, ModelPrices? strong, ModelPrices? candidate, DateTimeOffset at) =>
        PairFingerprint.Of(pair.Strong, Rates(strong, at), pair.Candidate, Rates(candidate, at));

    /// <param name="strong">How the strong model's answer reads; which model it was.</param>
    /// <param name="keep">What is promised, where the policy would have routed the request; null where it wouldn't.</param>
    public Task LearnAsync(RoutingPair pair, PairFingerprint fingerprint, RoutingLabel label, AnswerReading strong, AnswerReading candidate, QualityTarget? keep, CancellationToken cancellationToken) => store.ChangeAsync(
        pair,
        before =>
        {
            var now = time.GetUtcNow();
            var sums = before is null ? null : RoutingSums.Read(before.Sums, fingerprint);
            var why = before is null ? null
                : sums is null ? "a model's name or a price is another"
                : Differs("the strong model", before.StrongAnswered, strong.Model) ?? Differs("the candidate", before.CandidateAnswered, candidate.Model);
            if (why is not null || sums is null)
                sums = new RoutingSums(fingerprint);
            if (before is not null && now - before.ChangedAt is var since && since > TimeSpan.FromDays(1))
                sums.Fade(Math.Pow(KeptInMonth, since / Month));
            sums.Learn(sums.Classes.Count < MostClasses || sums.Classes.ContainsKey(label.Class) ? label : label with { Class = default }, RoutingModel.Of(sums));
            return new PairChange(
                new StoredSums(fingerprint, sums.ToBytes(), strong.Model ?? before?.StrongAnswered ?? "", candidate.Model ?? before?.CandidateAnswered ?? "", now),
                keep is { } target ? new KeptLabel(WeekOf(now), (int)Math.Round(target.Target * 1000), label.Strong, label.Candidate) : null,
                why is null ? [] : [new RoutingIncident(pair.RouteId, pair.Environment, pair.Candidate, null, "reset", $"Learning began anew: {why}.", now)]);
        },
        cancellationToken);

    /// <summary>Adds weak signals to a pair's, and demotes the classes of which they clearly speak against the candidate.</summary>
    /// <returns>Whether one was demoted.</returns>
    public async Task<bool> SignalAsync(RoutingPair pair, IReadOnlyList<SignalCount> added, CancellationToken cancellationToken)
    {
        var demoted = false;
        foreach (var ofClass in (await store.AddSignalsAsync(pair, added, cancellationToken)).GroupBy(s => s.Class))
        {
            var seen = new WeakSignals();
            foreach (var count in ofClass)
            {
                if (count.Signal is { } signal)
                    seen.Add(count.OfCandidate, signal, count.Times);
                else
                    seen.AddCalls(count.OfCandidate, count.Times);
            }

            if (seen.Demotes() is not { } against)
                continue;
            await DemoteAsync(
                pair, ofClass.Key, $"{Words(against)} in {seen.Signals(true, against)} of {seen.Calls(true)} calls of {pair.Candidate}{(seen.Calls(false) > 0 ? $", and in {seen.Signals(false, against)} of {seen.Calls(false)} of {pair.Strong}" : "")}.",
                cancellationToken);
            demoted = true;
        }

        return demoted;
    }

    private static string Words(WeakSignal signal) => signal switch
    {
        WeakSignal.SchemaFailure => "Answers failed their check",
        WeakSignal.ToolError => "Tools reported errors",
        WeakSignal.Refusal => "Answers were refusals",
        WeakSignal.CutShort => "Answers were cut off at the most tokens",
        WeakSignal.Regenerated => "The same request was sent again within minutes",
        _ => "Somebody said that the answer was bad",
    };

    // Back to the strong model until new labels prove it.
    private Task DemoteAsync(RoutingPair pair, TrafficClass name, string why, CancellationToken cancellationToken) => store.ChangeAsync(
        pair,
        before =>
        {
            var now = time.GetUtcNow();
            var sums = before is null ? null : RoutingSums.Read(before.Sums, before.Fingerprint);
            sums?.Forget(name);
            return new PairChange(
                sums is null ? null : before! with { Sums = sums.ToBytes(), ChangedAt = now }, null,
                [new RoutingIncident(pair.RouteId, pair.Environment, pair.Candidate, name, "demoted", why, now)], [name]);
        },
        cancellationToken);

    /// <summary>Begins anew: the candidate that answers is another than the labels are about.</summary>
    public Task ResetAsync(RoutingPair pair, string answered, CancellationToken cancellationToken) => store.ChangeAsync(
        pair,
        before =>
        {
            if (before is null || Differs("the candidate", before.CandidateAnswered, answered) is not { } why)
                return new PairChange(null);
            var now = time.GetUtcNow();
            return new PairChange(
                before with { Sums = new RoutingSums(before.Fingerprint).ToBytes(), CandidateAnswered = answered, ChangedAt = now }, null,
                [new RoutingIncident(pair.RouteId, pair.Environment, pair.Candidate, null, "reset", $"Learning began anew: {why}.", now)]);
        },
        cancellationToken);

    /// <summary>Its Monday, 0:00 UTC.</summary>
    public static DateTimeOffset WeekOf(DateTimeOffset at) => new(at.UtcDateTime.Date.AddDays(-(((int)at.UtcDateTime.DayOfWeek + 6) % 7)), TimeSpan.Zero);

    private static string? Differs(string whose, string before, string? now) => before.Length > 0 && now is { Length: > 0 } && before != now ? $"{whose} answers as {Shown(now)}, and was {Shown(before)}" : null;

    private static string Shown(string name) => name.Length <= 100 ? name : name[..100] + "…";

    private static string Rates(ModelPrices? model, DateTimeOffset at)
    {
        var card = model?.Periods.LastOrDefault(p => p.Hours is null && (p.From is not { } from || from <= at))?.Card;
        return card is null ? "" : string.Join(';', card.Tiers.Select(t => string.Create(CultureInfo.InvariantCulture, $"{t.Above}>{Text(t.Rates)}")).Prepend(Text(card.Rates)));
    }

    private static string Text(RateSet rates) => string.Join(',', rates.Listed.Select(u => string.Create(CultureInfo.InvariantCulture, $"{u}={rates[u]}")));
}
