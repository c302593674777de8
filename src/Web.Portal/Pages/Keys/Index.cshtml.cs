using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Keys;

/// <summary>Which keys are there, and which are used?</summary>
public sealed class IndexModel(IKeyUsage usage, TimeProvider time) : PortalPage
{
    private const int PageSize = 50;

    [BindProperty(SupportsGet = true, Name = "q")]
    public string? Search { get; set; }

    /// <summary><c>active</c>, <c>revoked</c>, <c>expired</c>, or <c>all</c>.</summary>
    [BindProperty(SupportsGet = true)]
    public string? Status { get; set; }

    [BindProperty(SupportsGet = true)]
    public string? Place { get; set; }

    /// <summary><c>newest</c>, <c>oldest</c>, <c>name</c>, <c>name_desc</c>.</summary>
    [BindProperty(SupportsGet = true)]
    public string? Sort { get; set; }

    [BindProperty(SupportsGet = true)]
    public string? After { get; set; }

    public KeyList List { get; private set; } = null!;

    public Places Places { get; private set; } = null!;

    /// <summary>Of the keys that are shown, in the last 24 hours.</summary>
    public IReadOnlyDictionary<string, KeyUse> Uses { get; private set; } = null!;

    public bool Filtered => !string.IsNullOrWhiteSpace(Search) || !string.IsNullOrEmpty(Place) || Status is "revoked" or "expired";

    public async Task<IActionResult> OnGetAsync()
    {
        var (team, project) = Places.Read(Place);
        var list = await AskAsync(new ListKeys(Caller, TenantId, Environment)
        {
            Search = Search,
            Status = Status switch { "all" => null, "revoked" => KeyStatus.Revoked, "expired" => KeyStatus.Expired, _ => KeyStatus.Active },
            TeamId = team,
            ProjectId = project,
            Order = Sort is "name" or "name_desc" ? KeyOrder.Name : KeyOrder.Created,
            Reversed = Sort is "oldest" or "name_desc",
            Limit = PageSize,
            After = After,
        });
        if (list is null)
            return Refused ?? Redirect(To("/keys"));
        if (await AskAsync(new ListTeams(Caller, TenantId, WithArchived: true)) is not { } teams)
            return Refused ?? NotFound();
        (List, Places) = (list, new Places(teams));
        Uses = await usage.SumAsync(TenantId, [.. list.Keys.Select(k => k.Id)], time.GetUtcNow().AddHours(-24), Cancel);
        return Page();
    }

    /// <summary>This list with one thing changed, from its first page on unless a place is named.</summary>
    public string With(string? sort = null, string? after = null)
    {
        var query = new QueryString();
        foreach (var (name, value) in new[] { ("q", Search), ("status", Status), ("place", Place), ("sort", sort ?? Sort), ("after", after) })
            if (!string.IsNullOrEmpty(value))
                query = query.Add(name, value);
        return To("/keys" + query);
    }
}
