using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Web.Portal.Pages.Routes;

/// <summary>One route: what its rules say, and what can be changed.</summary>
public sealed class RouteModel : RouteFormPage
{
    [FromRoute(Name = "id")]
    public string Id { get; set; } = "";

    [BindProperty]
    public string? Confirm { get; set; }

    public RouteLine Line { get; private set; } = null!;

    public IReadOnlyDictionary<string, string> KeyNames { get; private set; } = null!;

    public async Task<IActionResult> OnGetAsync()
    {
        if (await FindAsync() is { } refused)
            return refused;
        Fill();
        return Page();
    }

    public async Task<IActionResult> OnPostRulesAsync(string? what)
    {
        if (await FindAsync() is { } refused)
            return refused;
        Reshape(what);
        return Page();
    }

    public async Task<IActionResult> OnPostSaveAsync()
    {
        if (await FindAsync() is { } refused)
            return refused;
        var form = Read();
        if (form is null && May(Right.ManageKeys))
            return Page();
        if (!await FirstTimeAsync())
            return Redirect(To($"/routes/{Id}"));
        if (await SaveAsync(new UpdateRoute(Caller, TenantId, Id, form ?? new RouteForm("", []))) is not { } saved)
            return Refused ?? Page();
        Said = Saving(saved);
        return Redirect(To($"/routes/{Id}"));
    }

    public async Task<IActionResult> OnPostDeleteAsync()
    {
        ModelState.Clear();
        if (await FindAsync() is { } refused)
            return refused;
        Fill();
        if (May(Right.ManageKeys) && Confirm?.Trim() != Line.Name)
        {
            ModelState.AddModelError("Confirm", $"Type the name as it is: {Line.Name}");
            return Page();
        }

        if (!await FirstTimeAsync())
            return Redirect(To("/routes"));
        if (await AskAsync(new DeleteRoute(Caller, TenantId, Id)) is null)
            return Refused ?? Page();
        Said = $"The route {Line.Name} is deleted.";
        return Redirect(To("/routes"));
    }

    private void Fill() => Form = Line.Route is { } route ? RouteFields.Of(route) : new RouteFields { Name = Line.Name, Rules = [RuleFields.New()] };

    private async Task<IActionResult?> FindAsync()
    {
        if (await AskAsync(new ListRoutes(Caller, TenantId, Id)) is not { } list)
            return Refused ?? NotFound();
        Line = list.Routes[0];
        KeyNames = await IndexModel.KeyNamesAsync(Mediator, Caller, TenantId, list.Routes, Cancel);
        return null;
    }
}
