using System.Security.Cryptography;
using Microsoft.Extensions.Caching.Memory;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Translation;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;
using Tokonomics.Web.Proxy.Forwarding;

namespace Tokonomics.Web.Proxy.Routing;

/// <summary>What a quality group does with answers: checks a candidate's before the client sees it, notes what speaks against it, and hands a sample on.</summary>
internal sealed class QualityWatch(QualityGroups groups, Samples samples, BufferBudget buffers) : IDisposable
{
    private const int MostRemembered = 50_000;

    // Of a longer request its end tells it apart.
    private const int HashedBytes = 64 * 1024;

    // Who asks later than that asks anew.
    private static readonly TimeSpan Again = TimeSpan.FromMinutes(5);

    private readonly MemoryCache _answered = new(new MemoryCacheOptions { SizeLimit = MostRemembered });

    /// <summary>Reads a candidate's answer whole and looks at it; it can be relayed afterwards as if it had just come.</summary>
    /// <returns>What is wrong with it, in a word; null where nothing is, or nobody can say. Where it broke off, the call's outcome says so.</returns>
    public async Task<string?> FailureAsync(HttpResponseMessage answer, ProxyCall call, RoutedCall routed, ReadOnlyMemory<byte> body, CancellationTokenSource upstream, CancellationToken clientGone)
    {
        var streamed = call.Peek.Stream || call.Facts.PathStreams || Relay.IsEventStream(Relay.Header(answer, "Content-Type"));
        ReadOnlyMemory<byte>? bytes;
        try
        {
            bytes = await WholeAnswer.ReadAsync(answer, buffers, call.Provider!.IdleTimeout, upstream);
        }
        catch (Exception e) when (e is IOException or HttpRequestException || (e is OperationCanceledException && !clientGone.IsCancellationRequested))
        {
            call.Outcome = e is OperationCanceledException ? CallOutcome.TimedOut : CallOutcome.Truncated;
            return "BrokenOff";
        }

        if (bytes is not { } whole || !Relay.IsPlain(answer) || RequestReading.Of(routed.ClientDialect, body) is not { } request)
            return null;
        if (AnswerReading.Of(call.Dialect!.Name, whole, streamed, call.Provider!.Quirks) is not { } read)
            return null;
        // What was cut off at the client's own limit, or refused, would not be JSON at the strong model either.
        if (read.End != AnswerEnd.Whole || AnswerJudge.Check(request, read) is not { } failure)
            return null;
        groups.Failed(routed.Quality!);
        return failure.ToString();
    }

    /// <summary>The call is about to be sent: perhaps once more, minutes after it was answered.</summary>
    public void Begin(ProxyCall call, RoutedCall routed, ReadOnlySpan<byte> body)
    {
        var quality = routed.Quality!;
        if (call.Attempt == 1 && _answered.Count > 0 && _answered.TryGetValue<(RoutingPair Pair, TrafficClass Class)?>(Name(call, quality, body), out var earlier) && earlier is var (pair, name))
        {
            groups.Regenerated(pair, name);
            Remember(quality.Repeat!, null);
        }

        if (quality is { Sample: not null, Escalated: false } && routed.Target.Written == quality.Strong.Written)
            call.Copy = new AnswerCopy(buffers, OwnCalls.MaxAnswerBytes);
    }

    /// <summary>The call has ended, and has its row.</summary>
    /// <param name="target">It was sent there.</param>
    public void Ended(HttpRequest request, ProxyCall call, RoutedCall routed, PlannedTarget target, ReadOnlyMemory<byte> body)
    {
        var quality = routed.Quality!;
        groups.Ended(quality, target, call);
        if (quality.IsCandidate(target) && !quality.Escalated && call is { Status: 200, Outcome: CallOutcome.Completed } && !_answered.TryGetValue(Name(call, quality, body.Span), out _))
            Remember(quality.Repeat!, (quality.Chosen!.Pair, quality.Traffic.Class));
        if (target.Written == quality.Strong.Written && !quality.Escalated)
            samples.Offer(request, call, quality, routed.RouteName, routed.ClientDialect, body);
    }

    private void Remember(string request, (RoutingPair, TrafficClass)? by) =>
        _answered.Set(request, by, new MemoryCacheEntryOptions { Size = 1, AbsoluteExpirationRelativeToNow = Again });

    private static string Name(ProxyCall call, QualityCall quality, ReadOnlySpan<byte> body) =>
        quality.Repeat ??= $"{call.Key!.Id}/{body.Length}/{Convert.ToHexString(SHA256.HashData(body.Length <= HashedBytes ? body : body[^HashedBytes..]), 0, 16)}";

    public void Dispose() => _answered.Dispose();
}
