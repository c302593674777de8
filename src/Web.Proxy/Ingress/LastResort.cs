using Tokonomics.Application.Dialects;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Telemetry;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>
/// Answers when nothing else could: a failure that nobody expected becomes a 500 in the shape that the client reads, with nothing of the
/// inside in it. The log gets the kinds of the exceptions and where they were thrown, not their texts: those quote what they choked on.
/// </summary>
internal sealed partial class LastResort(RequestDelegate next, CallMetrics metrics, ILogger<LastResort> log)
{
    private const string Message = "something failed inside Tokonomics; whoever runs this installation finds it in the log under the request's id";

    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client left.
        }
        catch (BadHttpRequestException e) when (!context.Response.HasStarted)
        {
            await AnswerAsync(context, e.StatusCode, "bad_request", "the request's body is broken, too large or too slow");
        }
        catch (Exception e)
        {
            var id = context.Response.Headers[Forwarder.RequestIdHeader].ToString();
            metrics.Refused("internal_error");
            Failed(id.Length > 0 ? id : context.TraceIdentifier, Kinds(e), e.StackTrace);
            if (context.Response.HasStarted)
                context.Abort(); // a regular end would look like success
            else
                await AnswerAsync(context, 500, "internal_error", Message);
        }
    }

    private static async Task AnswerAsync(HttpContext context, int status, string code, string message)
    {
        var id = context.Response.Headers[Forwarder.RequestIdHeader];
        context.Response.Clear();
        if (id.Count > 0)
            context.Response.Headers[Forwarder.RequestIdHeader] = id;
        if (ProxyTarget.Of(context) is { } target)
        {
            await new Refusal(status, code, message).WriteAsync(context, context.RequestServices.GetService<Forwarder>()?.ShapeOf(context.Request, target) ?? ErrorShape.OpenAi);
            return;
        }

        await ProblemAnswer.WriteAsync(context, status, code, message);
    }

    private static string Kinds(Exception e) => e.InnerException is { } inner ? $"{e.GetType()} from {Kinds(inner)}" : e.GetType().ToString();

    [LoggerMessage(Level = LogLevel.Error, Message = "{RequestId}: {Kinds} was not expected{Where}")]
    private partial void Failed(string requestId, string kinds, string? where);
}
