using System.Net;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Mails;
using Tokonomics.Infrastructure.Mails;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>
/// What would have been mailed, while no mail server is set. Whoever reads it can verify addresses and reset passwords, so it is for the machine itself:
/// the connection and the name in the request must both be local, and nothing may have stood in between.
/// </summary>
public sealed class DevMailModel(RecentMails recent, IOptions<MailOptions> options) : PageModel
{
    private static readonly string[] Forwarded = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Original-For", "X-Real-IP", "Via"];

    public IReadOnlyList<Mail> Mails { get; private set; } = [];

    public IActionResult OnGet()
    {
        var here = HttpContext.Connection.RemoteIpAddress is { } address && IPAddress.IsLoopback(address) && PortalOptions.IsLocal(Request.Host.Host) && !Forwarded.Any(Request.Headers.ContainsKey);
        if (options.Value.Host.Length > 0 || !here)
            return NotFound();
        Response.Headers.CacheControl = "no-store";
        Mails = recent.All;
        return Page();
    }
}
