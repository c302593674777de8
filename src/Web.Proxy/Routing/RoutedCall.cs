using System.Security.Cryptography;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Providers;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Routing;
using Tokonomics.Web.Proxy.Forwarding;

namespace Tokonomics.Web.Proxy.Routing;

/// <summary>A target of a rule, how it is reached from the request at hand, and how it has done of late.</summary>
internal sealed record PlannedTarget(ReachedTarget Reached, TargetHealth.Health Health) : ReachedTarget(Reached);

/// <summary>A request as its client sent it, whatever dialect it has been translated into since.</summary>
internal readonly record struct AskedCall(RouteMatch Match, RequestFacts Facts, RequestPeek Peek);

/// <summary>Why a call goes along this route, which it didn't ask for: a spent budget sent it there.</summary>
/// <param name="From">The model that it was to be.</param>
/// <param name="To">As the budget names it.</param>
/// <param name="Denied">What the budget answers otherwise.</param>
/// <param name="Before">The route that the call was on; null where it was on none.</param>
internal sealed record Downgrade(string From, string To, Refusal Denied, RoutedCall? Before);

/// <summary>How the client speaks.</summary>
/// <param name="Streams">It asks for a stream.</param>
/// <param name="JsonArray">As one JSON array: Gemini's dialect without <c>alt=sse</c>.</param>
/// <param name="Dialect">Its name.</param>
internal readonly record struct ClientForm(ErrorShape Errors, bool Streams, bool JsonArray, string Dialect);

/// <summary>
/// One request on its way along a route: which targets there are, in the order in which they are tried, which of them is at hand, and what becomes of a failure. Each attempt is a
/// call of its own, with its own hold and its own row; this is what they have in common.
/// </summary>
internal sealed class RoutedCall(ModelRoute route, RouteRule rule, int number, IReadOnlyList<PlannedTarget> targets, string why, ulong conversation, ClientForm client, QualityCall? quality, TimeProvider time)
{
    /// <summary>Of an answer: <c>smart; rule=1; target=openai/gpt-5-mini; attempt=2; why=fallback after 429</c>.</summary>
    public const string Header = "x-tokonomics-route";

    private int _at;
    private int _failures;
    private string _why = why;
    private Refusal? _firstRefusal;

    public PlannedTarget Target => targets[_at];

    public ulong Conversation => conversation;

    /// <summary>What the rule's quality group decided; null where it has none.</summary>
    public QualityCall? Quality => quality;

    public string RouteName => route.Name;

    public string ClientDialect => client.Dialect;

    public TimeSpan? FirstByteTimeout => rule.FirstByteTimeout;

    /// <summary>Null: as the key says.</summary>
    public TimeSpan? CacheFor => rule.CacheFor;

    /// <summary>The route, which is another when it is deleted and made again, and the rule's targets that can be reached, in an order of their own: what an answer of it depends on.</summary>
    public string Named => $"{route.Id} {route.Name} {string.Join(' ', targets.Select(t => $"{t.Provider.Name}/{t.Model}@{t.Provider.BaseUrl}").Order(StringComparer.Ordinal))}";

    /// <summary>As <see cref="Told"/>, of a call that no target was asked for.</summary>
    public string ToldOfHit(string provider, string? model) => $"{route.Name}; rule={number}; target={provider}/{model}; attempt=1; why=cache";

    /// <summary>Null where the call asked for the route.</summary>
    public Downgrade? Downgrade
    {
        get;
        set => (field, _why) = (value, "downgrade");
    }

    public string Told(int attempt) => $"{route.Name}; {(number > 0 ? $"rule={number}; " : "")}target={Target.Provider.Name}/{Target.Model}; attempt={attempt}; why={_why}";

