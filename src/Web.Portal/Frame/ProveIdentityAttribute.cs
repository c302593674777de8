using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>
/// On a <see cref="PortalPage"/> whose forms are dangerous (keys, tokens, credentials, sign-in, caps, deletion, the operator's changes): its POSTs need a
/// credential that was presented within <see cref="Lately"/>. Otherwise the user is asked for one on /prove and comes back; nothing was changed until then.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class ProveIdentityAttribute : Attribute, IAsyncPageFilter
{
    public static readonly TimeSpan Lately = TimeSpan.FromMinutes(15);

    // Asked before the form is shown, so that what is typed isn't lost: five minutes at least are left for it.
    private static readonly TimeSpan BeforeTheForm = TimeSpan.FromMinutes(10);

    /// <summary>The page is nothing but the dangerous form, so it is not even shown before.</summary>
    public bool OnGet { get; init; }

    /// <summary>The names of the POST handlers that are dangerous (<c>nameof</c> without On…Post…Async), where some of the page's aren't.</summary>
    public string[] Handlers { get; init; } = [];

    public Task OnPageHandlerSelectionAsync(PageHandlerSelectedContext context) => Task.CompletedTask;

    public async Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next)
    {
        var request = context.HttpContext.Request;
        var reads = HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method);
        var asks = reads ? OnGet : Handlers.Length == 0 || Handlers.Contains(context.HandlerMethod?.Name ?? "", StringComparer.OrdinalIgnoreCase);
        if (asks && context.HandlerInstance is PortalPage page && Ask(context.HttpContext, page.Me, reads ? BeforeTheForm : Lately) is { } way)
        {
            context.Result = way;
            return;
        }

        await next();
    }

    internal static IActionResult? Ask(HttpContext http, SignedIn me, TimeSpan within)
    {
        var time = http.RequestServices.GetRequiredService<TimeProvider>();
        if (time.GetUtcNow() - me.Session.ProvedAt <= within)
            return null;
        var query = http.Request.Query.Where(q => q.Key != "handler").SelectMany(q => q.Value, (q, value) => KeyValuePair.Create(q.Key, value));
        var back = http.Request.Path + QueryString.Create(query).Value;
        var way = $"/prove?returnUrl={Uri.EscapeDataString(back)}{(HttpMethods.IsPost(http.Request.Method) ? "&unsent=1" : "")}";
        if (!http.Request.Headers.ContainsKey("HX-Request"))
            return new RedirectResult(way);
        http.Response.Headers["HX-Redirect"] = way; // for the page, not for the part that was asked for
        return new NoContentResult();
    }
}
