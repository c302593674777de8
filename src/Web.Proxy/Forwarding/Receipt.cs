using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>Where a caller who asks for the cost finds it.</summary>
internal enum ReceiptPlace
{
    /// <summary>It was not asked for.</summary>
    Unasked,

    /// <summary>In the answer's headers, which wait for its end.</summary>
    Headers,

    /// <summary>In a comment behind the last event of the stream.</summary>
    Stream,

    /// <summary>Nowhere in the answer: it can't be held back, and has no comments. The event has it.</summary>
    Nowhere,
}

/// <summary>What the caller is told of the money: in the answer's headers, or in a comment at the end of a stream. Amounts are USD, as decimal strings. See docs/receipts.md.</summary>
internal static class Receipt
{
    /// <summary>Of a request: <c>1</c> asks for the cost.</summary>
    public const string RequestHeader = "X-Tokonomics-Receipt";

    /// <summary>Of its answer, where the cost is: <c>headers</c>, <c>stream</c>, <c>none</c>.</summary>
    public const string PlaceHeader = "x-tokonomics-receipt";

    /// <summary>What is set aside for this call.</summary>
    public const string HeldHeader = "x-tokonomics-held-usd";

    /// <summary>What is neither spent nor held of the budget that has least left, as this node knows it.</summary>
    public const string RemainingHeader = "x-tokonomics-remaining-usd";

    /// <summary>Which budget that is: <c>month tag customer=acme</c>.</summary>
    public const string BudgetHeader = "x-tokonomics-budget";

    /// <summary>The output limit that was put into the request for want of room, tokens.</summary>
    public const string ClampedHeader = "x-tokonomics-clamped-to";

    /// <summary>The model that was asked for, where a budget sent the call to a cheaper one.</summary>
    public const string DowngradedHeader = "x-tokonomics-downgraded-from";

    /// <summary>What the call cost; absent where it has no price.</summary>
    public const string CostHeader = "x-tokonomics-cost-usd";

    public const string InputHeader = "x-tokonomics-input-tokens";

    public const string OutputHeader = "x-tokonomics-output-tokens";

    public const string PriceVersionHeader = "x-tokonomics-price-version";

    /// <summary>What the call that is repeated cost; only where the answer comes from the cache.</summary>
    public const string SavedHeader = "x-tokonomics-saved-usd";

    public const string UsageSourceHeader = "x-tokonomics-usage-source";

    /// <summary>The largest answer that is held back for its headers; a longer one goes on as it comes, without its cost.</summary>
    public const int MaxHeldBytes = 8 * 1024 * 1024;

    public static bool IsWanted(HttpRequest request) => request.Headers.TryGetValue(RequestHeader, out var value) && value.ToString().Trim() is "1" or "true";

    public static ReceiptPlace PlaceOf(ProxyCall call, bool eventStream, bool plain)
    {
        if (!call.WantsReceipt || call.Match!.Route.Kind != RouteKind.Metered)
            return ReceiptPlace.Unasked;
        // An error is an answer in one piece, also where a stream was asked for.
        if (!call.Streamed || (call.Status >= 300 && !eventStream))
            return ReceiptPlace.Headers;
        return eventStream && plain ? ReceiptPlace.Stream : ReceiptPlace.Nowhere;
    }

    public static void Announce(HttpResponse response, ReceiptPlace place)
    {
        if (place != ReceiptPlace.Unasked)
            response.Headers[PlaceHeader] = place switch
            {
                ReceiptPlace.Headers => "headers",
                ReceiptPlace.Stream => "stream",
                _ => "none",
            };
    }

    /// <summary>What is known before the call is sent.</summary>
    public static void Announce(HttpResponse response, ProxyCall call, IBudgetGate gate)
    {
        var headers = response.Headers;
        if (call.DowngradedFrom is { } from)
            headers[DowngradedHeader] = Ascii(from.Length <= 200 ? from : from[..200]);
        if (call.Hold.State != HoldState.Held)
            return;
        headers[HeldHeader] = call.Hold.UpperBound.ToString();
        if (call.OutputLimit is { } limit)
            headers[ClampedHeader] = limit.ToString(CultureInfo.InvariantCulture);
        if (Standing(call, gate) is not var (remaining, budget))
            return;
        headers[RemainingHeader] = remaining;
        headers[BudgetHeader] = budget;
    }

    /// <summary>What is known once it is settled.</summary>
    public static void WriteHeaders(HttpResponse response, ProxyCall call, IBudgetGate gate)
    {
        var (headers, usage) = (response.Headers, call.Event!);
        if (usage.Cost is { } cost)
            headers[CostHeader] = cost.ToString();
        headers[InputHeader] = usage.Usage.InputTokens.ToString(CultureInfo.InvariantCulture);
        headers[OutputHeader] = usage.Usage.OutputTokens.ToString(CultureInfo.InvariantCulture);
        headers[PriceVersionHeader] = Ascii(usage.PriceVersion);
        headers[UsageSourceHeader] = SourceOf(usage);
        if (usage is { IsRepeat: true, Saved: { } saved })
            headers[SavedHeader] = saved.ToString();
        if (Standing(call, gate) is var (remaining, _))
            headers[RemainingHeader] = remaining;
    }

    /// <summary>The same as a comment of the event stream, which no client takes for an event.</summary>
    public static void WriteComment(IBufferWriter<byte> output, ProxyCall call, IBudgetGate gate)
    {
        var usage = call.Event!;
        output.Write(": tokonomics "u8);
        using (var json = new Utf8JsonWriter(output))
        {
            json.WriteStartObject();
            json.WriteString("request_id", usage.RequestId);
            json.WriteString("cost_usd", usage.Cost?.ToString());
            json.WriteNumber("input_tokens", usage.Usage.InputTokens);
            json.WriteNumber("output_tokens", usage.Usage.OutputTokens);
            json.WriteString("price_version", usage.PriceVersion);
            json.WriteString("usage_source", SourceOf(usage));
            if (usage is { IsRepeat: true, Saved: { } saved })
                json.WriteString("saved_usd", saved.ToString());
            if (call.Hold.Count > 0)
                json.WriteString("held_usd", call.Hold.UpperBound.ToString());
            if (Standing(call, gate) is var (remaining, budget))
            {
                json.WriteString("remaining_usd", remaining);
                json.WriteString("budget", budget);
            }

            json.WriteEndObject();
        }

        output.Write("\n\n"u8);
    }

    private static (string Remaining, string Budget)? Standing(ProxyCall call, IBudgetGate gate)
    {
        if (call.Hold.Count == 0 || gate.Tightest(call.Hold) is not { } tightest)
            return null;
        var unheld = tightest.Unspent > tightest.Held ? tightest.Unspent - tightest.Held : default;
        return (unheld.ToString(), Ascii($"{tightest.Budget.Period.ToString().ToLowerInvariant()} {tightest.Scope}"));
    }

    private static string SourceOf(UsageEvent usage) => usage.UsageSource.ToString().ToLowerInvariant();

    // A tag's value and a model's name may be any text, and a header's is not.
    public static string Ascii(string text) => string.Create(text.Length, text, static (span, from) =>
    {
        for (var i = 0; i < span.Length; i++)
            span[i] = from[i] is >= ' ' and < (char)0x7f ? from[i] : '?';
    });
}
