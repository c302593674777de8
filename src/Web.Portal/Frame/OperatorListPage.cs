using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>A list over the whole installation that is searched and turned page by page.</summary>
public abstract class OperatorListPage<TLine> : OperatorPage
{
    [BindProperty(SupportsGet = true, Name = "q")]
    public string? Search { get; set; }

    [BindProperty(SupportsGet = true)]
    public string? After { get; set; }

    /// <summary>Of the line that a form is about.</summary>
    [BindProperty]
    public string Target { get; set; } = "";

    public ListPage<TLine> List { get; private set; } = null!;

    /// <summary>The ways to other pages of the list.</summary>
    public ListTurns Turns => new(Request.Path, Search, After is not null, List.Next);

    protected abstract OperatorList<TLine> Ask();

    public async Task<IActionResult> OnGetAsync() => await ShowAsync();

    protected async Task<IActionResult> ShowAsync()
    {
        if (await AskAsync(Ask() with { Search = Search, After = After }) is not { } list)
            return Refused ?? NotFound();
        List = list;
        return Page();
    }
}

/// <param name="Next">Null on the last page.</param>
public sealed record ListTurns(string Path, string? Search, bool IsLater, string? Next);
