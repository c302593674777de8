using Tokonomics.Application.Ledger;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Translation;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Testing;

/// <summary>A quality group that has classes, labels and calls, as a proxy would have made them.</summary>
public sealed class TaughtGroup(IRoutingStore store, IUsageLedger ledger, TimeProvider time, RoutingPair pair)
{
    private static readonly AnswerReading Answer = new("", [], AnswerEnd.Whole, null);

    private static int _calls;

    private readonly RoutingLearner _learner = new(store, time);

    public RoutingPair Pair => pair;

    /// <summary>A class of calls of that key.</summary>
    public async Task<TrafficClass> ClassAsync(ulong name, string keyId, int tools = 0, string format = "text", bool hasSystem = true)
    {
        await store.AddClassAsync(pair.TenantId, new ClassFacts(pair.RouteId, pair.Environment, new TrafficClass(name), keyId, tools, format, hasSystem, time.GetUtcNow()), CancellationToken.None);
        return new TrafficClass(name);
    }

    /// <summary>Labels that are all alike: the strong model scores 1 and costs a cent, the candidate a tenth of it.</summary>
    /// <param name="kept">What was promised, where they are of the holdout.</param>
    public async Task LearnAsync(TrafficClass name, int labels, double score = 1, QualityTarget? kept = null)
    {
        for (var i = 0; i < labels; i++)
            await _learner.LearnAsync(
                pair, default, new RoutingLabel(name, new double[PromptFeatures.Count], 1, score, new NanoUsd(10_000_000), new NanoUsd(1_000_000)), Answer, Answer, kept, CancellationToken.None);
    }

    /// <summary>That the class went back to the strong model; its labels stay.</summary>
    public Task DemotedAsync(TrafficClass name, string why) => store.ChangeAsync(
        pair, _ => new PairChange(null, null, [new RoutingIncident(pair.RouteId, pair.Environment, pair.Candidate, name, "demoted", why, time.GetUtcNow())]), CancellationToken.None);

    /// <summary>Calls that the group decided on, a minute ago.</summary>
    /// <returns>Their ids.</returns>
    public async Task<IReadOnlyList<string>> CallsAsync(TrafficClass name, RouteReason reason, int calls, NanoUsd cost, NanoUsd saved, string? model = null, string keyId = "key_1")
    {
        var (now, called) = (time.GetUtcNow().AddMinutes(-1), model ?? (reason is RouteReason.ClassProven or RouteReason.PromptProven or RouteReason.Shadow ? pair.Candidate : pair.Strong));
        List<UsageEvent> events = [.. Enumerable.Range(0, calls).Select(_ => new UsageEvent
        {
            RequestId = SortableId.Of("req", now, (UInt128)Interlocked.Increment(ref _calls)),
            Attempt = 1,
            TenantId = pair.TenantId,
            Environment = pair.Environment,
            KeyId = keyId,
            Provider = called.Split('/')[0],
            Dialect = "openai-chat",
            Operation = "POST /chat/completions",
            RequestModel = called.Split('/')[1],
            ResponseModel = called.Split('/')[1],
            Usage = new TokenUsage { [UsageUnit.Input] = 100, [UsageUnit.Output] = 20 },
            UsageSource = UsageSource.Reported,
            PriceVersion = "of a test",
            PriceStatus = PriceStatus.Priced,
            Cost = cost,
            Routed = new RoutedMark(pair.RouteId, name, reason).ToString(),
            Saved = saved,
            Status = 200,
            Outcome = CallOutcome.Completed,
            FinishReason = "stop",
            At = now,
            Latency = TimeSpan.FromMilliseconds(300),
            FirstByte = TimeSpan.FromMilliseconds(100),
        })];
        await ledger.AppendAsync(events, CancellationToken.None);
        return [.. events.Select(e => e.RequestId)];
    }
}
