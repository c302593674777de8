using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Settings;

/// <summary>Which programs may use the management API, and what may each do?</summary>
[ProveIdentity(Handlers = ["Make"])]
public sealed class TokensModel(TimeProvider time) : PortalPage
{
    [BindProperty]
    public string Name { get; set; } = "";

    [BindProperty]
    public Role Role { get; set; } = Role.Viewer;

    [BindProperty]
    public string? Expires { get; set; }

    [BindProperty]
    public string Target { get; set; } = "";

    [BindProperty]
    public string? Confirm { get; set; }

    public IReadOnlyList<TokenLine> Tokens { get; private set; } = null!;

    public TokenMade? Made { get; private set; }

    public DateTimeOffset Now { get; } = time.GetUtcNow();

    public IReadOnlyList<SelectListItem> Roles => [.. Enum.GetValues<Role>().Where(r => Caller.Role.Covers(r)).Select(r => new SelectListItem(r.ToString(), r.ToString()))];

    public async Task<IActionResult> OnGetAsync() => await ShowAsync();

    public async Task<IActionResult> OnPostMakeAsync()
    {
        ModelState.Clear();
        var expires = Lines.EndOfDay(Expires, Zone);
        if (expires is null && !string.IsNullOrWhiteSpace(Expires))
        {
            ModelState.AddModelError(nameof(Expires), "Write the date as 2027-12-31, or leave it empty.");
            return await ShowAsync();
        }

        if (!await FirstTimeAsync())
            return Redirect(To("/settings/tokens"));
        Made = await AskAsync(new CreateApiToken(Caller, TenantId, Name?.Trim() ?? "", Role, expires));
        return Made is null && Refused is { } refused ? refused : await ShowAsync();
    }

    public async Task<IActionResult> OnPostRevokeAsync()
    {
        ModelState.Clear();
        if (await ShowAsync() is not PageResult and var missing)
            return missing;
        if (Tokens.FirstOrDefault(t => t.Id == Target) is { } token && Confirm?.Trim() != token.Name)
        {
            ModelState.AddModelError("", $"Nothing was revoked: type {token.Name} to confirm.");
            return Page();
        }

        if (!await FirstTimeAsync())
            return Redirect(To("/settings/tokens"));
        if (await AskAsync(new RevokeApiToken(Caller, TenantId, Target)) is null)
            return Refused ?? Page();
        Said = "The token is revoked: the API refuses it from now on.";
        return Redirect(To("/settings/tokens"));
    }

    protected override string FieldName(string field) => field == "ExpiresAt" ? nameof(Expires) : field;

    private async Task<IActionResult> ShowAsync()
    {
        if (await AskAsync(new ListApiTokens(Caller, TenantId)) is not { } list)
            return Refused ?? NotFound();
        Tokens = list.Tokens;
        return Page();
    }
}
