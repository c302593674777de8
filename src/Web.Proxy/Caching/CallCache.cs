using System.Globalization;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Caching;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Providers;
using Tokonomics.Application.RateLimits;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure.Secrets;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Ingress;
using Tokonomics.Web.Proxy.RateLimits;
using Tokonomics.Web.Proxy.Routing;
using Tokonomics.Web.Proxy.Telemetry;

namespace Tokonomics.Web.Proxy.Caching;

/// <summary>
/// Answers exact repeats with what their first call was answered, where the key or the route's rule says so: a repeat reaches no provider, holds nothing on a budget, and counts in the rate limit of
/// requests alone. It leaves one row that costs nothing. A key that doesn't use it costs one comparison.
/// </summary>
internal sealed class CallCache(IAnswerCache cache, AnswerCacheOptions options, Fingerprints fingerprints, PriceBook prices, IUsageRecorder recorder, IRateLimiter limiter, IBudgetGate gate, BufferBudget buffers, CallMetrics metrics, TimeProvider time)
{
    /// <summary>Of an answer: <c>hit; age=12</c>, seconds; <c>miss</c>: there was none, and this one is kept if it is whole; <c>bypass</c>: the request says <c>no-store</c>. Absent where nothing was looked for.</summary>
    public const string Header = "x-tokonomics-cache";

    // What belongs to an answer; all else is about the call, its connection or the provider's limits.
    private static readonly string[] KeptHeaders = [HeaderNames.ContentType, HeaderNames.ContentLanguage, "openai-version", CallTranslation.NotesHeader];

    /// <returns>True where <see cref="ProxyCall.Hit"/> is the answer. Otherwise the call goes on, and its answer is captured where it may be kept.</returns>
    public async ValueTask<bool> FindAsync(HttpContext context, ProxyTarget target, ProxyCall call, RequestBody? body, bool passThrough, RoutedCall? routed)
    {
        if ((routed?.CacheFor ?? call.Key!.CacheFor) is not { } kept || kept <= TimeSpan.Zero)
            return false;
        var request = context.Request;
        // What a client's own provider key paid for is given to nobody; and an Idempotency-Key asks for one call, not for one answer.
        if (body is null || passThrough || call.Match!.Route is not { Kind: RouteKind.Metered, Method: "POST" } || request.Headers.ContainsKey(Idempotency.Header))
            return false;
        if (!IsRepeatable(call, body))
            return false;
        var wish = CacheControlHeaderValue.TryParse(request.Headers.CacheControl.ToString(), out var said) ? said : new CacheControlHeaderValue();
        if (wish.NoStore)
        {
            context.Response.Headers[Header] = "bypass";
            return false;
        }

        var name = CallName.Of(request, target, call, body, routed, fingerprints);
        if (!wish.NoCache && await cache.FindAsync(name) is { } answer && Age(answer) is var age && age < kept && age <= (wish.MaxAge ?? kept) && MayUse(call, answer))
        {
            call.Hit = answer;
            return true;
        }

        context.Response.Headers[Header] = "miss";
        call.Caching = new CallCaching(name, kept, context.Features.GetRequiredFeature<IHttpResponseBodyFeature>(), new HeldAnswer(buffers, options.MaxAnswerBytes));
        context.Features.Set<IHttpResponseBodyFeature>(call.Caching);
        context.Response.RegisterForDispose(call.Caching);
        return false;
    }

