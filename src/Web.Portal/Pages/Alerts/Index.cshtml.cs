using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Alerts;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Alerts;

/// <summary>What has happened that somebody should know of, and did they get the message?</summary>
public sealed class IndexModel(TimeProvider time) : PortalPage
{
    [BindProperty(SupportsGet = true, Name = "before")]
    public string? Before { get; set; }

    [BindProperty]
    public string Target { get; set; } = "";

    [BindProperty]
    public string Channel { get; set; } = "";

    public AlertPage Alerts { get; private set; } = null!;

    /// <summary>Null for whoever may not see them.</summary>
    public int? Channels { get; private set; }

    public DateTimeOffset Now { get; } = time.GetUtcNow();

    public int Open => Alerts.Alerts.Count(a => a.AcknowledgedAt is null);

    public async Task<IActionResult> OnGetAsync() => await ShowAsync();

    public async Task<IActionResult> OnPostAcknowledgeAsync()
    {
        ModelState.Clear();
        if (await AskAsync(new AcknowledgeAlert(Caller, TenantId, Target)) is null)
            return Refused ?? await ShowAsync();
        return Redirect(To("/alerts"));
    }

    public async Task<IActionResult> OnPostReplayAsync()
    {
        ModelState.Clear();
        if (!await FirstTimeAsync())
            return Redirect(To("/alerts"));
        if (await AskAsync(new ReplayDelivery(Caller, TenantId, Target, Channel)) is null)
            return Refused ?? await ShowAsync();
        Said = "It is sent once more.";
        return Redirect(To("/alerts"));
    }

    private async Task<IActionResult> ShowAsync()
    {
        if (await AskAsync(new ListAlerts(Caller, TenantId, Before)) is not { } page)
            return Refused ?? NotFound();
        Alerts = page;
        if (May(Right.ReadKeys))
            Channels = (await AskAsync(new ListAlertChannels(Caller, TenantId)))?.Channels.Count(c => c.DisabledAt is null);
        return Page();
    }
}
