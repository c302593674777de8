using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Start;

/// <summary>From nothing to the first metered call, on one page: a key, a snippet with it, and the call itself as soon as it is in the ledger.</summary>
[ProveIdentity]
public sealed class IndexModel(IUsageQueries usage, IOptions<PortalOptions> options) : PortalPage
{
    /// <summary>Test keys reach the built-in sandbox, live keys the providers.</summary>
    [BindProperty]
    public KeyEnvironment KeyEnvironment { get; set; } = KeyEnvironment.Test;

    /// <summary>The key that was just made, or whose first call is waited for.</summary>
    [BindProperty(Name = "key", SupportsGet = true)]
    public string? KeyId { get; set; }

    /// <summary>Shown this once.</summary>
    public string? Secret { get; private set; }

    public KeyLine? Key { get; private set; }

    public UsageEvent? Call { get; private set; }

    public string BaseUrl => options.Value.CallsUrl.ToString().TrimEnd('/');

    public string Model => Key?.Environment == KeyEnvironment.Live ? "gpt-4o-mini" : "sandbox-small";

    public string ShownKey => Secret ?? (Key?.Environment == KeyEnvironment.Live ? "mk_live_…" : "mk_test_…");

    public async Task<IActionResult> OnGetAsync() => await FindKeyAsync() ?? Page();

    public async Task<IActionResult> OnPostAsync()
    {
        if (!await FirstTimeAsync())
            return Redirect("/keys");
        var made = await AskAsync(new CreateKey(Caller, TenantId, KeyEnvironment == KeyEnvironment.Test ? "first test key" : "first live key", KeyEnvironment));
        if (made is null)
            return Refused ?? Page();
        (KeyId, Secret) = (made.Id, made.Secret);
        return await FindKeyAsync() ?? Page();
    }

    /// <summary>The part of the page that waits, asked every second.</summary>
    public async Task<IActionResult> OnGetCallAsync() => await FindKeyAsync() ?? Partial("_Waiting", this);

    private async Task<IActionResult?> FindKeyAsync()
    {
        if (KeyId is null)
            return null;
        var keys = await AskAsync(new ListKeys(Caller, TenantId));
        if (keys is null)
            return Refused;
        Key = keys.Keys.FirstOrDefault(k => k.Id == KeyId);
        if (Key is null)
            return NotFound();
        var calls = await usage.ListAsync(new EventFilter(TenantId) { KeyId = KeyId, Limit = 1 }, Cancel);
        Call = calls.Events.Count > 0 ? calls.Events[0] : null;
        return null;
    }
}
