using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Caching;
using Tokonomics.Application.RateLimits;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Settings;

/// <summary>What holds for all of the organization's calls?</summary>
public sealed class IndexModel : PortalPage
{
    [BindProperty, Required(ErrorMessage = "Give it a name.")]
    public string Name { get; set; } = "";

    [BindProperty]
    public string TimeZone { get; set; } = "UTC";

    /// <summary>0 for ever.</summary>
    [BindProperty]
    public int RetentionDays { get; set; }

    [BindProperty]
    public DisconnectPolicy OnDisconnect { get; set; }

    [BindProperty]
    public UnpricedPolicy Unpriced { get; set; }

    [BindProperty]
    public long? RequestsPerMinute { get; set; }

    [BindProperty]
    public long? TokensPerMinute { get; set; }

    [BindProperty]
    public int? ConcurrentRequests { get; set; }

    public TenantSettings Settings { get; private set; } = null!;

    public TenantLimits? Limits { get; private set; }

    public IReadOnlyList<SelectListItem> Zones { get; } = TimeZones.All;

    public IReadOnlyList<SelectListItem> Retentions =>
    [
        new("for ever", "0"), new("35 days", "35"), new("90 days", "90"), new("180 days", "180"), new("13 months", "396"), new("2 years", "731"), new("7 years", "2557"),
        .. Settings.RetentionDays is { } days and not (35 or 90 or 180 or 396 or 731 or 2557) ? [new SelectListItem($"{days} days", $"{days}")] : Array.Empty<SelectListItem>(),
    ];

    public bool MayAll => May(Right.ManageTenant);

    public async Task<IActionResult> OnGetAsync()
    {
        if (await FindAsync() is { } refused)
            return refused;
        Fill();
        return Page();
    }

    public async Task<IActionResult> OnPostTenantAsync()
    {
        Only(nameof(Name), nameof(TimeZone), nameof(RetentionDays));
        if (!ModelState.IsValid && MayAll)
            return await AgainAsync();
        return await SavedAsync(await AskAsync(new SetTenantSettings(Caller, TenantId) { Name = Name?.Trim() ?? "", TimeZone = TimeZone, RetentionDays = RetentionDays }));
    }

    public async Task<IActionResult> OnPostCallsAsync()
    {
        ModelState.Clear();
        return await SavedAsync(await AskAsync(new SetTenantSettings(Caller, TenantId) { OnDisconnect = OnDisconnect, Unpriced = Unpriced }));
    }

    public async Task<IActionResult> OnPostLimitsAsync()
    {
        Only(nameof(RequestsPerMinute), nameof(TokensPerMinute), nameof(ConcurrentRequests));
        if (!ModelState.IsValid)
            return await AgainAsync();
        return await SavedAsync(await AskAsync(new SetTenantLimits(Caller, TenantId, new CallLimits(RequestsPerMinute, TokensPerMinute, ConcurrentRequests))));
    }

    public async Task<IActionResult> OnPostEmptyCacheAsync()
    {
        ModelState.Clear();
        if (await AskAsync(new EmptyCache(Caller, TenantId)) is null)
            return Refused ?? await AgainAsync();
        Said = "The cache is empty: every proxy knows within a second.";
        return Redirect(To("/settings"));
    }

    protected override string FieldName(string field) => field == "Limits" ? nameof(RequestsPerMinute) : field;

    private async Task<IActionResult> SavedAsync(object? done)
    {
        if (done is null)
            return Refused ?? await AgainAsync();
        Said = "Saved. What concerns calls holds for those that begin from now on.";
        return Redirect(To("/settings"));
    }

    // What was typed stays; what the form didn't have is as it is kept.
    private async Task<IActionResult> AgainAsync()
    {
        if (await FindAsync() is { } refused)
            return refused;
        var typed = Request.Form;
        var (name, zone, retention, requests, tokens, running) = (Name, TimeZone, RetentionDays, RequestsPerMinute, TokensPerMinute, ConcurrentRequests);
        Fill();
        if (typed.ContainsKey(nameof(Name)))
            (Name, TimeZone, RetentionDays) = (name, zone, retention);
        if (typed.ContainsKey(nameof(RequestsPerMinute)))
            (RequestsPerMinute, TokensPerMinute, ConcurrentRequests) = (requests, tokens, running);
        return Page();
    }

    private void Fill()
    {
        (Name, TimeZone, RetentionDays, OnDisconnect, Unpriced) = (Settings.Name, Settings.TimeZone, Settings.RetentionDays ?? 0, Settings.OnDisconnect, Settings.Unpriced);
        (RequestsPerMinute, TokensPerMinute, ConcurrentRequests) = (Limits?.Limits.RequestsPerMinute, Limits?.Limits.TokensPerMinute, Limits?.Limits.ConcurrentRequests);
    }

    private async Task<IActionResult?> FindAsync()
    {
        if (await AskAsync(new GetTenantSettings(Caller, TenantId)) is not { } settings)
            return Refused ?? NotFound();
        Settings = settings;
        if (May(Right.ReadKeys))
            Limits = await AskAsync(new GetTenantLimits(Caller, TenantId));
        return null;
    }
}
