using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Ingress;

namespace Tokonomics.Web.Proxy.DirectCalls;

/// <summary>
/// <c>POST /api/v1/usage/import</c>: an application reports, with its metering key, the calls that it made past the proxy while that was away. A report is taken whole or not at all. What is
/// answered 200 stands in the journal; the ledger takes each call once, however often it is reported.
/// </summary>
internal sealed class DirectCallsEndpoint(IKeyDirectory keys, DirectCallMeter meter, Settlement settlement, IUsageRecorder recorder, BufferBudget buffers, Crowding crowding, IOptions<ProxyOptions> options)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public async Task HandleAsync(HttpContext context)
    {
        var request = context.Request;
        if (request.Method != "POST")
        {
            context.Response.Headers.Allow = "POST";
            await RefuseAsync(context, new Refusal(405, "method_not_allowed", "Report calls by POST."));
            return;
        }

        if (CallingKey.Authenticate(keys, PresentedKey.Find(request), out var key) is { } unauthorized)
        {
            await RefuseAsync(context, unauthorized);
            return;
        }

        if (crowding.TooMany || !recorder.Accepting || !recorder.JournalWritable)
        {
            await RefuseAsync(context, crowding.TooMany ? Refusal.TooMany : recorder.JournalWritable ? Refusal.LedgerBehind : Refusal.JournalFull);
            return;
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } bodySize)
            bodySize.MaxRequestBodySize = options.Value.MaxBodyBytes * 8;
        var (body, refusal) = await RequestBody.ReadAsync(request, options.Value.MaxBodyBytes, buffers, context.RequestAborted);
        using var read = body;
        if (refusal is not null)
        {
            await RefuseAsync(context, refusal);
            return;
        }

        var (calls, problem) = Read(key, body!.Plain);
        if (problem is { } wrong)
        {
            await RefuseAsync(context, new Refusal(422, "invalid", $"{wrong.Field}: {wrong.Problem} Nothing of this report was taken."), wrong);
            return;
        }

        foreach (var (_, call) in calls)
            settlement.Settle(call);
        // On no disk as yet: whoever reports it again is told where it is.
        if (!recorder.JournalWritable)
        {
            await RefuseAsync(context, Refusal.JournalFull);
            return;
        }

        await context.Response.WriteAsJsonAsync(
            new DirectCallsTaken([.. calls.Select(c => new DirectCallTaken(c.Id, c.Call.RequestId, c.Call.Event!.Cost?.ToString(), c.Call.Event.PriceStatus, c.Call.Event.UsageSource))]), Json, context.RequestAborted);
    }

    private (IReadOnlyList<(string Id, ProxyCall Call)> Calls, (string Field, string Problem)? Problem) Read(KeySnapshot key, ReadOnlyMemory<byte> body)
    {
        DirectCallReport? report;
        try
        {
            report = JsonSerializer.Deserialize<DirectCallReport>(body.Span, Json);
        }
        catch (JsonException e)
        {
            return ([], (e.Path is { Length: > 2 } path ? path[2..] : "body", "It isn't of the kind that is expected there. A report is {\"calls\":[…]}; a call has id, at, path, request, status and response, and may have complete, latency_ms, first_byte_ms, provider_request_id, tags, method and request_type."));
        }

        if (report?.Calls is not { Count: >= 1 and <= DirectCallReport.MostCalls } reported)
            return ([], ("calls", $"1 to {DirectCallReport.MostCalls} calls in one report."));
        var calls = new List<(string, ProxyCall)>(reported.Count);
        for (var i = 0; i < reported.Count; i++)
        {
            if (reported[i] is null)
                return ([], ($"calls[{i}]", "Each call is an object."));
            var (call, field, problem) = meter.Read(key, reported[i]);
            if (call is null)
                return ([], ($"calls[{i}].{field}", problem));
            calls.Add((reported[i].Id!, call));
        }

        return (calls, null);
    }

    private static Task RefuseAsync(HttpContext context, Refusal refusal, (string Field, string Problem)? wrong = null)
    {
        context.Response.Headers[Refusal.Header] = refusal.Code;
        if (refusal.RetryAfter is { } after)
            context.Response.Headers.RetryAfter = ((int)Math.Ceiling(after.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        return ProblemAnswer.WriteAsync(context, refusal.Status, refusal.Code, refusal.Message, wrong);
    }
}