    /// <summary>Gives <see cref="ProxyCall.Hit"/> to the client, a stream as a stream, and leaves its row.</summary>
    public async Task AnswerAsync(HttpContext context, ProxyCall call, RoutedCall? routed)
    {
        var (answer, response, gone) = (call.Hit!, context.Response, false);
        routed?.Forget();
        limiter.Leave(call.Rate.Ticket, 0);
        (call.Status, call.Streamed, call.RequestBytes, call.ResponseBytes) = (200, answer.Streamed, context.Request.ContentLength ?? 0, answer.Body.Length);
        call.Event = Event(call, answer);
        try
        {
            response.StatusCode = 200;
            foreach (var (name, value) in answer.Headers)
                response.Headers[name] = value;
            HeaderRules.Contain(response);
            RateAnswers.Write(response.Headers, call.Rate);
            response.Headers[Header] = string.Create(CultureInfo.InvariantCulture, $"hit; age={(long)Age(answer).TotalSeconds}");
            response.Headers[Idempotency.RequestHeader] = answer.RequestId;
            if (routed is not null)
                response.Headers[RoutedCall.Header] = Receipt.Ascii(routed.ToldOfHit(answer.Provider, answer.RequestModel));

            var events = response.ContentType?.StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase) == true;
            var receipt = Receipt.PlaceOf(call, events, plain: true);
            Receipt.Announce(response, receipt);
            if (receipt == ReceiptPlace.Headers)
                Receipt.WriteHeaders(response, call, gate);
            if (!answer.Streamed)
                response.ContentLength = answer.Body.Length;
            gone = await response.BodyWriter.WriteAsync(answer.Body, context.RequestAborted) is { IsCompleted: true };
            if (receipt == ReceiptPlace.Stream && answer.Body is [.., (byte)'\n' or (byte)'\r'])
            {
                Receipt.WriteComment(response.BodyWriter, call, gate);
                await response.BodyWriter.FlushAsync(context.RequestAborted);
            }
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            gone = true;
        }
        finally
        {
            recorder.Record(call.Event = call.Event with { Outcome = gone ? CallOutcome.ClientGone : CallOutcome.Completed, Latency = call.Elapsed });
            metrics.Hit(call.Event);
        }
    }

    /// <summary>Keeps the answer of a call that has been settled, where it is one: whole, of status 200, its usage told, and nothing in it but what was asked for.</summary>
    public void Keep(HttpContext context, ProxyCall call, RequestBody? body, bool passThrough)
    {
        if (call.Caching is not { } caching || passThrough || call.Event is not { UsageSource: UsageSource.Reported, Outcome: CallOutcome.Completed, Status: 200 } usage)
            return;
        // What a budget shortened, or sent to a cheaper model, is not what the next one would get.
        if (call is not { Outcome: CallOutcome.Completed, OutputLimit: null, DowngradedFrom: null, CutAtBudget: false, Overran: false } || call.Reader is { Flawed: true })
            return;
        // By the target that answered: a fallback may speak another dialect than the one that was first.
        if (!IsRepeatable(call, body!))
            return;
        var response = context.Response;
        if (response.StatusCode != 200 || response.Headers.ContentEncoding.Count > 0 || caching.Answer is not { Length: > 0 } answer || context.RequestAborted.IsCancellationRequested)
            return;
        var headers = new List<KeyValuePair<string, string>>(KeptHeaders.Length);
        foreach (var name in KeptHeaders)
            if (response.Headers.TryGetValue(name, out var value) && value.Count == 1)
                headers.Add(new(name, value.ToString()));
        var now = time.GetUtcNow();
        cache.Keep(caching.Name, new KeptAnswer(
            call.RequestId, now, now + caching.Kept, usage.Provider, usage.Dialect, usage.Operation, usage.RequestModel, usage.ResponseModel, usage.FinishReason, usage.Streamed, usage.Cost, headers, answer.ToArray()));
    }

    private static bool IsRepeatable(ProxyCall call, RequestBody body) => RepeatableRequest.Is(call.Match!.Route.Dialect, call.Peek, (call.Translation?.Request.Body ?? body.Plain).Span);

    private TimeSpan Age(KeptAnswer answer) => time.GetUtcNow() - answer.At is var age && age > TimeSpan.Zero ? age : TimeSpan.Zero;

    // Another key of the tenant, or another target of the rule, may have got it.
    private bool MayUse(ProxyCall call, KeptAnswer answer) =>
        call.Key!.Allowance is not { } allowance || (allowance.AllowsProvider(answer.Provider) && allowance.AllowsModel(call.Key.Tenant.Prices ?? prices, answer.Provider, answer.RequestModel ?? ""));

    // No usage and no cost of its own: what it saved is what the first call cost.
    private UsageEvent Event(ProxyCall call, KeptAnswer answer) => new()
    {
        RequestId = call.RequestId,
        TenantId = call.Key!.Tenant.Id,
        KeyId = call.Key.Id,
        TeamId = call.Key.TeamId,
        ProjectId = call.Key.ProjectId,
        Environment = call.Key.Environment,
        Provider = answer.Provider,
        Dialect = answer.Dialect,
        Operation = answer.Operation,
        RequestModel = answer.RequestModel,
        ResponseModel = answer.ResponseModel,
        Cost = NanoUsd.Zero,
        PriceStatus = PriceStatus.Free,
        PriceVersion = (call.Key.Tenant.Prices ?? prices).Version,
        Status = call.Status,
        FinishReason = answer.FinishReason,
        Streamed = answer.Streamed,
        At = call.At,
        RequestBytes = call.RequestBytes,
        ResponseBytes = call.ResponseBytes,
        Tags = call.Tags,
        Routed = UsageEvent.FromCache,
        Saved = answer.Cost,
    };
}
