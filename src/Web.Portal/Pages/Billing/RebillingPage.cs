using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Billing;

/// <summary>A page about the tenant's own customers, which not every plan has, nor everybody may see.</summary>
public abstract class RebillingPage : PortalPage
{
    /// <summary>The plan has no statements: this says so.</summary>
    public string? Lacks { get; private set; }

    /// <returns>What was found. Where nothing was, what to answer instead; where that is null too, <see cref="Lacks"/> says why.</returns>
    protected async Task<(T? Found, IActionResult? Instead)> ReadAsync<T>(IUseCase<T> question)
        where T : class
    {
        if (!May(Right.ManageBilling))
            return (null, StatusCode(403));
        var outcome = await Mediator.Send(question, Cancel);
        if (outcome.Succeeded)
            return (outcome.Value, null);
        if (outcome.Refusal!.Code != "plan_exceeded")
            return (null, StatusCode(403));
        Lacks = outcome.Refusal.Message;
        return (null, null);
    }
}

/// <summary>A page of a month's statements.</summary>
public abstract class StatementPage : RebillingPage
{
    /// <summary>The month that is shown: <c>2026-11</c>; empty for the one that runs.</summary>
    [BindProperty(SupportsGet = true)]
    public string? Month { get; set; }

    public StatementList List { get; private set; } = null!;

    /// <param name="customer">Null for all.</param>
    /// <returns>What to answer instead of the page; null where <see cref="List"/>, or why there is none, can be shown.</returns>
    protected async Task<IActionResult?> FindAsync(string? customer)
    {
        var month = StatementMonth.Parse(Month);
        if (month is null && !string.IsNullOrEmpty(Month))
            return NotFound();
        var (found, instead) = await ReadAsync(new GetStatements(Caller, TenantId, month, customer));
        List = found!;
        return instead;
    }
}
