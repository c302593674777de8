using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Users;

/// <summary>The first step after verifying an address; also the way to a further organization.</summary>
public sealed class WelcomeModel(ISessions sessions) : PortalPage
{
    [BindProperty, Required(ErrorMessage = "Give it a name.")]
    public string Name { get; set; } = "";

    [BindProperty]
    public string TimeZone { get; set; } = "UTC";

    public IReadOnlyList<SelectListItem> Zones { get; } = TimeZones.All;

    protected override bool NeedsTenant => false;

    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (!ModelState.IsValid)
            return Page();
        if (!await FirstTimeAsync())
            return Redirect("/start");
        var outcome = await Mediator.Send(new OpenTenant(Me.UserId, Name.Trim(), TimeZone), Cancel);
        if (outcome.Refusal is { } refusal)
        {
            foreach (var field in refusal.Fields)
                ModelState.AddModelError(field.Field, field.Message);
            if (refusal.Fields.Count == 0)
                ModelState.AddModelError("", refusal.Message);
            return Page();
        }

        await sessions.ShowAsync(Me.Session.Id, outcome.Value.TenantId, Cancel);
        return Redirect("/start");
    }
}
