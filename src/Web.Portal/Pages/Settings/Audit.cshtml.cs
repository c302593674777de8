using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Web.Portal.Api;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Settings;

/// <summary>Who did what, when, and from where?</summary>
public sealed class AuditModel : PortalPage
{
    [BindProperty(SupportsGet = true)]
    public string? Actor { get; set; }

    [BindProperty(SupportsGet = true, Name = "what")]
    public string? Action { get; set; }

    [BindProperty(SupportsGet = true)]
    public string? Subject { get; set; }

    [BindProperty(SupportsGet = true)]
    public AuditResult? Result { get; set; }

    /// <summary>First and last day, in the tenant's zone.</summary>
    [BindProperty(SupportsGet = true)]
    public string? From { get; set; }

    [BindProperty(SupportsGet = true)]
    public string? Until { get; set; }

    [BindProperty(SupportsGet = true)]
    public long? Before { get; set; }

    public AuditPage Lines { get; private set; } = null!;

    public bool Filtered => Question is not { Actor: null, Action: null, Subject: null, Result: null, From: null, To: null };

    private ListAudit Question => new(Caller, TenantId)
    {
        Actor = Trim(Actor),
        Action = Trim(Action),
        Subject = Trim(Subject),
        Result = Result,
        From = DayOf(From)?.Start,
        To = DayOf(Until)?.End,
    };

    public async Task<IActionResult> OnGetAsync()
    {
        if (await AskAsync(Question with { Before = Before }) is not { } page)
            return Refused ?? Redirect(To("/settings/audit"));
        Lines = page;
        return Page();
    }

    /// <param name="format"><c>csv</c> or <c>json</c>.</param>
    public async Task<IActionResult> OnGetExportAsync(string format = "csv")
    {
        var question = Question with { Limit = 1000 };
        if (await AskAsync(question) is not { } first)
            return Refused ?? BadRequest();
        await AuditApi.WriteAsync(HttpContext, AuditApi.Lines(Mediator, question, first, Cancel), format != "json");
        return new EmptyResult();
    }

    public string With(long? before = null, string? export = null)
    {
        var query = new QueryString();
        foreach (var (name, value) in new[] { ("actor", Actor), ("what", Action), ("subject", Subject), ("result", Result?.ToString()), ("from", From), ("until", Until), ("before", before?.ToString(CultureInfo.InvariantCulture)) })
            if (!string.IsNullOrEmpty(value))
                query = query.Add(name, value);
        if (export is not null)
            query = query.Add("handler", "Export").Add("format", export);
        return To("/settings/audit" + query);
    }

    private PeriodWindow? DayOf(string? date) => Frame.Lines.EndOfDay(date, Zone) is { } end ? BudgetPeriods.Containing(BudgetPeriod.Day, Zone, end.AddTicks(-10), default) : null;

    private static string? Trim(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
}
