using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Billing;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Billing;

/// <summary>Does our own Stripe account have what our customers' statements say, and if not, why?</summary>
[ProveIdentity(Handlers = ["Store", "Remove", "Connect"])]
public sealed class MeterModel : RebillingPage
{
    [BindProperty]
    public string? SecretKey { get; set; }

    [BindProperty]
    public string? EventName { get; set; }

    [BindProperty]
    public string? Customer { get; set; }

    [BindProperty]
    public string? StripeCustomer { get; set; }

    /// <summary>A customer, or a report's identifier.</summary>
    [BindProperty]
    public string? Target { get; set; }

    [BindProperty]
    public string? Confirm { get; set; }

    [BindProperty]
    public bool Arrived { get; set; }

    public StripeMeterView View { get; private set; } = null!;

    public Task<IActionResult> OnGetAsync() => ShowAsync();

    public async Task<IActionResult> OnPostStoreAsync()
    {
        Only(nameof(SecretKey), nameof(EventName));
        if (!await FirstTimeAsync())
            return Redirect(To("/billing/meter"));
        if (await AskAsync(new SetStripeMeter(Caller, TenantId, SecretKey?.Trim(), (EventName ?? "").Trim())) is null)
            return Refused ?? await ShowAsync();
        return await CheckAsync("Stored.");
    }

    public async Task<IActionResult> OnPostCheckAsync()
    {
        ModelState.Clear();
        return await CheckAsync("");
    }

    public async Task<IActionResult> OnPostRemoveAsync()
    {
        Only(nameof(Confirm));
        if (Confirm?.Trim() != "stop")
        {
            ModelState.AddModelError("", "Nothing was done: type stop to confirm.");
            return await ShowAsync();
        }

        if (!await FirstTimeAsync())
            return Redirect(To("/billing/meter"));
        if (await AskAsync(new RemoveStripeMeter(Caller, TenantId)) is null)
            return Refused ?? await ShowAsync();
        Said = "Nothing is reported any more, and the key is deleted.";
        return Redirect(To("/billing/meter"));
    }

    public async Task<IActionResult> OnPostConnectAsync()
    {
        Only(nameof(Customer), nameof(StripeCustomer));
        if (!await FirstTimeAsync())
            return Redirect(To("/billing/meter"));
        if (await AskAsync(new ConnectMeteredCustomer(Caller, TenantId, (Customer ?? "").Trim(), (StripeCustomer ?? "").Trim())) is not { } connected)
            return Refused ?? await ShowAsync();
        return await CheckAsync($"{connected.Customer} is reported from {connected.From} on.");
    }

    public async Task<IActionResult> OnPostDisconnectAsync()
    {
        ModelState.Clear();
        if (!await FirstTimeAsync())
            return Redirect(To("/billing/meter"));
        if (await AskAsync(new DisconnectMeteredCustomer(Caller, TenantId, Target ?? "")) is not { } gone)
            return Refused ?? await ShowAsync();
        Said = $"Nothing more of {gone.Customer} is reported. What was reported stays at Stripe.";
        return Redirect(To("/billing/meter"));
    }

    public async Task<IActionResult> OnPostSettleAsync()
    {
        ModelState.Clear();
        if (!await FirstTimeAsync())
            return Redirect(To("/billing/meter"));
        if (await AskAsync(new SettleMeterReport(Caller, TenantId, Target ?? "", Arrived)) is not { } settled)
            return Refused ?? await ShowAsync();
        Said = Arrived ? $"It counts as reported for {settled.Customer}." : $"It is sent again for {settled.Customer} within ten minutes.";
        return Redirect(To("/billing/meter"));
    }

    private async Task<IActionResult> CheckAsync(string before)
    {
        // No meter yet is no fault of a customer that is connected first.
        var outcome = await Mediator.Send(new CheckStripeMeter(Caller, TenantId), Cancel);
        if (outcome.Refusal is { Kind: not Application.Tenants.RefusalKind.NotFound } refusal)
            return StatusCode(refusal.Kind == Application.Tenants.RefusalKind.Forbidden ? 403 : 409);
        Said = outcome.Succeeded
            ? $"{before} {(outcome.Value is { Problem: "", Customers: 0 } ? "Stripe takes the key, and has the meter and every customer." : "Stripe was asked, and something is in the way: see below.")}".Trim()
            : before;
        return Redirect(To("/billing/meter"));
    }

    private async Task<IActionResult> ShowAsync()
    {
        var (found, instead) = await ReadAsync(new GetStripeMeter(Caller, TenantId));
        if (instead is not null)
            return instead;
        View = found!;
        if (HttpMethods.IsGet(Request.Method))
            EventName = Lacks is null ? View.Meter?.EventName : null;
        return Page();
    }
}
