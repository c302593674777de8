using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Alerts;
using Tokonomics.Domain.Alerts;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Alerts;

/// <summary>Where are people told, and does it arrive?</summary>
[ProveIdentity(Handlers = ["Add", "Rotate", "Remove"])]
public sealed class ChannelsModel : PortalPage
{
    [BindProperty]
    public ChannelKind Kind { get; set; } = ChannelKind.Email;

    [BindProperty]
    public string Name { get; set; } = "";

    [BindProperty]
    public string Address { get; set; } = "";

    /// <summary>The kinds that it is told of.</summary>
    [BindProperty]
    public IList<AlertKind> Told { get; } = [];

    [BindProperty]
    public string Target { get; set; } = "";

    [BindProperty]
    public bool Enabled { get; set; }

    public IReadOnlyList<ChannelLine> Channels { get; private set; } = [];

    /// <summary>A signing secret that was just made: its channel's name, and the secret.</summary>
    public (string Channel, string Secret)? Made { get; private set; }

    public static IReadOnlyList<SelectListItem> Kinds { get; } =
    [
        new("E-mail", nameof(ChannelKind.Email)), new("Slack", nameof(ChannelKind.Slack)), new("Microsoft Teams", nameof(ChannelKind.Teams)), new("Discord", nameof(ChannelKind.Discord)), new("PagerDuty", nameof(ChannelKind.PagerDuty)),
        new("Webhook", nameof(ChannelKind.Webhook)),
    ];

    public async Task<IActionResult> OnGetAsync() => await ShowAsync();

    public async Task<IActionResult> OnPostAddAsync()
    {
        Only(nameof(Kind), nameof(Name), nameof(Address));
        if (!await FirstTimeAsync())
            return Redirect(To("/alerts/channels"));
        if (await AskAsync(new AddAlertChannel(Caller, TenantId, Kind, Name?.Trim() ?? "", Address?.Trim() ?? "", LeavesOut())) is not { } added)
            return Refused ?? await ShowAsync();
        if (added.SigningSecret is { } secret)
        {
            Made = (Name!.Trim(), secret);
            ModelState.Clear();
            (Name, Address) = ("", "");
            return await ShowAsync();
        }

        Said = $"{Name!.Trim()} is told from now on. Send a test, so that you know that it arrives.";
        return Redirect(To("/alerts/channels"));
    }

    public async Task<IActionResult> OnPostTestAsync()
    {
        ModelState.Clear();
        if (await AskAsync(new TestAlertChannel(Caller, TenantId, Target)) is not { } result)
            return Refused ?? await ShowAsync();
        if (!result.Delivered)
        {
            ModelState.AddModelError("", $"The test did not arrive: {result.Answer}");
            return await ShowAsync();
        }

        Said = $"The test was taken: {result.Answer}. Look whether it has arrived.";
        return Redirect(To("/alerts/channels"));
    }

    public async Task<IActionResult> OnPostChangeAsync()
    {
        ModelState.Clear();
        if (await AskAsync(new ChangeAlertChannel(Caller, TenantId, Target, Name?.Trim() ?? "", Enabled, LeavesOut())) is null)
            return Refused ?? await ShowAsync();
        Said = "The channel is changed.";
        return Redirect(To("/alerts/channels"));
    }

    public async Task<IActionResult> OnPostRotateAsync()
    {
        ModelState.Clear();
        if (!await FirstTimeAsync())
            return Redirect(To("/alerts/channels"));
        if (await AskAsync(new RotateChannelSecret(Caller, TenantId, Target)) is not { } made)
            return Refused ?? await ShowAsync();
        var shown = await ShowAsync();
        Made = (Channels.FirstOrDefault(c => c.Id == made.ChannelId)?.Name ?? "", made.SigningSecret);
        return shown;
    }

    public async Task<IActionResult> OnPostRemoveAsync()
    {
        ModelState.Clear();
        if (!await FirstTimeAsync())
            return Redirect(To("/alerts/channels"));
        if (await AskAsync(new RemoveAlertChannel(Caller, TenantId, Target)) is null)
            return Refused ?? await ShowAsync();
        Said = "The channel is removed, and its address deleted.";
        return Redirect(To("/alerts/channels"));
    }

    private List<AlertKind> LeavesOut() => [.. AlertKinds.Chosen.Except(Told)];

    private async Task<IActionResult> ShowAsync()
    {
        if (await AskAsync(new ListAlertChannels(Caller, TenantId)) is not { } list)
            return Refused ?? NotFound();
        Channels = list.Channels;
        return Page();
    }
}
