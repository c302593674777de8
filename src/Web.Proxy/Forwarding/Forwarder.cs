using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Providers;
using Tokonomics.Application.RateLimits;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.Providers;
using Tokonomics.Web.Proxy.Caching;
using Tokonomics.Web.Proxy.Ingress;
using Tokonomics.Web.Proxy.Catalogue;
using Tokonomics.Web.Proxy.RateLimits;
using Tokonomics.Web.Proxy.Routing;
using Tokonomics.Web.Proxy.Telemetry;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>
/// Forwards one request to its provider and records what it cost: the hot path, in one method. Its steps:
/// 1. where to: the route, or 404, since what nothing meters is not forwarded;
/// 2. who: the metering key, from memory;
/// 3. what: the body, read whole and peeked at once (a free route's body is relayed unread);
/// 4. which provider, with which key, at which address;
/// 5. whether: what can be refused before money is spent is refused here;
/// 6. the request to the provider;
/// 7. on file that it is sent, then sending it;
/// 8. the answer, relayed byte for byte with the meter beside it;
/// 9. the event in the ledger, in <c>finally</c>, whatever happened.
/// </summary>
internal sealed class Forwarder(
    IKeyDirectory keys, Upstreams upstreams, UpstreamClients clients, Settlement settlement, Relay relay, IUsageRecorder recorder, Admission admission, Idempotency idempotency, IBudgetGate gate,
    IRateLimiter limiter, RecentOutputs outputs, Router router, QualityWatch quality, CallCache cache, IRefusalCounter refusals, BufferBudget buffers, Crowding crowding, ModelsEndpoint models, CallMetrics metrics, IOptions<ProxyOptions> options, IHostApplicationLifetime lifetime, TimeProvider time,
    ILogger<Forwarder> log)
{
    public const string RequestIdHeader = "x-tokonomics-request-id";

    private readonly ProxyOptions _options = options.Value;

    public async Task HandleAsync(HttpContext context, ProxyTarget target)
    {
        var request = context.Request;
        var call = new ProxyCall(SortableId.New("req", time.GetUtcNow()), time);
        context.Response.Headers[RequestIdHeader] = call.RequestId;

        // 1. Where to.
        if ((ProxyPath.Problem(target.Path) ?? ProxyPath.QueryProblem(target.Query)) is { } badPath)
        {
            await AnswerAsync(context, ShapeOf(request, target), new Refusal(400, "bad_path", badPath));
            return;
        }

        // 2. Who.
        var presented = PresentedKey.Find(request);
        if (CallingKey.Authenticate(keys, presented, out var key) is { } unauthorized)
        {
            await AnswerAsync(context, ShapeOf(request, target), unauthorized);
            return;
        }

        call.Key = key;
        call.WantsReceipt = Receipt.IsWanted(request);
        if (CallSpans.Watched)
            (call.TraceParent, call.TraceState) = (request.Headers.TraceParent, request.Headers.TraceState);
        if (target is { Provider: null, Path: "models" } && request.Method == "GET")
        {
            await models.WriteListAsync(context, key);
            return;
        }

        var refusal = CallRoute.Find(upstreams, request.Method, target, call);
        if (crowding.TooMany)
            refusal = Refusal.TooMany;
        var shape = call.Match?.Surface.Errors ?? ShapeOf(request, target);
        var (tags, tagProblem) = RequestTags.Read(request, key.Tags);
        call.Tags = tags;
        if (tagProblem is not null)
            refusal ??= new Refusal(400, "bad_tags", tagProblem);
        if (refusal is not null)
        {
            await RefuseAsync(context, shape, call, refusal);
            return;
        }

        var metered = call.Match!.Route.Kind == RouteKind.Metered;
        RequestBody? body = null;
        try
        {
            // 3. What.
            // A metered call's limit is kept in reading it. The server's own is larger: it counts the framing of chunks, six bytes around a chunk of
            // one, and it has to read on and throw away what comes after a refusal, or the connection would break under a client that is still
            // sending (.NET's) and would never read the refusal.
            if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } bodySize)
                bodySize.MaxRequestBodySize = metered ? Math.Max(_options.MaxBodyBytes * 8, _options.MaxUploadBytes) : _options.MaxUploadBytes;
            if (metered)
            {
                var before = call.Elapsed;
                (body, refusal) = await RequestBody.ReadAsync(request, _options.MaxBodyBytes, buffers, context.RequestAborted);
                call.ReadFor = call.Elapsed - before;
                if (body is not null)
                    refusal = Peek(request, body, call);
            }

            // 4. Which provider. Where the model decides, it had to be read first; where its name is a route of the tenant's, the route says which, and where to when that fails.
            RoutedCall? routed = null;
            if (refusal is null && body is not null && key.Tenant.Routes.Count > 0)
                (routed, refusal) = router.Plan(call, body.Plain.Span, target.Provider, target.Query.Contains("alt=sse", StringComparison.Ordinal), presented.PassThrough);
            var asked = new AskedCall(call.Match, call.Facts, call.Peek);
            while (true)
            {
                var passThrough = routed?.Target.PassThrough ?? presented.PassThrough;
                // Of this target; the next may be let through.
                var denied = routed?.Take(call, body!.Plain);
                if (routed is null)
                    refusal ??= Resolve(target, passThrough, call);
                if (refusal is null && denied is null && body is not null && (routed is not null || target.Provider is null))
                    refusal = Peek(request, body, call); // again, now that the provider's ways are known

                // 5. Whether.
                if (refusal is null && denied is null)
                    (refusal, denied) = await AdmitAsync(context, target, call, body, passThrough, routed);
                if (denied is not null)
                    (routed, refusal) = router.Instead(call, routed, denied, asked, body is null ? default : body.Plain.Span, target.Provider, target.Query.Contains("alt=sse", StringComparison.Ordinal), presented.PassThrough);
                if (denied is not null && refusal is null)
                {
                    admission.Leave(call);
                    continue;
                }

                if (refusal is not null)
                {
                    await RefuseAsync(context, shape, call, refusal);
                    return;
                }

                if (call.Hit is not null)
                {
                    await cache.AnswerAsync(context, call, routed);
                    return;
                }

                if (await ForwardAsync(context, target, call, body, passThrough, routed) is not { } wait)
                    return;
                // The next attempt begins when it is made: the pause before it is not the target's latency, nor our overhead.
                await Task.Delay(wait, time, context.RequestAborted);
                call = call.Again(time);
            }
        }
        catch (Exception e) when (UpstreamFaults.ClientsFault(e) is { } status)
        {
            context.Response.Headers.Connection = "close";
            await RefuseAsync(context, shape, call, new Refusal(status, "bad_request_body", BodyFault(status)));
        }
        catch (IOException) when (!call.Sent && !call.SentBefore)
        {
            context.Abort(); // the client left in the middle of its body
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client left. Whatever was sent is settled already.
        }
        finally
        {
            body?.Dispose();
            // Whatever was sent is settled, unless that failed: then all of it counts until the journal tells at the next start. Of the rest nothing can cost anything.
            if (call.Hold.State == HoldState.Held)
                _ = call.Sent ? gate.Abandon(call.Hold) : gate.Void(call.Hold);
            if (call.Quota.State == HoldState.Held)
                _ = call.Sent ? gate.Abandon(call.Quota) : gate.Void(call.Quota);
            if (call.Sent || call.SentBefore)
                limiter.Leave(call.Rate.Ticket, call.Event?.Usage is { IsEmpty: false } usage ? call.TokensBefore + usage.InputTokens + usage.OutputTokens : call.TokensBefore > 0 ? call.TokensBefore : null);
            else
                limiter.Cancel(call.Rate.Ticket);
            if (call.Claim is { } claim && !call.ChargedBefore && (!call.Sent || call.FreeOfCharge))
                await idempotency.ReleaseAsync(claim);
        }
    }

    /// <summary>
    /// Journal and ledger must be able to take the event, the key must be allowed the provider and the model, the rate limits must have room, no other call may have its Idempotency-Key, the plan must
    /// have a call left, and every budget must have room for the most that it can cost.
    /// </summary>
    /// <returns>Neither where the call may go: why not, whatever its target is, or only to this one.</returns>
    private async ValueTask<(Refusal? Refusal, Refusal? Denied)> AdmitAsync(HttpContext context, ProxyTarget target, ProxyCall call, RequestBody? body, bool passThrough, RoutedCall? routed)
    {
        if (!recorder.Accepting)
            return (recorder.JournalWritable ? Refusal.LedgerBehind : Refusal.JournalFull, null);
        if (admission.Permit(call) is { } forbidden)
            return (null, forbidden);
        // Once for all attempts of a request. What is answered from the cache reaches no provider: nothing is set aside for it.
        if (!call.Entered)
        {
            if ((await EnterAsync(context, call) ?? await idempotency.ClaimAsync(context, target, call, body)) is { } refused)
                return (refused, null);
            call.Entered = true;
            if (await cache.FindAsync(context, target, call, body, passThrough, routed))
                return default;
        }

        return (null, await admission.CountAsync(call, context.RequestAborted) ?? await admission.AdmitAsync(call, context.RequestAborted));
    }

    // What was sent has an event; of what was not, this is all that is left.
    private Task RefuseAsync(HttpContext context, ErrorShape shape, ProxyCall call, Refusal refusal)
    {
        if (call.Sent || call.SentBefore)
            return refusal.WriteAsync(context, shape);
        refusals.Count(call.Key!.Tenant.Id, call.Key.Environment, call.Key.Id, refusal.Code);
        return AnswerAsync(context, shape, refusal);
    }

    private Task AnswerAsync(HttpContext context, ErrorShape shape, Refusal refusal)
    {
        metrics.Refused(refusal.Code);
        return refusal.WriteAsync(context, shape);
    }

    private async ValueTask<Refusal?> EnterAsync(HttpContext context, ProxyCall call)
    {
        var peek = call.Peek;
        var tokens = call.Match!.Route.Kind != RouteKind.Metered ? 0
            : peek.PromptTokens + (Math.Max(1, peek.Choices) * Math.Min(peek.MaxOutputTokens ?? long.MaxValue, outputs.AtPercentile(call.Key!.Id, call.RequestModel ?? "", 95)));
        call.Rate = await limiter.EnterAsync(call.Key!, tokens);
        if (call.Rate.Refusal is not { } refused)
            return null;
        RateAnswers.Write(context.Response.Headers, call.Rate);
        return RateAnswers.Refuse(refused);
    }

    /// <summary>
    /// Answers whoever sends a metering key to a path that is not the proxy's: an SDK whose base URL is the host alone. A page or a bare 404
    /// would not tell what is missing.
    /// </summary>
    public Task RefuseNowhereAsync(HttpContext context)
    {
        context.Response.Headers[RequestIdHeader] = SortableId.New("req", time.GetUtcNow());
        var host = $"{context.Request.Scheme}://{context.Request.Host}";
        return AnswerAsync(context, ShapeOf(context.Request, default), new Refusal(404, "no_target", $"the base URL doesn't say where to: use {host}/v1, where the model decides, or {host}/proxy/{{provider}}, such as {host}/proxy/openai/v1"));
    }

    /// <returns>Null where the client has its answer; otherwise after how long the route's next attempt is to be made: nothing has reached the client.</returns>
    private async Task<TimeSpan?> ForwardAsync(HttpContext context, ProxyTarget target, ProxyCall call, RequestBody? body, bool passThrough, RoutedCall? routed)
    {
        var provider = call.Provider!;
        var shape = call.ClientErrors;
        var timeout = routed?.FirstByteTimeout ?? provider.FirstByteTimeout;
        TimeSpan? next = null;
        var attempted = routed?.Target;
        if (routed?.Quality is not null)
            quality.Begin(call, routed, body!.Plain.Span);

        // 6. The request to the provider.
        using var message = UpstreamRequest.Build(context.Request, target, call, body, passThrough);
        Receipt.Announce(context.Response, call, gate);
        if (routed is not null)
        {
            context.Response.Headers[RoutedCall.Header] = Receipt.Ascii(routed.Told(call.Attempt));
            if (call.Translation?.Notes is { } notes)
                context.Response.Headers[CallTranslation.NotesHeader] = Receipt.Ascii(notes);
            else
                context.Response.Headers.Remove(CallTranslation.NotesHeader);
        }

        // A call that is read on when its client leaves ends with its answer, or with this process.
        using var upstream = CancellationTokenSource.CreateLinkedTokenSource(call.ReadsOn ? lifetime.ApplicationStopping : context.RequestAborted);
        HttpResponseMessage? answer = null;

        // 7. On file that it is sent, then sending it. From here on there is an event, whatever happens to the call or to this process.
        if (!settlement.Open(call))
        {
            await RefuseAsync(context, shape, call, Refusal.JournalFull);
            return null;
        }

        try
        {
            call.Leaves();
            metrics.Leaves(call);
            upstream.CancelAfter(timeout);
            answer = await clients.For(provider).SendAsync(message, upstream.Token);
            var begunAfter = call.Elapsed - call.SentAfter;
            // A switch of protocols, or a number below all classes: nothing that could be told to the client.
            if ((int)answer.StatusCode < 200)
                throw new HttpRequestException(HttpRequestError.InvalidResponse);
            call.Status = (int)answer.StatusCode;
            call.ProviderRequestId = UpstreamFaults.ProviderRequestId(answer);

            // An answer that a route has somewhere else to go from is read for what it cost, and for nothing else.
            next = routed?.Next(RoutedCall.FaultOf(call.Status), call.Status, UpstreamFaults.RetryAfter(answer, time.GetUtcNow()), again: true);
            if (next is not null)
            {
                await Relay.ReadAsync(answer, call, upstream);
                return next;
            }

            // A candidate's answer that can be checked is, before the client sees any of it.
            if (call is { HoldsWhole: true, Status: 200 } && await quality.FailureAsync(answer, call, routed!, body!.Plain, upstream, context.RequestAborted) is { } failure)
            {
                next = routed!.Escalate(failure) ? TimeSpan.Zero : null;
                if (next is not null || call.Outcome != CallOutcome.Completed)
                {
                    using var read = new CancellationTokenSource(); // it is in memory
                    await Relay.ReadAsync(answer, call, read);
                    if (next is null)
                        await new Refusal(502, "provider_broke_off", $"{provider.Name} broke off its answer", call.RetryAfter).WriteAsync(context, shape);
                    return next;
                }
            }

            if (routed is not null)
            {
                routed.Answered(call.Status, begunAfter);
                router.Pin(routed);
                call.WatchesAnswerId = call.Dialect?.Name == "openai-responses";
            }

            // Nobody reads the request again, and a stream may go on for minutes: a long prompt would stay in memory for as long.
            if (call.Caching is null && routed?.Quality is null && message.Content is SplicedContent { IsWritten: true })
                body?.Dispose();

            // 8. The answer.
            await relay.RunAsync(context, answer, call, upstream);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            routed?.Forget();
            call.Outcome = CallOutcome.ClientGone;
        }
        catch (OperationCanceledException) when (upstream.IsCancellationRequested)
        {
            call.Outcome = CallOutcome.TimedOut;
            Log.TimedOut(log, call.RequestId, provider.Name);
            // It may be working on it still: whoever has sent an Idempotency-Key doesn't want it twice.
            if (answer is null && (next = routed?.Next(RouteFaults.Timeout, 0, null, call.Claim is null)) is not null)
                return next;
            await new Refusal(504, "provider_timeout", $"{provider.Name} sent nothing within {timeout}; it may still be working on the request, and may charge for it", call.RetryAfter).WriteAsync(context, shape);
        }
        catch (Exception e) when (UpstreamFaults.ClientsFault(e) is { } status)
        {
            // A free route's body is relayed unread: what is wrong with it shows in the middle of sending.
            call.Outcome = CallOutcome.ClientGone;
            context.Response.Headers.Connection = "close";
            await new Refusal(status, "bad_request_body", BodyFault(status)).WriteAsync(context, shape);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or AddressRefusedException or OperationCanceledException)
        {
            // A cancellation of nobody's but the connection pool's is Proxy:ConnectTimeout: the request never left.
            call.Outcome = CallOutcome.Unreachable;
            call.NeverLeft = UpstreamFaults.NeverLeft(e);
            var why = UpstreamFaults.Why(e);
            Log.Unreachable(log, call.RequestId, provider.Name, why);
            if (answer is null && (next = routed?.Next(RouteFaults.Unreachable, 0, null, call.Claim is null || call.NeverLeft)) is not null)
                return next;
            await new Refusal(502, "provider_unreachable", $"{provider.Name} can't be reached: {why}", call.RetryAfter).WriteAsync(context, shape);
        }
        catch
        {
            // A fault of our own. The row must not say that all went well.
            call.Outcome = CallOutcome.CutByProxy;
            throw;
        }
        finally
        {
            answer?.Dispose();
            if (call.Outcome == CallOutcome.ClientGone && Drain.Cut(context))
                call.Outcome = CallOutcome.CutByProxy;

            // 9. The event in the ledger. What was tried in vain is spent for nothing.
            call.IsExtra |= next is not null;
            settlement.Settle(call);
            if (next is null)
                cache.Keep(context, call, body, passThrough);
            if (routed is not null)
                router.PinAnswer(routed, attempted!, call);
            if (routed?.Quality is not null)
                quality.Ended(context.Request, call, routed, attempted!, body!.Plain);
            call.Copy?.Dispose();
        }

        return null;
    }

    private static Refusal? Peek(HttpRequest request, RequestBody body, ProxyCall call) =>
        CallPeek.Problem(call, body.Plain, request.ContentType) is { } problem ? new Refusal(400, "bad_request_body", problem) : null;

    private Refusal? Resolve(ProxyTarget target, bool passThrough, ProxyCall call)
    {
        var key = call.Key!;
        if (target.Provider is null && CallRoute.ByModel(upstreams, target, call, passThrough) is { } unknown)
            return unknown;

        var provider = call.Provider!;
        if (provider.BaseUrl is null)
            return new Refusal(404, "provider_not_configured", provider.BaseUrlHelp ?? $"{provider.Name} has no base URL: set Providers__{provider.Name}__BaseUrl");
        if (key.Environment == KeyEnvironment.Test || passThrough || provider.Auth == ProviderAuth.None)
            return null;
        call.Credential = key.Tenant.Credentials.GetValueOrDefault(provider.Name);
        return call.Credential is null && !provider.Guarded
            ? new Refusal(401, "no_provider_key", $"no key for {provider.Name} is stored: add one in the portal, or send your own where your SDK takes its API key and the metering key in X-Tokonomics-Key")
            : null;
    }

    /// <summary>The error shape that the client of a path most likely reads, for refusals that come before its route is known for sure.</summary>
    public ErrorShape ShapeOf(HttpRequest request, ProxyTarget target)
    {
        if (upstreams.ErrorsOf(target.Provider, request.Method, target.Path) is { } shape)
            return shape;
        if (request.Headers.ContainsKey("anthropic-version"))
            return ErrorShape.Anthropic;
        return request.Headers.ContainsKey("x-goog-api-key") ? ErrorShape.Gemini : ErrorShape.OpenAi;
    }

    private static string BodyFault(int status) => status switch
    {
        413 => "the request's body is too large",
        408 => "the request's body came too slowly",
        _ => "the request's body is broken: its length or its chunks are not what its headers say",
    };
}

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Warning, "{RequestId}: {Provider} can't be reached: {Why}")]
    public static partial void Unreachable(ILogger logger, string requestId, string provider, string why);

    [LoggerMessage(2, LogLevel.Warning, "{RequestId}: {Provider} timed out")]
    public static partial void TimedOut(ILogger logger, string requestId, string provider);
}
