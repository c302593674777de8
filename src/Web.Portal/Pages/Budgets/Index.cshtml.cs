using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Budgets;

/// <summary>Which limits are there, and which are close?</summary>
public sealed class IndexModel(TimeProvider time) : PortalPage
{
    public IReadOnlyList<BudgetLine> Budgets { get; private set; } = null!;

    public DateTimeOffset Now { get; } = time.GetUtcNow();

    public BudgetNames Names { get; private set; } = null!;

    public async Task<IActionResult> OnGetAsync()
    {
        if (await AskAsync(new ListBudgets(Caller, TenantId) { WithForecasts = true }) is not { } list)
            return Refused ?? NotFound();
        // The fullest first: that is what somebody looks for here.
        Budgets = [.. list.Budgets.Where(b => b.Budget.Environment == Environment).OrderByDescending(Fullness).ThenBy(b => b.Budget.Id, StringComparer.Ordinal)];
        Names = await BudgetNames.FindAsync(Mediator, Caller, TenantId, Tenant.TenantName, Budgets.Select(b => b.Budget), Cancel);
        return Page();
    }

    private static decimal Fullness(BudgetLine line) => line.Accounts.Count == 0 ? 0 : line.Accounts.Max(a => a.Limit.Value == 0 ? 1 : (decimal)(a.Posted.Value + a.Leased.Value) / a.Limit.Value);

    public static string Does(Budget b) => b.Action switch
    {
        BudgetAction.Block => "refuses calls",
        BudgetAction.Downgrade => $"sends calls to {b.DowngradeTo}",
        _ => "alerts, stops nothing",
    };

    public static string Every(BudgetPeriod period) => period switch { BudgetPeriod.Day => "a day", BudgetPeriod.Week => "a week", BudgetPeriod.Month => "a month", _ => "in all" };
}
