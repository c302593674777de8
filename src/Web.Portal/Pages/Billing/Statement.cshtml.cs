using Microsoft.AspNetCore.Mvc;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Keys;
using Tokonomics.Web.Portal.Api;

namespace Tokonomics.Web.Portal.Pages.Billing;

/// <summary>One customer's month, to be looked at, printed, or taken along.</summary>
public sealed class StatementModel : StatementPage
{
    [BindProperty(SupportsGet = true)]
    public string? Customer { get; set; }

    public CustomerStatement Statement { get; private set; } = null!;

    public async Task<IActionResult> OnGetAsync() => await FindAsync() ?? Page();

    public async Task<IActionResult> OnGetCsvAsync() => await FindAsync() ?? CustomersModel.Table(List).File($"statement-{List.Month}.csv");

    public async Task<IActionResult> OnGetJsonAsync() => await FindAsync() ?? new JsonResult(StatementsApi.StatementsShape.Of(List), new System.Text.Json.JsonSerializerOptions { PropertyNamingPolicy = System.Text.Json.JsonNamingPolicy.SnakeCaseLower, WriteIndented = true });

    private async Task<IActionResult?> FindAsync()
    {
        if (string.IsNullOrEmpty(Customer))
            return Redirect(To("/billing/customers"));
        if (!KeyTags.IsValue(Customer))
            return NotFound();
        if (await FindAsync(Customer) is { } instead)
            return instead;
        if (Lacks is not null)
            return Redirect(To("/billing/customers"));
        Statement = List.Statements[0];
        return null;
    }
}
