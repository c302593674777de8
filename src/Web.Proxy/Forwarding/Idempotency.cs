using Microsoft.Extensions.Options;
using Tokonomics.Application.Idempotency;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.Journal;
using Tokonomics.Infrastructure.Secrets;
using Tokonomics.Web.Proxy.Ingress;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>
/// Of all metered calls that send one <c>Idempotency-Key</c> with one metering key, one is forwarded. Its answer is kept nowhere and can't be given again: a later one is
/// told which call it was and what it cost. Where it is certain that nothing was charged, the key is free again, and a retry goes through.
/// </summary>
internal sealed partial class Idempotency(IIdempotencyKeys keys, Fingerprints fingerprints, NodeRun node, IOptions<ProxyOptions> options, ILogger<Idempotency> log)
{
    public const string Header = "Idempotency-Key";

    /// <summary>The call that has the key.</summary>
    public const string RequestHeader = "x-tokonomics-original-request-id";

    public const string StatusHeader = "x-tokonomics-original-status";

    public const string CostHeader = "x-tokonomics-original-cost-usd";

    private const int MaxChars = 255;

    private static readonly TimeSpan[] AgainAfter = [TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10)];

    /// <returns>Null where the call may go; then <see cref="ProxyCall.Claim"/> is set if it sends a key.</returns>
    public async ValueTask<Refusal?> ClaimAsync(HttpContext context, ProxyTarget target, ProxyCall call, RequestBody? body)
    {
        if (!context.Request.Headers.TryGetValue(Header, out var header) || body is null || call.Match!.Route is not { Kind: RouteKind.Metered, Method: "POST" })
            return null;
        var text = header.ToString();
        if (header.Count != 1 || text.Length is 0 or > MaxChars || text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            return new Refusal(400, "idempotency_key_invalid", $"{Header} is 1 to {MaxChars} printable ASCII characters, and stands there once");
        var key = call.Key!;
        var claim = new KeyClaim(
            key.Tenant.Id, key.Id, fingerprints.Of("idempotency-key", key.Tenant.Id, text), fingerprints.Of("idempotency-body", key.Tenant.Id, $"{target.Provider} {target.Path}{target.Query}", body.Plain.Span),
            call.RequestId, node.Node, node.Run, call.At, call.At + options.Value.IdempotencyKeyLifetime);
        KeyAnswer answer;
        try
        {
            answer = await keys.ClaimAsync(claim, context.RequestAborted);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            NotAsked(call.RequestId, e);
            _ = ReleaseLaterAsync(claim); // its answer may be all that was lost
            return new Refusal(503, "idempotency_unverifiable", $"whether a call with this {Header} was made can't be verified at the moment: the database doesn't answer; try again in a moment", TimeSpan.FromSeconds(2));
        }

        if (answer.Verdict == KeyVerdict.Claimed)
        {
            call.Claim = claim;
            return null;
        }

        return Refused(context.Response, answer);
    }

    /// <summary>Nothing was charged for the call: its key is free for the next.</summary>
    public async ValueTask ReleaseAsync(KeyClaim claim)
    {
        try
        {
            await keys.ReleaseAsync(claim, CancellationToken.None);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            NotReleased(claim.RequestId, e);
            _ = ReleaseLaterAsync(claim);
        }
    }

    // Left undone, the key would stay taken until this node's next start, or until it expires.
    private async Task ReleaseLaterAsync(KeyClaim claim)
    {
        foreach (var wait in AgainAfter)
        {
            await Task.Delay(wait);
            try
            {
                await keys.ReleaseAsync(claim, CancellationToken.None);
                return;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                NotReleased(claim.RequestId, e);
            }
        }
    }

    private static Refusal Refused(HttpResponse response, KeyAnswer answer)
    {
        var earlier = answer.Earlier!;
        response.Headers[RequestHeader] = earlier.RequestId;
        if (answer.Verdict == KeyVerdict.Mismatch)
            return new Refusal(422, "idempotency_mismatch", $"this {Header} was sent before with another request ({earlier.RequestId}): a key stands for one request, and for its retries");
        if (answer.Verdict == KeyVerdict.Running)
            return new Refusal(409, "idempotency_in_progress", $"a call with this {Header} runs ({earlier.RequestId}): try again when it has ended", TimeSpan.FromSeconds(1));
        var cost = earlier.Cost is { } usd ? $"{usd} USD" : "an unknown amount";
        response.Headers[StatusHeader] = earlier.Status.ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (earlier.Cost is not null)
            response.Headers[CostHeader] = earlier.Cost.ToString();
        var how = earlier.Outcome == CallOutcome.Completed ? $"was answered with {earlier.Status}" : $"ended as {Words(earlier.Outcome)}";
        return new Refusal(409, "idempotency_done", $"a call with this {Header} was made: {earlier.RequestId} {how} and cost {cost}. It is not made again, and its answer is not kept; send another key to make it anew");
    }

    private static string Words(CallOutcome outcome) => outcome switch
    {
        CallOutcome.TimedOut => "timed_out",
        CallOutcome.ClientGone => "client_gone",
        CallOutcome.CutByProxy => "cut_by_proxy",
        _ => outcome.ToString().ToLowerInvariant(),
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "{RequestId}: the store could not be asked who has its Idempotency-Key")]
    private partial void NotAsked(string requestId, Exception e);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{RequestId}: its Idempotency-Key could not be released")]
    private partial void NotReleased(string requestId, Exception e);
}
