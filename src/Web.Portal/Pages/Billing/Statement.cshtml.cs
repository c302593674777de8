using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Api;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Billing;

/// <summary>One customer's month, to be looked at, printed, or taken along.</summary>
public sealed class StatementModel : PortalPage
{
    [BindProperty(SupportsGet = true)]
    public string? Customer { get; set; }

    [BindProperty(SupportsGet = true)]
    public string? Month { get; set; }

    public StatementList List { get; private set; } = null!;

    public CustomerStatement Statement { get; private set; } = null!;

    public async Task<IActionResult> OnGetAsync() => await FindAsync() ?? Page();

    public async Task<IActionResult> OnGetCsvAsync() => await FindAsync() ?? CustomersModel.Table(List).File($"statement-{List.Month}.csv");

    public async Task<IActionResult> OnGetJsonAsync() => await FindAsync() ?? new JsonResult(StatementsApi.StatementsShape.Of(List), new System.Text.Json.JsonSerializerOptions { PropertyNamingPolicy = System.Text.Json.JsonNamingPolicy.SnakeCaseLower, WriteIndented = true });

    private async Task<IActionResult?> FindAsync()
    {
        if (!May(Right.ManageBilling))
            return StatusCode(403);
        if (string.IsNullOrEmpty(Customer))
            return Redirect(To("/billing/customers"));
        var month = string.IsNullOrEmpty(Month) ? null : StatementMonth.Parse(Month);
        if (!KeyTags.IsValue(Customer) || (month is null && !string.IsNullOrEmpty(Month)))
            return NotFound();
        var outcome = await Mediator.Send(new GetStatements(Caller, TenantId, month, Customer), Cancel);
        if (!outcome.Succeeded)
            return outcome.Refusal!.Code == "plan_exceeded" ? Redirect(To("/billing/customers")) : StatusCode(403);
        (List, Statement) = (outcome.Value, outcome.Value.Statements[0]);
        return null;
    }
}
