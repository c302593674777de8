using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Keys;

/// <summary>Makes a key, and shows it this once.</summary>
[ProveIdentity(OnGet = true)]
public sealed class NewModel : KeyFormPage
{
    public KeyMade? Made { get; private set; }

    public async Task<IActionResult> OnGetAsync() => await FindPlacesAsync() ? Page() : Refused ?? NotFound();

    public async Task<IActionResult> OnPostAsync()
    {
        if (!await FindPlacesAsync())
            return Refused ?? NotFound();
        if (May(Right.ManageKeys) && Read() is null)
            return Page();
        if (!await FirstTimeAsync())
            return Redirect(To("/keys"));
        var (tags, expires) = (Lines.Tags(Form.Tags) ?? [], Lines.EndOfDay(Form.Expires, Zone));
        var (team, project) = Places.Read(Form.Place);
        Made = await AskAsync(new CreateKey(Caller, TenantId, Form.Name?.Trim() ?? "", Environment)
        {
            TeamId = team,
            ProjectId = project,
            Tags = tags,
            ExpiresAt = expires,
            Limits = Form.Limits,
            AllowedProviders = Lines.Read(Form.Providers),
            AllowedModels = Lines.Read(Form.Models),
            CacheSeconds = Form.CacheSeconds,
        });
        return Made is null && Refused is { } refused ? refused : Page();
    }
}
