using System.Diagnostics;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Web.Proxy.Forwarding;

namespace Tokonomics.Web.Proxy.Telemetry;

/// <summary>
/// One span for each attempt, that goes on from the caller's <c>traceparent</c>. It is made when the attempt has ended, with the times that it had: nothing is carried along a call for it, and nothing
/// of it can reach the provider, which gets the caller's <c>traceparent</c> as it came.
/// </summary>
internal static class CallSpans
{
    public const string SourceName = "Tokonomics.Proxy";

    private static readonly ActivitySource Source = new(SourceName);

    /// <summary>Somebody wants spans.</summary>
    public static bool Watched => Source.HasListeners();

    public static void Write(ProxyCall call, UsageEvent usage, GenAiNames names)
    {
        var operation = GenAiNames.OperationOf(usage.Dialect);
        var model = usage.RequestModel is { } asked ? names.ModelOf(usage.Provider, asked, usage.Environment) : GenAiNames.Other;
        // By its sheet's name, since names of spans are counted like attributes of metrics; the attribute has what was asked for.
        var name = model == GenAiNames.Other ? operation! : $"{operation} {model}";
        _ = ActivityContext.TryParse(call.TraceParent, call.TraceState, isRemote: true, out var parent);
        var before = Activity.Current;
        Activity.Current = null; // whoever's it is, the attempt is no part of it
        try
        {
            using var span = Source.StartActivity(name, ActivityKind.Client, parent, startTime: call.At + call.SentAfter);
            if (span is null)
                return;
            span.SetEndTime((usage.At + usage.Latency).UtcDateTime);
            Describe(span, call, usage, operation!, names);
        }
        finally
        {
            Activity.Current = before;
        }
    }

    private static void Describe(Activity span, ProxyCall call, UsageEvent usage, string operation, GenAiNames names)
    {
        span.SetTag("gen_ai.operation.name", operation);
        span.SetTag("gen_ai.provider.name", names.ProviderOf(usage.Provider));
        span.SetTag("gen_ai.request.model", usage.RequestModel);
        span.SetTag("gen_ai.response.model", usage.ResponseModel);
        if (usage.Streamed)
            span.SetTag("gen_ai.request.stream", true);
        if (call.Peek.MaxOutputTokens is { } most)
            span.SetTag("gen_ai.request.max_tokens", most);
        if (usage.FinishReason is { } reason)
            span.SetTag("gen_ai.response.finish_reasons", (string[])[reason]);
        if (usage.Streamed && usage.FirstByte is { } first)
            span.SetTag("gen_ai.response.time_to_first_chunk", Math.Max(0, (first - call.SentAfter).TotalSeconds));
        if (!usage.Usage.IsEmpty)
        {
            span.SetTag("gen_ai.usage.input_tokens", usage.Usage.InputTokens);
            span.SetTag("gen_ai.usage.output_tokens", usage.Usage.OutputTokens);
            SetReported("gen_ai.usage.cache_read.input_tokens", UsageUnit.CacheRead, usage.Usage.CacheReadTokens);
            SetReported("gen_ai.usage.cache_creation.input_tokens", UsageUnit.CacheWrite, usage.Usage.CacheWriteTokens);
            SetReported("gen_ai.usage.reasoning.output_tokens", UsageUnit.Reasoning, usage.Usage.Count(UsageUnit.Reasoning));
        }

        if (call.Provider?.BaseUrl is { } address)
        {
            span.SetTag("server.address", address.Host);
            span.SetTag("server.port", address.Port);
        }

        if (usage.Status > 0)
            span.SetTag("http.response.status_code", usage.Status);
        span.SetTag("tokonomics.request.id", usage.RequestId);
        span.SetTag("tokonomics.attempt", usage.Attempt);
        span.SetTag("tokonomics.environment", GenAiNames.EnvironmentOf(usage.Environment));
        span.SetTag("tokonomics.cost.nano_usd", usage.Cost?.Value);
        if (GenAiNames.ErrorOf(usage, call.CutAtBudget) is not { } error)
            return;
        span.SetTag("error.type", error);
        span.SetStatus(ActivityStatusCode.Error);

        void SetReported(string tag, UsageUnit unit, long count)
        {
            if (usage.Usage[unit] is not null || count > 0)
                span.SetTag(tag, count);
        }
    }
}
