using System.Text.Json;
using Tokonomics.Application.Billing;
using Tokonomics.Infrastructure.Stripe;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Billing;

/// <summary>
/// <c>POST /webhooks/stripe</c>: checks who sent it, keeps the event, and answers. What follows from it is found out afterwards, by asking Stripe, so that this
/// is quick, and a process that dies after the answer loses nothing.
/// </summary>
internal static partial class StripeWebhook
{
    public const string Path = "/webhooks/stripe";

    // Events are some kilobytes; the largest that are subscribed to, invoices with many lines, some hundred.
    private const int MostBytes = 1024 * 1024;

    public static void Map(WebApplication app)
    {
        if (app.Services.GetRequiredService<BillingOptions>().Enabled)
            app.MapPost(Path, TakeAsync).ExcludeFromDescription();
    }

    private static async Task<IResult> TakeAsync(HttpContext context, BillingOptions options, PaymentEvents events, BillingSignal signal, TimeProvider time, ILoggerFactory logs)
    {
        var log = logs.CreateLogger("Tokonomics.Web.Portal.Billing.StripeWebhook");
        // As it came: the signature is over these bytes.
        if (await BoundedBody.ReadAsync(context.Request, MostBytes) is not { } body)
            return Results.Text($"The body is longer than {MostBytes} bytes: no event is.\n", statusCode: 413);
        if (StripeSignature.Problem(context.Request.Headers["Stripe-Signature"], body.Span, options.Secrets, time.GetUtcNow()) is { } problem)
        {
            Refused(log, problem);
            return Results.Text($"Refused: {problem}.\n", statusCode: 400);
        }

        PaymentEvent e;
        try
        {
            using var document = JsonDocument.Parse(body);
            e = StripeEvents.Read(document.RootElement);
        }
        catch (Exception wrong) when (wrong is JsonException or PaymentsException)
        {
            Refused(log, "it is signed, and is no event");
            return Results.Text("Refused: this is no event.\n", statusCode: 400);
        }

        // Should the store be away this fails with 500, and Stripe sends it again.
        if (await events.TakeAsync(e, context.RequestAborted))
            signal.Set();
        return Results.Text("ok\n");
    }

    [LoggerMessage(1, LogLevel.Warning, "An event at /webhooks/stripe was refused: {Why}")]
    private static partial void Refused(ILogger logger, string why);
}
