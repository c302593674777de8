using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Operators;

/// <summary>Is the installation well?</summary>
public sealed class SystemModel : OperatorPage
{
    public OperationState State { get; private set; } = null!;

    public async Task<IActionResult> OnGetAsync()
    {
        if (await AskAsync(new GetOperation(Operator)) is not { } state)
            return Refused ?? NotFound();
        State = state;
        return Page();
    }

    public string Verdict
    {
        get
        {
            var broken = State.Invariants.Count(i => i.Findings > 0);
            var silent = State.Nodes.Count(n => n.IsSilent);
            var old = State.Sheets.Where(s => s.IsOld).Select(s => s.Provider).ToList();
            return (State.Invariants.Count == 0 ? "The ledger has not been checked yet: the workers do it every hour, and 'tokonomics verify' at once."
                    : broken == 0 ? $"All {State.Invariants.Count} invariants of the ledger held when they were last checked." : $"{broken} of {State.Invariants.Count} invariants of the ledger don't hold.")
                + (silent == 0 ? "" : silent == 1 ? " One proxy is silent." : $" {silent} proxies are silent.")
                + (old.Count == 0 ? "" : $" Nobody has compared {(old.Count == 1 ? "the price sheet" : $"{old.Count} price sheets")} with {(old.Count == 1 ? "its" : "their")} sources for more than {PriceSheetCheck.OldAfterDays} days: {string.Join(", ", old)}.");
        }
    }
}
