using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Rendering;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Start;

/// <summary>
/// From nothing to the first metered call, on one page: for real calls a provider's key, tried at once; a metering key, a snippet with it, and the call itself
/// as soon as it is in the ledger.
/// </summary>
[ProveIdentity]
public sealed class IndexModel(IUsageQueries usage, ProviderCatalogue catalogue, IOptions<PortalOptions> options) : PortalPage
{
    /// <summary>Test keys reach the built-in sandbox, live keys the providers.</summary>
    [BindProperty]
    public KeyEnvironment KeyEnvironment { get; set; } = KeyEnvironment.Test;

    /// <summary>The key that was just made, or whose first call is waited for.</summary>
    [BindProperty(Name = "key", SupportsGet = true)]
    public string? KeyId { get; set; }

    /// <summary><c>live</c> where real calls are chosen already.</summary>
    [BindProperty(Name = "for", SupportsGet = true)]
    public string? For { get; set; }

    /// <summary>Whose key is stored.</summary>
    [BindProperty]
    public string? Provider { get; set; } = "openai";

    [BindProperty]
    public string? ProviderKey { get; set; }

    /// <summary>The provider keys that are stored, with what came of trying them; none for who may not see them.</summary>
    public IReadOnlyList<CredentialLine> Credentials { get; private set; } = [];

    /// <summary>Providers that take a key, the tenant's own endpoints first.</summary>
    public IReadOnlyList<SelectListItem> Providers { get; private set; } = [];

    /// <summary>Shown this once.</summary>
    public string? Secret { get; private set; }

    public KeyLine? Key { get; private set; }

    public UsageEvent? Call { get; private set; }

    public string BaseUrl => options.Value.CallsUrl.ToString().TrimEnd('/');

    public string Model => Key?.Environment == KeyEnvironment.Live ? Snippets.ModelOf(Credentials.OrderByDescending(c => c.TestPassed ?? false).Select(c => c.Provider)) : "sandbox-small";

    public string ShownKey => Secret ?? (Key?.Environment == KeyEnvironment.Live ? "mk_live_…" : "mk_test_…");

    public async Task<IActionResult> OnGetAsync()
    {
        if (For == "live")
            KeyEnvironment = KeyEnvironment.Live;
        return await FindKeyAsync() ?? await ShowAsync();
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (!await FirstTimeAsync())
            return Redirect("/keys");
        var made = await AskAsync(new CreateKey(Caller, TenantId, KeyEnvironment == KeyEnvironment.Test ? "first test key" : "first live key", KeyEnvironment));
        if (made is null)
            return Refused ?? await ShowAsync();
        (KeyId, Secret) = (made.Id, made.Secret);
        return await FindKeyAsync() ?? await ShowAsync();
    }

    /// <summary>Stores a provider's key and tries it at once; what the provider says stands beside it, in the provider's words.</summary>
    public async Task<IActionResult> OnPostProviderAsync()
    {
        Only(nameof(Provider), nameof(ProviderKey));
        (KeyEnvironment, KeyId) = (KeyEnvironment.Live, null);
        if (!await FirstTimeAsync())
            return Redirect("/start?for=live");
        if (await AskAsync(new StoreProviderCredential(Caller, TenantId, Provider ?? "", ProviderKey?.Trim() ?? "")) is not { } stored
            || await AskAsync(new TestProviderCredential(Caller, TenantId, stored.Id)) is null)
            return Refused ?? await ShowAsync();
        return Redirect("/start?for=live");
    }

    /// <summary>The part of the page that waits, asked every second.</summary>
    public async Task<IActionResult> OnGetCallAsync() => await FindKeyAsync() ?? Partial("_Waiting", this);

    protected override string FieldName(string field) => field switch { "Secret" => nameof(ProviderKey), nameof(Provider) => field, _ => "" };

    private async Task<IActionResult> ShowAsync()
    {
        if (!May(Right.ReadKeys))
            return Page();
        if (await AskAsync(new ListProviderCredentials(Caller, TenantId)) is not { } credentials || await AskAsync(new ListCustomEndpoints(Caller, TenantId)) is not { } endpoints)
            return Refused ?? NotFound();
        Credentials = credentials.Credentials;
        Providers =
        [
            .. endpoints.Endpoints.Select(e => new SelectListItem($"{e.Name} (your endpoint)", e.Name)),
            .. catalogue.Providers.Values.Where(p => p is { BaseUrl: not null, Auth: not ProviderAuth.None }).Select(p => new SelectListItem(p.Name, p.Name)),
        ];
        return Page();
    }

    private async Task<IActionResult?> FindKeyAsync()
    {
        if (KeyId is null)
            return null;
        var keys = await AskAsync(new ListKeys(Caller, TenantId) { Ids = [KeyId], Limit = 1 });
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
