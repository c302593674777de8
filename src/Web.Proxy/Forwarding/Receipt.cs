using System.Globalization;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>What the caller is told of the money, in the answer's headers. Amounts are USD, as decimal strings.</summary>
internal static class Receipt
{
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
        if (gate.Tightest(call.Hold) is not { } tightest)
            return;
        var unheld = tightest.Unspent > tightest.Held ? tightest.Unspent - tightest.Held : default;
        headers[RemainingHeader] = unheld.ToString();
        headers[BudgetHeader] = Ascii($"{tightest.Budget.Period.ToString().ToLowerInvariant()} {tightest.Scope}");
    }

    // A tag's value and a model's name may be any text, and a header's is not.
    private static string Ascii(string text) => string.Create(text.Length, text, static (span, from) =>
    {
        for (var i = 0; i < span.Length; i++)
            span[i] = from[i] is >= ' ' and < (char)0x7f ? from[i] : '?';
    });
}
