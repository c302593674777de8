using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;
using Tokonomics.Web.Proxy.Forwarding;

namespace Tokonomics.Web.Proxy.Routing;

/// <summary>
/// Decides which calls of a quality group go to a cheaper model, from what this node has read of its labels. Nothing here waits: what isn't read yet counts as not learned, and goes to the strong
/// model.
/// </summary>
internal sealed partial class QualityGroups(IRoutingStore store, RoutingLearner learner, QualitySignals signals, ClassSecret secrets, PriceBook prices, TimeProvider time, ILogger<QualityGroups> log)
{
    private const int HundredPercent = 100;

    /// <summary>What was learned is read again when it is older than that.</summary>
    private static readonly TimeSpan ReadEvery = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, byte[]> _secrets = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(RoutingPair, PairFingerprint, QualityTarget), LearnedPair> _learned = new();
    private readonly ConcurrentDictionary<(RoutingPair, string Version), (PairFingerprint Print, long At)> _prints = new();
    private readonly ConcurrentDictionary<(string TenantId, KeyEnvironment, string RouteId), ConcurrentDictionary<TrafficClass, bool>> _classes = new();

    /// <param name="candidates">Those that can be reached.</param>
    /// <param name="costs">What the call is expected to cost at a target; null where that isn't known.</param>
    /// <param name="stays">Where its conversation is, in the middle of a tool loop: nothing is decided. Null elsewhere.</param>
    /// <param name="mayBeSampled">There is room for a second call.</param>
    public QualityCall Decide(ProxyCall call, ModelRoute route, RouteQuality group, in RequestParts parts, PlannedTarget strong, IReadOnlyList<PlannedTarget> candidates, ulong conversation, string? stays, Func<PlannedTarget, NanoUsd?> costs, Func<bool> mayBeSampled)
    {
        var key = call.Key!;
        var secret = _secrets.GetOrAdd(key.Tenant.Id, static (id, secrets) => secrets(id), secrets);
        var traffic = Counted(TrafficReading.Of(parts, secret, key.Id), key, route.Id, call.At);
        var standings = new List<PairStanding>(candidates.Count);
        foreach (var candidate in candidates)
            standings.Add(StandingOf(key, route.Id, group.Keep, strong, candidate, call.At));
        // At the strong model it can be sampled all the same: what candidates do with such turns counts like any other.
        if (stays is not null)
            return new QualityCall(route.Id, group, traffic, strong, RouteReason.Conversation, standings.Find(s => s.Candidate.Written == stays), stays == strong.Written ? MaySample() : null, false);

        // 1. Where it goes.
        var known = standings.ConvertAll(s => new CandidateStanding(s.Learned.Policy, costs(s.Candidate)));
        var decision = GroupDecision.Of(group, traffic, CollectionsMarshal.AsSpan(known), costs(strong), secret, GroupDecision.Lot(conversation, call.RequestId));
        var (proven, routes, held) = (At(decision.Proven), At(decision.Candidate), decision.IsHeld == true);

        // 2. Who is asked as well: of the holdout always, since nothing else tells what is lost by now.
        PairStanding? sample = null;
        if (routes is null)
            sample = held && group is { Active: true, SamplePercent: > 0 } ? mayBeSampled() ? proven : null : MaySample();
        return new QualityCall(route.Id, group, traffic, strong, decision.Reason, routes, sample, held && group.Active);

        PairStanding? At(int? place) => place is { } i ? standings[i] : null;

        PairStanding? MaySample() => standings.Count > 0 && RandomNumberGenerator.GetInt32(HundredPercent) < group.SamplePercent && mayBeSampled() ? standings[RandomNumberGenerator.GetInt32(standings.Count)] : null;
    }

    /// <summary>A call of a group has ended: what its answer says of the model, as far as it says anything.</summary>
    public void Ended(QualityCall quality, PlannedTarget target, ProxyCall call)
    {
        var ofCandidate = quality.IsCandidate(target);
        if ((ofCandidate ? quality.Chosen : quality.Sample) is not { } standing || call.Event is not { Status: < 300, Outcome: CallOutcome.Completed } ended || (!ofCandidate && !quality.IsPromised))
            return;
        signals.Add(standing.Pair, quality.Traffic.Class, ofCandidate, null);
        // What we cut off ourselves is not its fault.
        if (WeakSignals.OfEnd(ended.FinishReason, ended.Usage[UsageUnit.Output]) is { } signal && (signal != WeakSignal.CutShort || call is { CutAtBudget: false, OutputLimit: null }))
            signals.Add(standing.Pair, quality.Traffic.Class, ofCandidate, signal);
        // Another version answers under the name: what was learned is about the one before.
        if (ofCandidate && ended.ResponseModel is { Length: > 0 } answered && standing.Learned.CandidateAnswered is { Length: > 0 } judged && answered != judged)
        {
            standing.Learned.Policy = null;
            _ = Task.Run(async () =>
            {
                try
                {
                    await learner.ResetAsync(standing.Pair, answered, CancellationToken.None);
                }
                catch (Exception e) when (e is not OutOfMemoryException)
                {
                    NotReset(standing.Pair.RouteId, e);
                }

                standing.Learned.Spoil();
            });
        }
    }

