using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Operators;

/// <summary>Who uses this installation, and how much?</summary>
public sealed class IndexModel : OperatorListPage<TenantLine>
{
    [BindProperty]
    public string? Confirm { get; set; }

    protected override OperatorList<TenantLine> Ask() => new ListTenants(Operator);

    public async Task<IActionResult> OnPostSuspendAsync()
    {
        ModelState.Clear();
        // The name stands in the form beside what is typed; a slip of the hand is what it guards against.
        if (string.IsNullOrWhiteSpace(Confirm) || Confirm.Trim() != Request.Form["Expected"].ToString())
        {
            ModelState.AddModelError("", "Nothing was done: type the tenant's name to confirm.");
            return await ShowAsync();
        }

        return await SetAsync(TenantStatus.Suspended, "Suspended: its keys are refused within a second, its people can read.");
    }

    public async Task<IActionResult> OnPostResumeAsync()
    {
        ModelState.Clear();
        return await SetAsync(TenantStatus.Active, "It goes on: its keys are accepted again.");
    }

    private async Task<IActionResult> SetAsync(TenantStatus status, string said)
    {
        if (!await FirstTimeAsync())
            return Redirect("/operator");
        if (await AskAsync(new SetTenantStatus(Operator, Target, status)) is null)
            return Refused ?? await ShowAsync();
        Said = said;
        return Redirect("/operator");
    }
}
