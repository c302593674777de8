using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Budgets;

/// <summary>One budget: how it stands, what it did in earlier periods, and what can be changed.</summary>
[ProveIdentity(Handlers = ["Increase", "Delete"])]
public sealed class BudgetModel(TimeProvider time) : BudgetFormPage
{
    [FromRoute(Name = "id")]
    public string Id { get; set; } = "";

    [BindProperty]
    public string? MoreAmount { get; set; }

    /// <summary>The last day of the increase.</summary>
    [BindProperty]
    public string? MoreUntil { get; set; }

    [BindProperty]
    public string? Confirm { get; set; }

    [BindProperty(SupportsGet = true)]
    public string? After { get; set; }

    public BudgetLine Line { get; private set; } = null!;

    public Budget Budget => Line.Budget;

    public DateTimeOffset Now { get; } = time.GetUtcNow();

    public string Called { get; private set; } = "";

    public BudgetPeriodPage History { get; private set; } = null!;

    public override bool IsNew => false;

    public bool Increased => Budget.Increase is { } more && more.Until > time.GetUtcNow();

    public async Task<IActionResult> OnGetAsync()
    {
        if (await FindAsync() is { } refused)
            return refused;
        Form = BudgetForm.Of(Budget);
        return Page();
    }

    public async Task<IActionResult> OnPostWhatIfAsync()
    {
        if (await FindAsync() is { } refused)
            return refused;
        if (ReadTerms(null) is { } terms)
            WhatIf = await AskAsync(new WhatIfBudget(Caller, TenantId, Budget.Scope, Budget.Period, terms.Limit, Budget.Environment));
        return Page();
    }

    public async Task<IActionResult> OnPostSaveAsync()
    {
        if (await FindAsync() is { } refused)
            return refused;
        var terms = ReadTerms(Increased ? Budget.Increase : null);
        if (terms is null && May(Right.ManageBudgets))
            return Page();
        if (terms is not null && terms.Limit > Budget.Limit && ProveFirst() is { } prove)
            return prove;
        return await UpdateAsync(terms ?? Terms(null), "Saved. Every proxy knows within a second.") ?? Page();
    }

    public async Task<IActionResult> OnPostIncreaseAsync()
    {
        if (await OneFormAsync() is { } refused)
            return refused;
        var (amount, until) = (ReadAmount(MoreAmount), Lines.EndOfDay(MoreUntil, Zone));
        if (amount is null)
            ModelState.AddModelError("MoreAmount", "Write an amount in dollars, such as 100.");
        if (until is null || until <= time.GetUtcNow())
            ModelState.AddModelError("MoreUntil", "Choose a day that isn't over.");
        if (!ModelState.IsValid && May(Right.ManageBudgets))
            return Page();
        return await UpdateAsync(Terms(new TemporaryIncrease(amount ?? default, until ?? default)), $"{Figures.Money(amount)} more until the end of {MoreUntil}.") ?? Page();
    }

    public async Task<IActionResult> OnPostEndIncreaseAsync() => await OneFormAsync() ?? await UpdateAsync(Terms(null), "The increase has ended: the plain cap holds again.") ?? Page();

    public async Task<IActionResult> OnPostDeleteAsync()
    {
        if (await OneFormAsync() is { } refused)
            return refused;
        if (May(Right.ManageBudgets) && Confirm?.Trim() != Called)
        {
            ModelState.AddModelError("Confirm", $"Type it as it is: {Called}");
            return Page();
        }

        if (!await FirstTimeAsync())
            return Redirect(To("/budgets"));
        if (await AskAsync(new DeleteBudget(Caller, TenantId, Id)) is null)
            return Refused ?? Page();
        Said = "The budget is deleted. What it counted stays in the ledger.";
        return Redirect(To("/budgets"));
    }

    private BudgetTerms Terms(TemporaryIncrease? increase) => new()
    {
        Limit = Budget.Limit,
        Action = Budget.Action,
        DowngradeTo = Budget.DowngradeTo,
        Mode = Budget.Mode,
        Clamp = Budget.Clamp,
        Wait = Budget.Wait,
        FailOpen = Budget.FailOpen,
        Increase = increase,
        Thresholds = Budget.Thresholds,
    };

    private async Task<IActionResult?> UpdateAsync(BudgetTerms terms, string said)
    {
        if (!await FirstTimeAsync())
            return Redirect(To($"/budgets/{Id}"));
        if (await AskAsync(new UpdateBudget(Caller, TenantId, Id, terms)) is null)
            return Refused;
        Said = said;
        return Redirect(To($"/budgets/{Id}"));
    }

    // A form that has none of the terms: they are as they stand.
    private async Task<IActionResult?> OneFormAsync()
    {
        ModelState.Clear();
        if (await FindAsync() is { } refused)
            return refused;
        Form = BudgetForm.Of(Budget);
        return null;
    }

    private async Task<IActionResult?> FindAsync()
    {
        if (await AskAsync(new ListBudgets(Caller, TenantId, Id) { WithForecasts = true }) is not { } list || await AskAsync(new ListBudgetPeriods(Caller, TenantId, Id) { Limit = 24, After = After }) is not { } history)
            return Refused ?? NotFound();
        (Line, History) = (list.Budgets[0], history);
        Called = (await BudgetNames.FindAsync(Mediator, Caller, TenantId, Tenant.TenantName, [Budget], Cancel)).Of(Budget);
        return null;
    }
}
