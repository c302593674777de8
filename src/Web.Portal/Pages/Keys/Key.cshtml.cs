using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Keys;

/// <summary>One key: what it is, how it is used, and what can be done with it.</summary>
[ProveIdentity(Handlers = ["Rotate"])]
public sealed class KeyModel : KeyFormPage
{
    [FromRoute(Name = "id")]
    public string Id { get; set; } = "";

    /// <summary>How long both keys are accepted, in hours.</summary>
    [BindProperty]
    public int OverlapHours { get; set; } = 24;

    /// <summary>The key's name, typed to revoke it.</summary>
    [BindProperty]
    public string? Confirm { get; set; }

    public KeyDetail Detail { get; private set; } = null!;

    public KeyLine Key => Detail.Key;

    public KeyMade? Rotated { get; private set; }

    public bool CanChange => May(Right.ManageKeys) && Key.Status != KeyStatus.Revoked;

    /// <summary>What its end would stop, in numbers.</summary>
    public string Stops
    {
        get
        {
            var use = Detail.Use;
            if (use.Calls == 0)
                return "Nothing used it in the last 24 hours.";
            var by = use.Tags.FirstOrDefault(t => t.Name is "service" or "app") ?? use.Tags.FirstOrDefault(t => t.Name == "feature") ?? (use.Tags.Count > 0 ? use.Tags[0] : null);
            var calls = $"{Figures.Count(use.Calls).Text} {(use.Calls == 1 ? "call" : "calls")} came with it in the last 24 hours";
            return by is null
                ? $"{calls}; such calls will be refused at once."
                : $"{calls}, of {by.Values} {(by.Values == 1 ? "value" : "values")} of {by.Name} ({string.Join(", ", by.First)}{(by.Values > by.First.Count ? ", …" : "")}); they will be refused at once.";
        }
    }

    private async Task<IActionResult?> FindAsync()
    {
        if (await AskAsync(new GetKey(Caller, TenantId, Id)) is not { } detail)
            return Refused ?? NotFound();
        Detail = detail;
        return await FindPlacesAsync() ? null : Refused ?? NotFound();
    }

    public async Task<IActionResult> OnGetAsync()
    {
        if (await FindAsync() is { } refused)
            return refused;
        Form = KeyForm.Of(Key, Zone);
        return Page();
    }

    public async Task<IActionResult> OnPostSaveAsync()
    {
        if (await FindAsync() is { } refused)
            return refused;
        var read = Read();
        if (read is null && May(Right.ManageKeys))
            return Page();
        var (tags, expires) = read ?? ([], null);
        if (!await FirstTimeAsync())
            return Redirect(To($"/keys/{Id}"));
        // The day alone is shown: a key that ends at noon of it keeps its noon unless another day is chosen.
        if (Form.Expires == Lines.LastDay(Key.ExpiresAt, Zone))
            expires = Key.ExpiresAt;
        if (await AskAsync(new UpdateKey(Caller, TenantId, Id, Form.Name?.Trim() ?? "", tags, expires) { Limits = Form.Limits, AllowedProviders = Lines.Read(Form.Providers), AllowedModels = Lines.Read(Form.Models), CacheSeconds = Form.CacheSeconds }) is null)
            return Refused ?? Page();
        var (team, project) = Places.Read(Form.Place);
        if ((Form.Place ?? "") != Places.Write(Key.TeamId, Key.ProjectId) && await AskAsync(new MoveKey(Caller, TenantId, Id, team, project)) is null)
            return Refused ?? Page();
        Said = "Saved. Every proxy knows within a second.";
        return Redirect(To($"/keys/{Id}"));
    }

    public async Task<IActionResult> OnPostRotateAsync()
    {
        ModelState.Clear(); // the other form's fields aren't in this one
        if (!await FirstTimeAsync())
            return Redirect(To($"/keys/{Id}"));
        Rotated = await AskAsync(new RotateKey(Caller, TenantId, Id, TimeSpan.FromHours(Math.Clamp(OverlapHours, 0, 720))));
        if (Rotated is null && Refused is { } refused)
            return refused;
        return await ShowAsync();
    }

    public async Task<IActionResult> OnPostRevokeAsync()
    {
        ModelState.Clear();
        if (await FindAsync() is { } missing)
            return missing;
        if (May(Right.ManageKeys) && Confirm?.Trim() != Key.Name)
        {
            ModelState.AddModelError("Confirm", $"Type the name as it is: {Key.Name}");
            return await ShowAsync();
        }

        if (!await FirstTimeAsync())
            return Redirect(To($"/keys/{Id}"));
        if (await AskAsync(new RevokeKey(Caller, TenantId, Id)) is null)
            return Refused ?? await ShowAsync();
        Said = $"{Key.Name} is revoked: it is refused everywhere within a second.";
        return Redirect(To($"/keys/{Id}"));
    }

    private async Task<IActionResult> ShowAsync()
    {
        if (await FindAsync() is { } refused)
            return refused;
        Form = KeyForm.Of(Key, Zone);
        return Page();
    }
}
