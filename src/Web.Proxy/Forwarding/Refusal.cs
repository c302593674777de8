using System.Globalization;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>Why the proxy itself answers instead of the provider. Nothing was forwarded, nothing is in the ledger.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Code">Stable, for programs: <c>unknown_key</c>.</param>
/// <param name="Message">For people: what is wrong and how to mend it. Never has a word of the request's body or a key in it.</param>
/// <param name="RetryAfter">When the same request may succeed; null where it won't.</param>
internal sealed record Refusal(int Status, string Code, string Message, TimeSpan? RetryAfter = null)
{
    /// <summary>The code: on every answer that is the proxy's own and not the provider's, and on no other.</summary>
    public const string Header = "x-tokonomics-error";

    public static readonly Refusal Overloaded = new(503, "overloaded", "too many large requests are in flight; try again in a moment", TimeSpan.FromSeconds(1));

    public static readonly Refusal TooMany = new(503, "overloaded", "this node has more calls than it can serve; try again in a moment", TimeSpan.FromSeconds(1));

    public static readonly Refusal LedgerBehind =
        new(503, "ledger_behind", "the ledger can't keep up, and nothing is forwarded that can't be recorded; try again in a moment", TimeSpan.FromSeconds(2));

    public static readonly Refusal JournalFull =
        new(503, "journal_unwritable", "the proxy's journal can't be written (its disk is full or broken), and nothing is forwarded that can't be recorded; try again in a moment", TimeSpan.FromSeconds(2));

    public static Refusal Of(CallRefusal refusal) => new(refusal.Status, refusal.Code, refusal.Message, refusal.RetryAfter);

    public static Refusal TooLarge(long maxBytes) =>
        new(413, "body_too_large", string.Create(CultureInfo.InvariantCulture, $"the request's body is larger than {maxBytes:N0} bytes (setting Proxy:MaxBodyBytes)"));

    /// <summary>Answers in the shape of the client's dialect, so that its SDK raises its own exception.</summary>
    public async Task WriteAsync(HttpContext context, ErrorShape shape)
    {
        var response = context.Response;
        if (response.HasStarted)
            return;
        response.StatusCode = Status;
        response.ContentType = "application/json; charset=utf-8";
        response.Headers[Header] = Code;
        HeaderRules.Contain(response);
        // What the SDKs of OpenAI and Anthropic obey before their own rule of which statuses to retry.
        response.Headers["x-should-retry"] = RetryAfter is null ? "false" : "true";
        if (RetryAfter is { } after)
            response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(after.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        ProxyError.Write(response.BodyWriter, shape, Status, Code, Message, response.Headers[Forwarder.RequestIdHeader]);
        try
        {
            await response.BodyWriter.FlushAsync(context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            // The client has left; there is nobody to tell.
        }
    }
}
