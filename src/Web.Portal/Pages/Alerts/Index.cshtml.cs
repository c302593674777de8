using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Alerts;
using Tokonomics.Domain;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Alerts;

/// <summary>What has happened that somebody should know of, and did they get the message?</summary>
public sealed class IndexModel(TimeProvider time) : PortalPage
{
    [BindProperty(SupportsGet = true, Name = "before")]
    public string? Before { get; set; }

    /// <summary><c>open</c>: only what isn't over.</summary>
    [BindProperty(SupportsGet = true, Name = "show")]
    public string? Show { get; set; }

    /// <summary>A kind's word.</summary>
    [BindProperty(SupportsGet = true, Name = "kind")]
    public string? Kind { get; set; }

    [BindProperty(SupportsGet = true, Name = "severity")]
    public AlertSeverity? Severity { get; set; }

    [BindProperty]
    public string Target { get; set; } = "";

    /// <summary>How long something is snoozed: <c>1h</c>, <c>8h</c>, <c>monday</c>.</summary>
    [BindProperty]
    public string For { get; set; } = "";

    [BindProperty]
    public string Channel { get; set; } = "";

    public AlertPage Alerts { get; private set; } = null!;

    /// <summary>Null for whoever may not see them.</summary>
    public int? Channels { get; private set; }

    public DateTimeOffset Now { get; } = time.GetUtcNow();

    public bool Filtered => Show is not null || Kind is not null || Severity is not null;

    /// <summary>This list from an alert on, or from its beginning.</summary>
    public string Page(string? before) => To("/alerts" + QueryString.Create(new KeyValuePair<string, string?>[] { new("show", Show), new("kind", Kind), new("severity", Severity?.ToString().ToLowerInvariant()), new("before", before) }.Where(p => p.Value is not null)));

    /// <summary>The facts that neither title nor text have said.</summary>
    public IReadOnlyList<AlertFact> Further(AlertLine alert) =>
        [.. alert.Facts.Where(f => f.Link is not null || !(alert.Title.Contains(f.Value, StringComparison.Ordinal) || alert.Text.Contains(f.Value, StringComparison.Ordinal)))];

    public async Task<IActionResult> OnGetAsync() => await ShowAsync();

    public async Task<IActionResult> OnPostAcknowledgeAsync()
    {
        ModelState.Clear();
        if (await AskAsync(new AcknowledgeAlert(Caller, TenantId, Target)) is null)
            return Refused ?? await ShowAsync();
        return Redirect(To("/alerts"));
    }

    public async Task<IActionResult> OnPostSnoozeAsync()
    {
        ModelState.Clear();
        var until = For switch { "1h" => Now.AddHours(1), "8h" => Now.AddHours(8), _ => SnoozeEnd(Now, Zone) };
        if (await AskAsync(new SnoozeAlert(Caller, TenantId, Target, until)) is null)
            return Refused ?? await ShowAsync();
        Said = $"It is quiet until {InZone(until)}. If it is still open then, it is told again.";
        return Redirect(To("/alerts"));
    }

    // Monday may be seven days and, as the clocks are set back, an hour away: too long for what is critical.
    internal static DateTimeOffset SnoozeEnd(DateTimeOffset now, TimeZoneInfo zone) => Clocks.NextMonday(now, zone) is var monday && monday <= now + AlertMute.LongestOfCritical ? monday : now + AlertMute.LongestOfCritical;

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
        if (await AskAsync(new ListAlerts(Caller, TenantId, Before) { Open = Show == "open", Kind = AlertKinds.Parse(Kind), Severity = Severity, Ends = false }) is not { } page)
            return Refused ?? NotFound();
        Alerts = page;
        if (May(Right.ReadKeys))
            Channels = (await AskAsync(new ListAlertChannels(Caller, TenantId)))?.Channels.Count(c => c.DisabledAt is null);
        return Page();
    }
}
