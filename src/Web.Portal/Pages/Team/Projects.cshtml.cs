using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Team;

/// <summary>How is spend divided: which teams and projects are there, and what belongs to each?</summary>
public sealed class ProjectsModel : PortalPage
{
    [BindProperty]
    public string Name { get; set; } = "";

    /// <summary>Empty for none.</summary>
    [BindProperty]
    public string? TeamId { get; set; }

    /// <summary>A team's or a project's id.</summary>
    [BindProperty]
    public string Target { get; set; } = "";

    [BindProperty(SupportsGet = true)]
    public bool Archived { get; set; }

    public TeamList List { get; private set; } = null!;

    public IReadOnlyList<SelectListItem> Teams => [new SelectListItem("no team", ""), .. List.Teams.Where(t => t.ArchivedAt is null).Select(t => new SelectListItem(t.Name, t.Id))];

    public async Task<IActionResult> OnGetAsync() => await ShowAsync();

    public Task<IActionResult> OnPostTeamAsync() => DoAsync(new CreateTeam(Caller, TenantId, Name?.Trim() ?? ""), $"Team {Name} is there: give it keys, projects and a budget.");

    public Task<IActionResult> OnPostProjectAsync() => DoAsync(new CreateProject(Caller, TenantId, Name?.Trim() ?? "", Team), $"Project {Name} is there: give it keys and a budget.");

    public Task<IActionResult> OnPostRenameAsync() => DoAsync(new RenameTeam(Caller, TenantId, Target, Name?.Trim() ?? ""), "Renamed; reports show the new name for earlier calls too.");

    public Task<IActionResult> OnPostChangeAsync() => DoAsync(new UpdateProject(Caller, TenantId, Target, Name?.Trim() ?? "", Team), "Saved.");

    public Task<IActionResult> OnPostArchiveAsync() => IsTeam
        ? DoAsync(new ArchiveTeam(Caller, TenantId, Target), "Archived. It stays for the names in reports.")
        : DoAsync(new ArchiveProject(Caller, TenantId, Target), "Archived. It stays for the names in reports.");

    public Task<IActionResult> OnPostRestoreAsync() => IsTeam ? DoAsync(new RestoreTeam(Caller, TenantId, Target), "Restored.") : DoAsync(new RestoreProject(Caller, TenantId, Target), "Restored.");

    private bool IsTeam => Target?.StartsWith("team_", StringComparison.Ordinal) == true;

    private string? Team => string.IsNullOrEmpty(TeamId) ? null : TeamId;

    private async Task<IActionResult> DoAsync<T>(IUseCase<T> change, string said)
        where T : class
    {
        ModelState.Clear();
        if (!await FirstTimeAsync())
            return Redirect(To("/team/projects"));
        if (await AskAsync(change) is null)
        {
            // A row's form has no place of its own for an error: it stands at the head.
            var errors = ModelState.Values.SelectMany(v => v.Errors).Select(e => e.ErrorMessage).ToList();
            ModelState.Clear();
            foreach (var error in errors)
                ModelState.AddModelError("", error);
            return Refused ?? await ShowAsync();
        }

        Said = said;
        return Redirect(To("/team/projects"));
    }

    private async Task<IActionResult> ShowAsync()
    {
        if (await AskAsync(new ListTeams(Caller, TenantId, Archived)) is not { } list)
            return Refused ?? NotFound();
        List = list;
        return Page();
    }
}