    /// <summary>The candidate's answer failed its check.</summary>
    public void Failed(QualityCall quality) => signals.Add(quality.Chosen!.Pair, quality.Traffic.Class, true, WeakSignal.SchemaFailure);

    /// <summary>The same request came within minutes, and a candidate had answered it: whoever asks again was not content. Once for each answer: a program that repeats itself says nothing of the model.</summary>
    public void Regenerated(RoutingPair pair, TrafficClass name) => signals.Add(pair, name, true, WeakSignal.Regenerated);

    /// <summary>Something was seen that speaks against an earlier answer of the conversation.</summary>
    /// <param name="written">The target that answered.</param>
    public void Seen(QualityCall quality, string written, KeySnapshot key, WeakSignal signal)
    {
        if (quality.Group.Candidates.Contains(written))
            signals.Add(new RoutingPair(key.Tenant.Id, key.Environment, quality.RouteId, quality.Strong.Written, written), quality.Traffic.Class, true, signal);
    }

    /// <summary>For the signals: whoever demotes a class has others read it.</summary>
    public void Spoil(RoutingPair pair)
    {
        foreach (var (name, learned) in _learned)
            if (name.Item1 == pair)
                learned.Spoil();
    }

    private PairStanding StandingOf(KeySnapshot key, string routeId, QualityTarget keep, PlannedTarget strong, PlannedTarget candidate, DateTimeOffset at)
    {
        var book = key.Tenant.Prices ?? prices;
        var pair = new RoutingPair(key.Tenant.Id, key.Environment, routeId, strong.Written, candidate.Written);
        var fingerprint = FingerprintOf(book, pair, strong, candidate, key.Environment, at);
        var learned = _learned.GetOrAdd((pair, fingerprint, keep), static _ => new LearnedPair());
        if (learned.IsDue(time.GetTimestamp(), ReadEvery.Ticks * time.TimestampFrequency / TimeSpan.TicksPerSecond))
            _ = Task.Run(() => ReadAsync(pair, fingerprint, keep, learned));
        return new PairStanding(pair, fingerprint, candidate, learned);
    }

    // The same for some seconds: a rate changes from one day to the next.
    private PairFingerprint FingerprintOf(PriceBook book, RoutingPair pair, PlannedTarget strong, PlannedTarget candidate, KeyEnvironment environment, DateTimeOffset at)
    {
        if (_prints.TryGetValue((pair, book.Version), out var known) && time.GetElapsedTime(known.At) < ReadEvery)
            return known.Print;
        var print = GroupDecision.Fingerprint(pair, strong, candidate, book, environment, at);
        _prints[(pair, book.Version)] = (print, time.GetTimestamp());
        return print;
    }

    private async Task ReadAsync(RoutingPair pair, PairFingerprint fingerprint, QualityTarget keep, LearnedPair learned)
    {
        var at = time.GetTimestamp();
        try
        {
            var sums = await store.LoadAsync(pair, CancellationToken.None);
            learned.CandidateAnswered = sums?.CandidateAnswered ?? "";
            learned.Policy = GroupDecision.Policy(sums, fingerprint, keep);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // What was known goes on to hold; it is asked again.
            NotRead(pair.RouteId, e);
        }
        finally
        {
            learned.Read(at);
        }
    }

    // The class as it is, or the one of all that are too many.
    private TrafficReading Counted(TrafficReading traffic, KeySnapshot key, string routeId, DateTimeOffset at)
    {
        var known = _classes.GetOrAdd((key.Tenant.Id, key.Environment, routeId), static _ => new());
        if (known.ContainsKey(traffic.Class))
            return traffic;
        if (known.Count >= RoutingLearner.MostClasses)
            traffic = traffic with { Class = default };
        if (known.TryAdd(traffic.Class, true))
            _ = Task.Run(async () =>
            {
                try
                {
                    await store.AddClassAsync(key.Tenant.Id, new ClassFacts(routeId, key.Environment, traffic.Class, key.Id, traffic.Tools, traffic.Format, traffic.HasSystem, at), CancellationToken.None);
                }
                catch (Exception e) when (e is not OutOfMemoryException)
                {
                    known.TryRemove(traffic.Class, out _); // told again with its next call
                    NotRead(routeId, e);
                }
            });
        return traffic;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "What the quality group of route {Route} has learned can't be read or kept at the moment")]
    private partial void NotRead(string route, Exception e);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The quality group of route {Route} could not be begun anew")]
    private partial void NotReset(string route, Exception e);
}