    /// <summary>Makes the call one to the target at hand.</summary>
    /// <returns>Null where it is; otherwise why the request can't be said in the target's dialect.</returns>
    public Refusal? Take(ProxyCall call, ReadOnlyMemory<byte> body)
    {
        var target = Target;
        (call.Provider, call.RequestModel, call.Credential, call.ErrorsOfRoute, call.DowngradedFrom) = (target.Provider, target.Model, target.Credential, client.Errors, Downgrade?.From);
        (call.Routed, call.InsteadOf, call.HoldsWhole) = quality is null ? (null, null, false) : (quality.MarkOf(target).ToString(), quality.IsCandidate(target) ? quality.Strong : null, quality.Checks(target));
        // Where all targets fail, the best of them is tried all the same: there is nowhere else to go.
        target.Health.Breaker.TryEnter(time.GetUtcNow());
        var (match, request, refusal) = target.Request(body, client.Streams);
        (call.Match, call.Translation) = (match, request is null ? null : new CallTranslation(target.Translator!, request, client.JsonArray));
        return refusal is null ? null : Refusal.Of(refusal);
    }

    /// <summary>A call to the target at hand may not be made: the next is taken, if there is one.</summary>
    /// <returns>Null where there is one; otherwise what the client is told, of the first that was refused.</returns>
    public Refusal? PassOver(Refusal refusal)
    {
        Target.Health.Breaker.Forget(time.GetUtcNow());
        _firstRefusal ??= refusal;
        if (_at + 1 == targets.Count)
            return _firstRefusal;
        MoveOn(_at + 1, $"{targets[_at].Written} was refused: {refusal.Code}");
        return null;
    }

    /// <summary>An answer of the target at hand has begun; it goes to the client.</summary>
    public void Answered(int status, TimeSpan after)
    {
        var failed = FaultOf(status) != RouteFaults.None;
        Target.Health.Breaker.Report(failed, time.GetUtcNow());
        if (!failed && status < 300)
            Target.Health.Answered(after);
    }

    /// <summary>The candidate's answer is not well: the strong model is asked, once.</summary>
    /// <returns>False where it can't be: then the client gets the answer that there is.</returns>
    public bool Escalate(string failure)
    {
        if (quality is null or { Escalated: true })
            return false;
        for (var next = _at + 1; next < targets.Count; next++)
            if (targets[next].Written == quality.Strong.Written && !targets[next].Health.Breaker.IsOpen(time.GetUtcNow()))
            {
                Target.Health.Breaker.Report(failed: false, time.GetUtcNow());
                quality.Escalated = true;
                MoveOn(next, $"the answer of {Target.Written} failed its check: {failure}");
                return true;
            }

        return false;
    }

    /// <summary>Nothing became known of the target: the client left.</summary>
    public void Forget() => Target.Health.Breaker.Forget(time.GetUtcNow());

    /// <summary>The target at hand failed, and nothing of it has reached the client.</summary>
    /// <param name="again">What was sent may be sent again: it was not charged, or the client doesn't mind.</param>
    /// <returns>After how long the next attempt is made, at the target that is at hand then; null where there is none, and the client is told of the failure.</returns>
    public TimeSpan? Next(RouteFaults fault, int status, TimeSpan? retryAfter, bool again)
    {
        if (fault == RouteFaults.None || !again)
            return null;
        var now = time.GetUtcNow();
        Target.Health.Breaker.Report(failed: true, now);
        _failures++;
        var what = status > 0 ? $"{status}" : fault == RouteFaults.Timeout ? "a timeout" : "a broken connection";
        // A refusal stays one, and what took too long once takes too long again.
        if (fault is not (RouteFaults.Refused or RouteFaults.Timeout) && _failures <= rule.Retries && !Target.Health.Breaker.IsOpen(now) && RetryDelay.Of(_failures, retryAfter, Share()) is { } wait)
        {
            _why = $"retry after {what}";
            return wait;
        }

        if ((rule.FallBackOn & fault) == 0)
            return null;
        for (var next = _at + 1; next < targets.Count; next++)
            if (!targets[next].Health.Breaker.IsOpen(now))
            {
                MoveOn(next, $"fallback after {what} of {Target.Written}");
                return TimeSpan.Zero;
            }

        return null;
    }

    public static RouteFaults FaultOf(int status) => status switch
    {
        429 => RouteFaults.RateLimited,
        >= 500 => RouteFaults.ServerError,
        401 or 402 or 403 or 404 or 413 => RouteFaults.Refused,
        _ => RouteFaults.None,
    };

    private void MoveOn(int to, string reason) => (_at, _failures, _why) = (to, 0, reason);

    private static double Share() => RandomNumberGenerator.GetInt32(1 << 20) / (double)(1 << 20);
}
