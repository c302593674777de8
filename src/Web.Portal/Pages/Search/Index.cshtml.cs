using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Search;

/// <summary>Where something leads to.</summary>
/// <param name="More">What tells it from others of the same name.</param>
public sealed record Hit(string Path, string Name, string More = "");

/// <summary>Everything that can be gone to: pages, keys, budgets, routes, teams, projects, a call. A page of its own, and the part of it that the palette shows.</summary>
public sealed class IndexModel : PortalPage
{
    // What a page is for besides its name: words that people look for it with.
    private static readonly (string Path, string Name, string Words, Right? Needs)[] Pages =
    [
        ("/overview", "Overview", "dashboard home month forecast spend", Right.ReadUsage),
        ("/explore", "Explore", "spend usage cost chart analytics model feature customer", Right.ReadUsage),
        ("/calls", "Calls", "requests log events usage csv", Right.ReadUsage),
        ("/keys", "Keys", "metering api key", Right.ReadKeys),
        ("/keys/new", "New key", "make create api key", Right.ManageKeys),
        ("/start", "Your first call", "snippet example curl python node start onboarding", Right.ManageKeys),
        ("/budgets", "Budgets", "cap limit alert", Right.ReadUsage),
        ("/budgets/new", "New budget", "set create cap limit", Right.ManageBudgets),
        ("/routes", "Routes", "routing model fallback failover retry weighted cheapest fastest", Right.ReadKeys),
        ("/routes/new", "New route", "make create routing model fallback", Right.ManageKeys),
        ("/routes/savings", "Savings", "quality group cheaper model candidate threshold holdout samples labels shadow routing", Right.ReadUsage),
        ("/alerts", "Alerts", "notifications threshold exhausted overrun", Right.ReadUsage),
        ("/alerts/rules", "Alert rules", "mute snooze quiet hours night weekend sensitivity spike burn floor ratio", Right.ReadUsage),
        ("/alerts/channels", "Alert channels", "slack mail email webhook teams discord pagerduty notify", Right.ReadKeys),
        ("/providers", "Providers", "credentials provider key openai anthropic gemini endpoint", Right.ReadKeys),
        ("/team", "Members", "team people invite role", Right.ManageTeams),
        ("/team/projects", "Teams and projects", "group", Right.ReadUsage),
        ("/billing", "Billing", "plan quota upgrade invoice payment", Right.ReadUsage),
        ("/billing/customers", "Your customers", "statement markup rebilling", Right.ManageBilling),
        ("/billing/meter", "Stripe meter", "report usage stripe customers metered billing", Right.ManageBilling),
        ("/settings", "Settings", "organization name time zone retention rate limits", Right.ReadUsage),
        ("/settings/prices", "Prices", "override rate model cost", Right.ReadUsage),
        ("/settings/tokens", "API tokens", "management api programs", Right.ManageCredentials),
        ("/settings/audit", "Audit log", "who did what history", Right.ReadAudit),
        ("/settings/data", "Data", "export download delete organization", Right.ManageTenant),
        ("/account", "Account", "profile my name", null),
        ("/account/security", "Security", "password passkey one-time codes totp two factor", null),
        ("/account/password", "Change password", "", null),
        ("/account/sessions", "Sessions", "browsers devices signed in", null),
        ("/account/tenants", "Switch organization", "tenant", null),
        ("/logout", "Sign out", "log out", null),
    ];

    private static readonly (string Path, string Name, string Words)[] OperatorPages = [("/operator", "Tenants", "operator suspend"), ("/operator/accounts", "Accounts", "operator people verification mail"), ("/operator/system", "System", "operator nodes health price sheets"), ("/operator/jobs", "Jobs", "operator workers schedule failing"), ("/operator/audit", "Operator's audit log", "")];

    [BindProperty(SupportsGet = true, Name = "q")]
    public string? Text { get; set; }

    /// <summary>As a part of the palette: options of a list, which the keyboard chooses from.</summary>
    public bool InPalette { get; private set; }

    /// <summary>By kind, each with something in it.</summary>
    public IReadOnlyList<(string Kind, IReadOnlyList<Hit> Hits)> Found { get; private set; } = [];

    public int Count => Found.Sum(f => f.Hits.Count);

    public async Task<IActionResult> OnGetAsync() => await FindAsync() ?? Page();

    /// <summary>What the palette shows below its field.</summary>
    public async Task<IActionResult> OnGetHitsAsync()
    {
        InPalette = true;
        return await FindAsync() ?? Partial("_Hits", this);
    }

    private async Task<IActionResult?> FindAsync()
    {
        var text = Text?.Trim() ?? "";
        if (text.Length > 200)
            text = text[..200];
        if (await AskAsync(new Application.Tenants.Search(Caller, TenantId, text)) is not { } hits)
            return Refused ?? NotFound();
        var names = await BudgetNames.FindAsync(Mediator, Caller, TenantId, Tenant.TenantName, hits.Budgets, Cancel);
        IReadOnlyList<(string Kind, IReadOnlyList<Hit> Hits)> found =
        [
            ("Pages", [.. PagesLike(text)]),
            ("Keys", [.. hits.Keys.Select(k => new Hit(In(k.Environment, $"/keys/{k.Id}"), k.Name, $"{k.Masked}{(k.Status == KeyStatus.Active ? "" : $", {Lines.Say(k.Status)}")}"))]),
            ("Budgets", [.. hits.Budgets.Select(b => new Hit(In(b.Environment, $"/budgets/{b.Id}"), names.Of(b), $"{Figures.Money(b.Limit).Text} {Budgets.IndexModel.Every(b.Period)}{(b.Environment == KeyEnvironment.Test ? ", test" : "")}"))]),
            ("Routes", [.. hits.Routes.Select(r => new Hit(To($"/routes/{r.Id}"), r.Name))]),
            ("Teams", [.. hits.Teams.Select(t => new Hit(To($"/explore?team={t.Id}"), t.Name))]),
            ("Projects", [.. hits.Projects.Select(p => new Hit(To($"/explore?project={p.Id}"), p.Name))]),
            ("Calls", [.. hits.Calls.Select(c => new Hit(In(c.Environment, $"/calls/{c.RequestId}"), c.RequestId, c.ResponseModel ?? c.RequestModel ?? c.Provider))]),
        ];
        Found = [.. found.Where(f => f.Hits.Count > 0)];
        return null;
    }

    private IEnumerable<Hit> PagesLike(string text)
    {
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var pages = Pages.Where(p => p.Needs is not { } right || May(right)).Select(p => (p.Path, p.Name, p.Words))
            .Concat(Me.IsOperator ? OperatorPages : [])
            .Where(p => words.All(w => p.Name.Contains(w, StringComparison.OrdinalIgnoreCase) || p.Words.Contains(w, StringComparison.OrdinalIgnoreCase)));
        // A page that is called so before one that is only about it.
        return pages.OrderBy(p => text.Length == 0 ? 0 : p.Name.StartsWith(text, StringComparison.OrdinalIgnoreCase) ? 0 : p.Name.Contains(text, StringComparison.OrdinalIgnoreCase) ? 1 : 2)
            .Take(text.Length == 0 ? int.MaxValue : Application.Tenants.Search.Most)
            .Select(p => new Hit(p.Path.StartsWith("/account", StringComparison.Ordinal) || p.Path is "/logout" or "/start" || p.Path.StartsWith("/operator", StringComparison.Ordinal) ? p.Path : To(p.Path), p.Name));
    }

    private static string In(KeyEnvironment environment, string path) => environment == KeyEnvironment.Test ? path + "?env=test" : path;
}
