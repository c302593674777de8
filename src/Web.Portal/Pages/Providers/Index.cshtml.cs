using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Providers;

/// <summary>Which providers can live keys reach, and does each take the key that is stored for it?</summary>
[ProveIdentity(Handlers = ["Store", "Delete", "Add", "Remove"])]
public sealed class IndexModel(ProviderCatalogue catalogue) : PortalPage
{
    [BindProperty]
    public string Provider { get; set; } = "";

    [BindProperty]
    public string Secret { get; set; } = "";

    [BindProperty]
    public string Name { get; set; } = "";

    [BindProperty]
    public string BaseUrl { get; set; } = "";

    [BindProperty]
    public string Surface { get; set; } = "openai";

    /// <summary>A credential's id, or an endpoint's name.</summary>
    [BindProperty]
    public string Target { get; set; } = "";

    [BindProperty]
    public string? Confirm { get; set; }

    public CredentialList Credentials { get; private set; } = null!;

    public EndpointList Endpoints { get; private set; } = null!;

    public IReadOnlyList<SelectListItem> Choices => [.. Endpoints.Endpoints.Select(e => new SelectListItem($"{e.Name} (your endpoint)", e.Name)), .. catalogue.Providers.Keys.Order(StringComparer.Ordinal).Select(p => new SelectListItem(p, p))];

    public static IReadOnlyList<SelectListItem> Surfaces { get; } = [.. new[] { "openai", "anthropic", "gemini", "ollama", "cohere" }.Select(s => new SelectListItem(s, s))];

    public async Task<IActionResult> OnGetAsync() => await ShowAsync();

    public async Task<IActionResult> OnPostStoreAsync()
    {
        Only(nameof(Provider), nameof(Secret));
        if (!await FirstTimeAsync())
            return Redirect(To("/providers"));
        if (await AskAsync(new StoreProviderCredential(Caller, TenantId, Provider, Secret.Trim())) is not { } stored)
            return Refused ?? await ShowAsync();
        return await TestAsync(stored.Id, $"The key for {Provider} is stored.");
    }

    public async Task<IActionResult> OnPostTestAsync()
    {
        ModelState.Clear();
        return await TestAsync(Target, "");
    }

    private async Task<IActionResult> TestAsync(string id, string before)
    {
        if (await AskAsync(new TestProviderCredential(Caller, TenantId, id)) is not { } test)
            return Refused ?? await ShowAsync();
        Said = $"{before} {test.Passed switch { true => test.Answer, false => $"The provider refuses it: {test.Answer}", null => $"Whether the provider takes it could not be told: {test.Answer}" }}".Trim();
        return Redirect(To("/providers"));
    }

    public async Task<IActionResult> OnPostDeleteAsync()
    {
        Only(nameof(Confirm));
        if (await ShowAsync() is not PageResult and var refused)
            return refused;
        if (May(Right.ManageCredentials) && Credentials.Credentials.FirstOrDefault(c => c.Id == Target) is { } line && Confirm?.Trim() != line.Provider)
        {
            ModelState.AddModelError("", $"Nothing was deleted: type the provider's name, {line.Provider}, to confirm.");
            return Page();
        }

        if (!await FirstTimeAsync())
            return Redirect(To("/providers"));
        if (await AskAsync(new DeleteProviderCredential(Caller, TenantId, Target)) is null)
            return Refused ?? Page();
        Said = "The key is deleted. Calls that need it are refused from now on.";
        return Redirect(To("/providers"));
    }

    public async Task<IActionResult> OnPostAddAsync()
    {
        Only(nameof(Name), nameof(BaseUrl), nameof(Surface));
        if (!await FirstTimeAsync())
            return Redirect(To("/providers"));
        if (await AskAsync(new AddCustomEndpoint(Caller, TenantId, Name.Trim(), BaseUrl.Trim(), Surface)) is not { } added)
            return Refused ?? await ShowAsync();
        Said = $"{added.Name} is reached under /proxy/{added.Name}. Store its key if it needs one.";
        return Redirect(To("/providers"));
    }

    public async Task<IActionResult> OnPostRemoveAsync()
    {
        Only(nameof(Confirm));
        if (May(Right.ManageCredentials) && Confirm?.Trim() != Target)
        {
            ModelState.AddModelError("", $"Nothing was removed: type the endpoint's name, {Target}, to confirm.");
            return await ShowAsync();
        }

        if (!await FirstTimeAsync())
            return Redirect(To("/providers"));
        if (await AskAsync(new RemoveCustomEndpoint(Caller, TenantId, Target)) is null)
            return Refused ?? await ShowAsync();
        Said = $"{Target} is removed, and its key with it.";
        return Redirect(To("/providers"));
    }

    private async Task<IActionResult> ShowAsync()
    {
        if (await AskAsync(new ListProviderCredentials(Caller, TenantId)) is not { } credentials || await AskAsync(new ListCustomEndpoints(Caller, TenantId)) is not { } endpoints)
            return Refused ?? NotFound();
        (Credentials, Endpoints) = (credentials, endpoints);
        return Page();
    }
}
