using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Users;

namespace Tokonomics.Web.Portal.Pages.Account;

/// <summary>Which organization the pages show.</summary>
public sealed class TenantsModel(ISessions sessions) : AccountPage
{
    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync(string tenant)
    {
        if (!Me.Memberships.Any(m => m.TenantId == tenant))
            return NotFound(); // nobody learns which organizations there are
        await sessions.ShowAsync(Me.Session.Id, tenant, Cancel);
        return Redirect("/overview");
    }
}
