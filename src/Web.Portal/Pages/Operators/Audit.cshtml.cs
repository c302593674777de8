using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Operators;

/// <summary>What was done to the installation, and to whom did it grant anything?</summary>
public sealed class AuditModel : OperatorPage
{
    [BindProperty(SupportsGet = true)]
    public long? Before { get; set; }

    public AuditPage Lines { get; private set; } = null!;

    public async Task<IActionResult> OnGetAsync()
    {
        if (await AskAsync(new ListAudit(Operator, AuditEntry.SystemTenant) { Before = Before }) is not { } page)
            return Refused ?? NotFound();
        Lines = page;
        return Page();
    }
}
