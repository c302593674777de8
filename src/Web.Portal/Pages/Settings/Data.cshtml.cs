using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Web.Portal.Api;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Settings;

/// <summary>How do I get everything out, and how do I end it?</summary>
[ProveIdentity(Handlers = ["Export", "Delete"])]
public sealed class DataModel(TenantOptions options) : PortalPage
{
    [BindProperty]
    public string Name { get; set; } = "";

    public TenantSettings Settings { get; private set; } = null!;

    /// <summary>Keys that are accepted now.</summary>
    public int Keys { get; private set; }

    public int GraceDays => (int)options.DeletionGrace.TotalDays;

    public async Task<IActionResult> OnGetAsync() => await ShowAsync();

    public async Task<IActionResult> OnPostExportAsync()
    {
        if (await AskAsync(new ExportTenant(Caller, TenantId)) is not { } export)
            return Refused ?? await ShowAsync();
        await DataApi.WriteAsync(HttpContext, export);
        return new EmptyResult();
    }

    public async Task<IActionResult> OnPostDeleteAsync()
    {
        ModelState.Clear();
        if (!await FirstTimeAsync())
            return Redirect(To("/settings/data"));
        if (await AskAsync(new RequestTenantDeletion(Caller, TenantId, Name ?? "")) is not { At: { } at })
            return Refused ?? await ShowAsync();
        Said = $"{Tenant.TenantName} takes no calls any more, and will be deleted {InZone(at)}.";
        return Redirect(To("/settings/data"));
    }

    public async Task<IActionResult> OnPostCancelAsync()
    {
        ModelState.Clear();
        if (await AskAsync(new CancelTenantDeletion(Caller, TenantId)) is null)
            return Refused ?? await ShowAsync();
        Said = "The deletion is cancelled: keys are accepted again.";
        return Redirect(To("/settings/data"));
    }

    private async Task<IActionResult> ShowAsync()
    {
        if (!May(Domain.Tenants.Right.ManageTenant))
            return StatusCode(403);
        if (await AskAsync(new GetTenantSettings(Caller, TenantId)) is not { } settings || await AskAsync(new ListKeys(Caller, TenantId) { Status = KeyStatus.Active, Limit = 1 }) is not { } keys)
            return Refused ?? NotFound();
        (Settings, Keys) = (settings, keys.Total);
        return Page();
    }
}
