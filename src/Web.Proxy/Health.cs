using Tokonomics.Application.Ledger;

namespace Tokonomics.Web.Proxy;

/// <summary><c>/healthz</c>: the process lives. <c>/readyz</c>: it should be sent traffic.</summary>
public static class Health
{
    public static void UseHealth(this WebApplication app) => app.Use((context, next) => context.Request.Path.Value switch
    {
        "/healthz" => Answer(context, 200, "ok"),
        "/readyz" when app.Lifetime.ApplicationStopping.IsCancellationRequested => Answer(context, 503, "stopping"),
        "/readyz" when app.Services.GetService<IUsageRecorder>() is { JournalWritable: false } => Answer(context, 503, "the journal can't be written"),
        "/readyz" when app.Services.GetService<IUsageRecorder>() is { Accepting: false } => Answer(context, 503, "the ledger is behind"),
        "/readyz" => Answer(context, 200, "ready"),
        _ => next(context),
    });

    private static Task Answer(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text);
    }
}
