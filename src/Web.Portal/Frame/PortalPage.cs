using MediatR;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>
/// A page of a tenant for whoever is signed in: who they are, which tenant and environment they look at, and the way to the use cases. What they may do
/// is decided there; a page only leaves out the buttons that would be refused.
/// </summary>
public abstract class PortalPage : PageModel
{
    private IMediator? _mediator;

    /// <summary>Who looks.</summary>
    public SignedIn Me { get; private set; } = null!;

    public Caller Caller => Me.Caller;

    public string TenantId => Me.Current!.TenantId;

    public Membership Tenant => Me.Current!;

    /// <summary>The tenant's zone: where its days and months begin.</summary>
    public TimeZoneInfo Zone { get; private set; } = TimeZoneInfo.Utc;

    /// <summary>Live, or test with <c>?env=test</c>.</summary>
    public KeyEnvironment Environment { get; private set; }

    /// <summary>Alerts that matter, aren't over, and that nobody looks after: for the frame. 0 where it isn't asked for.</summary>
    public int UrgentAlerts { get; private set; }

    /// <summary>Random for each form that is shown: see <see cref="FirstTimeAsync"/>.</summary>
    public string FormId { get; } = Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(16));

    /// <summary>Said once at the top of the next page.</summary>
    [TempData]
    public string? Said { get; set; }

    protected IMediator Mediator => _mediator ??= HttpContext.RequestServices.GetRequiredService<IMediator>();

    protected CancellationToken Cancel => HttpContext.RequestAborted;

    /// <summary>Pages that don't need a tenant (the account's own) say so.</summary>
    protected virtual bool NeedsTenant => true;

    public bool May(Right right) => Me.Current is not null && Caller.May(right);

    /// <summary>
    /// For what only some values of a form make dangerous (a cap that is raised): null where a credential was presented lately, else the way to present one and
    /// back. Pages where all of it is dangerous have <see cref="ProveIdentityAttribute"/>.
    /// </summary>
    protected IActionResult? ProveFirst() => ProveIdentityAttribute.Ask(HttpContext, Me, ProveIdentityAttribute.Lately);

    /// <summary>An instant in the tenant's zone, where its periods begin and end: <c>1 Dec 2026, 00:00 (Europe/Berlin)</c>.</summary>
    public string InZone(DateTimeOffset at) => $"{TimeZoneInfo.ConvertTime(at, Zone).ToString("d MMM yyyy, HH:mm", System.Globalization.CultureInfo.InvariantCulture)} ({Zone.Id})";

    /// <summary>A path of the portal that keeps the environment.</summary>
    public string To(string path) => Environment == KeyEnvironment.Test ? path + (path.Contains('?', StringComparison.Ordinal) ? "&" : "?") + "env=test" : path;

    /// <summary>This page's address for a form of one of its handlers. It needs <c>asp-antiforgery="true"</c>.</summary>
    public string At(string handler) => To($"{Request.Path}?handler={handler}");

    [NonHandler] // its name makes it one otherwise, for requests with the verb PAGE
    public override async Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next)
    {
        if (await HttpContext.RequestServices.GetRequiredService<CurrentUser>().FindAsync() is not { } me)
        {
            context.Result = new ChallengeResult();
            return;
        }

        Me = me;
        if (me.Current is null && NeedsTenant)
        {
            context.Result = new RedirectResult("/welcome");
            return;
        }

        Environment = Request.Query["env"] == "test" ? KeyEnvironment.Test : KeyEnvironment.Live;
        if (me.Current is { } tenant)
            Zone = TimeZoneInfo.FindSystemTimeZoneById(tenant.TimeZone);
        Response.Headers.CacheControl = "no-store";
        // What the pointer rests on is fetched before it is pressed: by the browser's own rules, which keep a page in memory for one use although it must not be stored,
        // and leave it where data is dear. <link rel=prefetch> can't do that.
        if (HttpMethods.IsGet(Request.Method))
            Response.Headers["Speculation-Rules"] = "\"/js/prefetch.speculationrules\"";
        // A part of a page has no frame.
        if (me.Current is not null && HttpMethods.IsGet(Request.Method) && !Request.Query.ContainsKey("handler"))
            UrgentAlerts = await HttpContext.RequestServices.GetRequiredService<AlertCounts>().UrgentAsync(me.Current.TenantId, Cancel);
        await next();
    }

    /// <summary>Asks a use case, and shows its refusal: a missing thing is a 404, a forbidden one a 403, anything else stands at its field or at the form's head.</summary>
    /// <returns>The answer, or null where it was refused: then return <see cref="Refused"/> or show the form again.</returns>
    protected async Task<T?> AskAsync<T>(IUseCase<T> request)
        where T : class
    {
        var outcome = await Mediator.Send(request, Cancel);
        if (outcome.Succeeded)
            return outcome.Value;
        var refusal = outcome.Refusal!;
        Refused = refusal.Kind switch
        {
            RefusalKind.NotFound => new NotFoundResult(),
            RefusalKind.Forbidden => new StatusCodeResult(403),
            _ => null,
        };
        if (refusal.Fields.Count == 0)
            ModelState.AddModelError("", refusal.Message);
        foreach (var field in refusal.Fields)
            ModelState.AddModelError(FieldName(field.Field), field.Message);
        return null;
    }

    /// <summary>For a page with several forms: what fields of the others would have said is no error of this one.</summary>
    protected void Only(params ReadOnlySpan<string> fields)
    {
        foreach (var key in ModelState.Keys.ToList())
            if (!fields.Contains(key))
                ModelState.Remove(key);
    }

    /// <summary>What the last refused use case makes of the whole page; null where the form can be shown again with what is wrong.</summary>
    protected IActionResult? Refused { get; private set; }

    /// <summary>The page's own name for a use case's field. By default the same.</summary>
    protected virtual string FieldName(string field) => field;

    /// <summary>
    /// False where this very form was sent before (a double click, the back button): then nothing is done a second time. The form has a hidden input named
    /// <c>form_id</c> with <see cref="FormId"/>.
    /// </summary>
    protected async Task<bool> FirstTimeAsync() =>
        Request.Form["form_id"].ToString() is { Length: 32 } id
        && await HttpContext.RequestServices.GetRequiredService<ISentForms>().FirstAsync($"{Me.UserId}/{id}", Cancel);
}
