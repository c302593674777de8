using System.Threading.Channels;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Translation;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Proxy.Forwarding;

namespace Tokonomics.Web.Proxy.Routing;

/// <summary>A call that the strong model has answered, and that a candidate is asked too. In memory, for as long as that takes.</summary>
/// <param name="RouteName">What the client asked for.</param>
/// <param name="Dialect">The client's.</param>
/// <param name="Headers">Of the client: those that change an answer.</param>
/// <param name="Strong">What the strong model said.</param>
/// <param name="Cost">What that cost.</param>
internal sealed record Sample(KeySnapshot Key, string RouteName, string Dialect, byte[] Body, IReadOnlyList<KeyValuePair<string, string>> Headers, QualityCall Quality, AnswerReading Strong, NanoUsd Cost);

/// <summary>
/// Asks candidates what the strong model was asked, a few at a time behind the clients' backs, has both answers compared, and teaches the group who was better. When there are too many, some are left
/// out: a sample is one in any case.
/// </summary>
internal sealed partial class Samples(OwnCalls calls, Lazy<Router> router, RoutingLearner learner, QualityGroups groups, QualitySignals signals, TimeProvider time, ILogger<Samples> log) : BackgroundService
{
    /// <summary>Longer requests aren't sampled: they are kept in memory until they are compared.</summary>
    public const int MaxRequestBytes = 512 * 1024;

    private const int Waiting = 32;
    private const int AtOnce = 4;

    private static readonly string[] AnswerHeaders = ["anthropic-version", "anthropic-beta", "openai-beta"];

    private readonly Channel<Sample> _waiting = Channel.CreateBounded<Sample>(new BoundedChannelOptions(Waiting) { FullMode = BoundedChannelFullMode.DropWrite });
    private int _running;

    /// <summary>None waits and none is worked on; for tests.</summary>
    internal bool AreDone => _waiting.Reader.Count == 0 && Volatile.Read(ref _running) == 0;

    /// <summary>The client's call has ended; where its answer can be compared it is.</summary>
    public void Offer(HttpRequest request, ProxyCall call, QualityCall quality, string routeName, string dialect, ReadOnlyMemory<byte> body)
    {
        if (quality.Sample is null || body.Length > MaxRequestBytes || call.Copy?.Bytes is not { } bytes || call is not { Status: 200, Outcome: CallOutcome.Completed, OutputLimit: null, CutAtBudget: false, DowngradedFrom: null, Event.Cost: { } cost })
            return;
        if (AnswerReading.Of(call.Dialect!.Name, bytes, call.Streamed, call.Provider!.Quirks) is not { End: not AnswerEnd.CutShort, IsEmpty: false } strong)
            return;
        var headers = new List<KeyValuePair<string, string>>();
        foreach (var name in AnswerHeaders)
            if (request.Headers.TryGetValue(name, out var values) && values.Count == 1)
                headers.Add(new(name, values.ToString()));
        _waiting.Writer.TryWrite(new Sample(call.Key!, routeName, dialect, body.ToArray(), headers, quality, strong with { Model = call.Event!.ResponseModel }, cost));
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(Enumerable.Range(0, AtOnce).Select(_ => WorkAsync(stoppingToken)));

    private async Task WorkAsync(CancellationToken stoppingToken)
    {
        await foreach (var sample in _waiting.Reader.ReadAllAsync(stoppingToken))
        {
            Interlocked.Increment(ref _running);
            try
            {
                await CompareAsync(sample, stoppingToken);
            }
            catch (Exception e) when (e is not (OperationCanceledException or OutOfMemoryException))
            {
                NotCompared(sample.Quality.RouteId, e);
            }
            finally
            {
                Interlocked.Decrement(ref _running);
            }
        }
    }

    private async Task CompareAsync(Sample sample, CancellationToken cancellationToken)
    {
        var (quality, standing) = (sample.Quality, sample.Quality.Sample!);
        if (RequestReading.Of(sample.Dialect, sample.Body) is not { } request)
            return;
        if (quality.IsPromised && AnswerJudge.Check(request, sample.Strong) is not null)
            signals.Add(standing.Pair, quality.Traffic.Class, false, WeakSignal.SchemaFailure);
        if (await calls.AskAsync(Own(sample, RouteReason.Shadow), standing.Candidate, sample.Body, sample.Headers, Budget(sample), cancellationToken) is not var (candidate, ended))
            return;
        candidate = candidate with { Model = ended.ResponseModel };
        var verdict = AnswerJudge.Compare(request, sample.Strong, candidate, last: quality.Group.Judge is null) ?? await JudgeAsync(sample, request, candidate, cancellationToken);
        if (verdict is not { } scores)
            return;
        var label = new RoutingLabel(quality.Traffic.Class, quality.Traffic.Features, scores.Strong, scores.Candidate, sample.Cost, ended.Cost ?? NanoUsd.Zero);
        await learner.LearnAsync(standing.Pair, standing.Fingerprint, label, sample.Strong, candidate, quality.IsPromised ? quality.Group.Keep : null, cancellationToken);
        groups.Spoil(standing.Pair);
    }

    // Once with the strong's answer first, once with the candidate's.
    private async Task<PairVerdict?> JudgeAsync(Sample sample, RequestReading request, AnswerReading candidate, CancellationToken cancellationToken)
    {
        if (sample.Quality.Group.Judge is not { } judge)
            return null;
        var strongFirst = await GradesAsync(sample, judge, AnswerJudge.Ask(judge, request, sample.Strong, candidate), cancellationToken);
        var candidateFirst = strongFirst is null ? null : await GradesAsync(sample, judge, AnswerJudge.Ask(judge, request, candidate, sample.Strong), cancellationToken);
        return strongFirst is { } one && candidateFirst is { } other ? AnswerJudge.Mean(one, other) : null;
    }

    private async Task<(int A, int B)?> GradesAsync(Sample sample, string judge, byte[] body, CancellationToken cancellationToken)
    {
        var call = Own(sample, RouteReason.Judge);
        return router.Value.ReachForChat(judge, call) is { } target && await calls.AskAsync(call, target, body, [], Budget(sample), cancellationToken) is { } answer ? AnswerJudge.Grades(answer.Answer.Text) : null;
    }

    private static string Budget(Sample sample) => SampleBudgets.IdOf(sample.Quality.RouteId, sample.Key.Environment);

    // None of the request's own tags: no customer pays for what is learned.
    private ProxyCall Own(Sample sample, RouteReason reason) => new(SortableId.New("req", time.GetUtcNow()), time)
    {
        Key = sample.Key,
        Tags = [new Tag(RuleSearch.Tag, sample.RouteName), new Tag(SampleBudgets.Tag, sample.Quality.RouteId)],
        Routed = new RoutedMark(sample.Quality.RouteId, sample.Quality.Traffic.Class, reason).ToString(),
        IsExtra = true,
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "A sample of route {Route} could not be compared")]
    private partial void NotCompared(string route, Exception e);
}
