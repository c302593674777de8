using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Budgets;

/// <summary>Sets a limit, having shown what it would have done last month.</summary>
public sealed class NewModel : BudgetFormPage
{
    private Places _places = null!;

    public override bool IsNew => true;

    public override IReadOnlyList<SelectListItem> Scopes =>
    [
        new SelectListItem($"All of {Tenant.TenantName}", "tenant"), .. _places.Choices("").Skip(1), new SelectListItem("One key", "key"), new SelectListItem("One value of a tag", "tag"), new SelectListItem("Each value of a tag, by itself", "each"),
    ];

    public async Task<IActionResult> OnGetAsync(string? key, string? team, string? project)
    {
        if (await FindAsync() is { } refused)
            return refused;
        if (key is not null)
            (Form.Scope, Form.KeyId) = ("key", key);
        else if (team is not null || project is not null)
            Form.Scope = Places.Write(team, project);
        return Page();
    }

    /// <summary>Changes nothing: the form is shown again with the answer.</summary>
    public async Task<IActionResult> OnPostWhatIfAsync()
    {
        if (await FindAsync() is { } refused)
            return refused;
        if (ReadScope() is { } scope && ReadTerms(null) is { } terms)
        {
            WhatIf = await AskAsync(new WhatIfBudget(Caller, TenantId, scope, Form.Period, terms.Limit, Environment));
            if (WhatIf is null && Refused is { } gone)
                return gone;
        }

        return Page();
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (await FindAsync() is { } refused)
            return refused;
        var (scope, terms) = (ReadScope(), ReadTerms(null));
        if (May(Right.ManageBudgets) && (scope is null || terms is null))
            return Page();
        if (!await FirstTimeAsync())
            return Redirect(To("/budgets"));
        // Who may not is refused by the use case, whatever was typed.
        if (await AskAsync(new CreateBudget(Caller, TenantId, scope ?? BudgetScope.Tenant, Form.Period, terms ?? new BudgetTerms { Limit = default }, Environment)) is not { } made)
            return Refused is NotFoundResult ? NothingThere() : Refused ?? Page();
        Said = "The budget holds: every proxy knows within a second.";
        return Redirect(To($"/budgets/{made.Id}"));
    }

    private PageResult NothingThere()
    {
        if (Form.Scope == "key")
            ModelState.AddModelError("Form.KeyId", "There is no such key.");
        return Page();
    }

    private BudgetScope? ReadScope()
    {
        var (team, project) = Places.Read(Form.Scope);
        var name = KeyTags.NormalName(Form.TagName?.Trim());
        switch (Form.Scope)
        {
            case "tenant":
                return BudgetScope.Tenant;
            case "key" when !string.IsNullOrWhiteSpace(Form.KeyId):
                return BudgetScope.Key(Form.KeyId.Trim());
            case "key":
                ModelState.AddModelError("Form.KeyId", "Say which key.");
                return null;
            case "tag" or "each" when name is null:
                ModelState.AddModelError("Form.TagName", "A tag's name is a letter followed by letters, digits, '_', '.' or '-'.");
                return null;
            case "tag" when string.IsNullOrWhiteSpace(Form.TagValue):
                ModelState.AddModelError("Form.TagValue", "Say which value.");
                return null;
            case "tag":
                return BudgetScope.Tag(name!, Form.TagValue!.Trim());
            case "each":
                return BudgetScope.Tag(name!, null);
        }

        if (team is not null || project is not null)
            return project is not null ? BudgetScope.Project(project) : BudgetScope.Team(team!);
        ModelState.AddModelError("Form.Scope", "Choose whose calls it counts.");
        return null;
    }

    private async Task<IActionResult?> FindAsync()
    {
        if (await AskAsync(new ListTeams(Caller, TenantId)) is not { } teams)
            return Refused ?? NotFound();
        _places = new Places(teams);
        return null;
    }
}
