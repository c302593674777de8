using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Web.Portal.Pages.Routes;

/// <summary>Makes a route.</summary>
public sealed class NewModel : RouteFormPage
{
    public void OnGet() => Form.Rules = [RuleFields.New()];

    public void OnPostRules(string? what) => Reshape(what);

    public async Task<IActionResult> OnPostAsync()
    {
        var form = Read();
        if (form is null && May(Right.ManageKeys))
            return Page();
        if (!await FirstTimeAsync())
            return Redirect(To("/routes"));
        // Who may not is refused by the use case, whatever was typed.
        if (await SaveAsync(new SaveRoute(Caller, TenantId, form ?? new RouteForm("", []))) is not { } saved)
            return Refused ?? Page();
        Said = Saving(saved);
        return Redirect(To("/routes"));
    }
}
