using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Account;

/// <summary>Where one is signed in, and the way to end it.</summary>
public sealed class SessionsModel(ISessions sessions, SignInManager<User> signIn, AccountLog log) : AccountPage
{
    public IReadOnlyList<SessionLine> Sessions { get; private set; } = [];

    public string DeviceOf(SessionLine session) => Visitors.Device(session.UserAgent);

    public async Task OnGetAsync() => Sessions = await sessions.ListAsync(Me.UserId, Cancel);

    public async Task<IActionResult> OnPostEndAsync(string id)
    {
        // Of one's own alone: another's id ends nothing.
        if (await sessions.EndAsync(Me.UserId, id ?? "", null, Cancel) == 0)
            return NotFound();
        await log.WriteAsync(Account, "end_session", AuditResult.Done, HttpContext.From(), id!, Cancel);
        if (id == Me.Session.Id)
        {
            await signIn.SignOutAsync();
            return Redirect("/login");
        }

        Said = "That browser is signed out.";
        return Redirect("/account/sessions");
    }

    public async Task<IActionResult> OnPostOthersAsync()
    {
        var ended = await sessions.EndAsync(Me.UserId, null, Me.Session.Id, Cancel);
        await log.WriteAsync(Account, "end_other_sessions", AuditResult.Done, HttpContext.From(), $"{ended}", Cancel);
        Said = ended == 1 ? "One other browser is signed out." : $"{ended} other browsers are signed out.";
        return Redirect("/account/sessions");
    }
}
