using System.Diagnostics;
using System.Diagnostics.Metrics;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Ingress;
using Tokonomics.Web.Proxy.Routing;

namespace Tokonomics.Web.Proxy.Telemetry;

/// <summary>
/// What calls say to whoever watches this node. Each attempt once, where its event is made; no tenant, no key and no tag is in any of it, and of providers and models only names of our own data.
/// Where nobody listens an attempt costs a look at a few fields; where somebody does, nothing on the heap.
/// </summary>
internal sealed class CallMetrics
{
    public const string MeterName = "Tokonomics.Proxy";

    // Of the conventions.
    private static readonly InstrumentAdvice<long> Tokens = new() { HistogramBucketBoundaries = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864] };
    private static readonly InstrumentAdvice<double> Seconds = new() { HistogramBucketBoundaries = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92] };

    private static readonly InstrumentAdvice<double> Added = new() { HistogramBucketBoundaries = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] };

    private readonly GenAiNames _names;
    private readonly Histogram<long> _tokens;
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _firstChunk;
    private readonly Histogram<double> _overhead;
    private readonly Counter<long> _cost;
    private readonly Counter<long> _errors;
    private readonly Counter<long> _unpriced;
    private readonly Counter<long> _estimated;
    private readonly Counter<long> _direct;
    private readonly Counter<long> _refusals;
    private readonly Counter<long> _hits;
    private int _streams;

    public CallMetrics(IMeterFactory meters, GenAiNames names, Crowding crowding, TargetHealth health, TimeProvider time)
    {
        _names = names;
        var meter = meters.Create(MeterName);
        _tokens = meter.CreateHistogram("gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", advice: Tokens);
        _duration = meter.CreateHistogram("gen_ai.client.operation.duration", "s", "From sending an attempt to the provider to the end of its answer.", advice: Seconds);
        _firstChunk = meter.CreateHistogram("gen_ai.client.operation.time_to_first_chunk", "s", "From sending an attempt to the first bytes of its answer's body; of streams alone.", advice: Seconds);
        _overhead = meter.CreateHistogram("tokonomics.proxy.overhead", "s", "From a request's headers to sending its attempt to the provider, without the reading of its body: what the proxy adds, waiting for room in a budget included.", advice: Added);
        _cost = meter.CreateCounter<long>("tokonomics.cost.nano_usd", "{nano_usd}", "What attempts cost, in billionths of a US dollar. For watching: the ledger is what is right.");
        _errors = meter.CreateCounter<long>("tokonomics.upstream.errors", "{attempt}", "Attempts that the provider failed: statuses from 400 on, timeouts, broken answers, no connection.");
        _unpriced = meter.CreateCounter<long>("tokonomics.calls.unpriced", "{attempt}", "Attempts whose cost is not known: the model, or a unit that was used, has no price.");
        _estimated = meter.CreateCounter<long>("tokonomics.calls.estimated", "{attempt}", "Attempts whose counts are an estimate, wholly or in part: the provider didn't tell them.");
        _direct = meter.CreateCounter<long>("tokonomics.calls.direct", "{call}", "Calls that applications made past the proxy while that was away, and reported. They are in no other of these figures.");
        _refusals = meter.CreateCounter<long>("tokonomics.refusals", "{call}", "Calls that the proxy answered itself before anything was sent, by the code in x-tokonomics-error.");
        _hits = meter.CreateCounter<long>("tokonomics.cache.hits", "{call}", "Calls that were answered from the cache and reached no provider.");
        meter.CreateObservableUpDownCounter("tokonomics.proxy.streams", () => Volatile.Read(ref _streams), "{stream}", "Streams that are on their way to clients.");
        meter.CreateObservableGauge("tokonomics.proxy.shedding", () => crowding.TooMany ? 1 : 0, null, "1 while new calls are refused because this node has more than it can serve.");
        meter.CreateObservableGauge("tokonomics.breakers.open", () => OpenBreakers(health, time), "{target}", "Targets of routes (of a tenant, an environment and a model) that calls are kept away from, by provider.");
    }

    /// <summary>An attempt is about to be sent for a client.</summary>
    public void Leaves(ProxyCall call)
    {
        if (_overhead.Enabled)
            _overhead.Record((call.SentAfter - call.ReadFor).TotalSeconds);
    }

    public void StreamBegins() => Interlocked.Increment(ref _streams);

    public void StreamEnds() => Interlocked.Decrement(ref _streams);

    /// <param name="code">Of a refusal.</param>
    public void Refused(string code)
    {
        if (_refusals.Enabled)
            _refusals.Add(1, new KeyValuePair<string, object?>("tokonomics.refusal.code", code));
    }

    public void Hit(UsageEvent usage)
    {
        if (_hits.Enabled)
            _hits.Add(1, Provider(usage), Environment(usage));
    }

    /// <summary>An attempt has its event.</summary>
    public void Ended(ProxyCall call, UsageEvent usage)
    {
        // How a provider answers somebody else, at another time, is no news of this node.
        if (usage.IsDirect)
        {
            if (_direct.Enabled)
                _direct.Add(1, Provider(usage), Environment(usage));
            return;
        }

        if (_duration.Enabled)
            Record(call, usage);
        if (CallSpans.Watched)
            CallSpans.Write(call, usage, _names);
    }

    // All of a meter's instruments are listened to, or none: one of them is asked.
    private void Record(ProxyCall call, UsageEvent usage)
    {
        var error = GenAiNames.ErrorOf(usage, call.CutAtBudget);
        var tags = new TagList
        {
            { "gen_ai.operation.name", GenAiNames.OperationOf(usage.Dialect) },
            { "gen_ai.provider.name", _names.ProviderOf(usage.Provider) },
            { "tokonomics.environment", GenAiNames.EnvironmentOf(usage.Environment) },
        };
        if (usage.RequestModel is { } asked)
            tags.Add("gen_ai.request.model", _names.ModelOf(usage.Provider, asked, usage.Environment));
        if (usage.Cost is { Value: > 0 } cost)
            _cost.Add(cost.Value, tags);
        if (usage.ResponseModel is { } answered)
            tags.Add("gen_ai.response.model", _names.ModelOf(usage.Provider, answered, usage.Environment));
        Count(usage, tags);
        if (usage.Streamed && usage.FirstByte is { } first)
            _firstChunk.Record(Math.Max(0, (first - call.SentAfter).TotalSeconds), tags);
        if (error is not null)
            tags.Add("error.type", error);
        _duration.Record(Math.Max(0, (usage.Latency - call.SentAfter).TotalSeconds), tags);

        if (error is not null && usage.Outcome is not (CallOutcome.ClientGone or CallOutcome.CutByProxy))
            _errors.Add(1, Provider(usage), Environment(usage), new("error.type", error));
        if (usage.PriceStatus == PriceStatus.Unpriced)
            _unpriced.Add(1, Provider(usage), Environment(usage));
        if (usage.UsageSource is UsageSource.Partial or UsageSource.Estimated)
            _estimated.Add(1, Provider(usage), Environment(usage), new("tokonomics.usage.source", usage.UsageSource == UsageSource.Partial ? "partial" : "estimated"));
    }

    private void Count(UsageEvent usage, in TagList tags)
    {
        var (input, output) = (usage.Usage.InputTokens, usage.Usage.OutputTokens);
        if (input > 0 || usage.Usage[UsageUnit.Input] is not null)
            Record("input", input, tags);
        if (output > 0 || usage.Usage[UsageUnit.Output] is not null)
            Record("output", output, tags);

        void Record(string type, long count, TagList of)
        {
            of.Add("gen_ai.token.type", type);
            _tokens.Record(count, of);
        }
    }

    private KeyValuePair<string, object?> Provider(UsageEvent usage) => new("gen_ai.provider.name", _names.ProviderOf(usage.Provider));

    private static KeyValuePair<string, object?> Environment(UsageEvent usage) => new("tokonomics.environment", GenAiNames.EnvironmentOf(usage.Environment));

    private IEnumerable<Measurement<int>> OpenBreakers(TargetHealth health, TimeProvider time) =>
        health.Open(time.GetUtcNow()).GroupBy(o => _names.ProviderOf(o.Provider)).Select(g => new Measurement<int>(g.Sum(o => o.IsOpen ? 1 : 0), new KeyValuePair<string, object?>("gen_ai.provider.name", g.Key)));
}
