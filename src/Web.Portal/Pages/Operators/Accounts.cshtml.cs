using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Operators;

/// <summary>Who has an account, and who still waits for the mail that verifies it?</summary>
public sealed class AccountsModel : OperatorPage
{
    [BindProperty(SupportsGet = true, Name = "q")]
    public string? Search { get; set; }

    [BindProperty(SupportsGet = true)]
    public string? After { get; set; }

    [BindProperty]
    public string Target { get; set; } = "";

    public AccountPage List { get; private set; } = null!;

    public async Task<IActionResult> OnGetAsync() => await ShowAsync();

    public async Task<IActionResult> OnPostResendAsync()
    {
        ModelState.Clear();
        if (!await FirstTimeAsync())
            return Redirect("/operator/accounts");
        if (await AskAsync(new ResendVerification(Operator, Target)) is not { } sent)
            return Refused ?? await ShowAsync();
        Said = $"The link is on its way to {sent.Email}.";
        return Redirect("/operator/accounts");
    }

    private async Task<IActionResult> ShowAsync()
    {
        if (await AskAsync(new ListAccounts(Operator) { Search = Search, After = After }) is not { } list)
            return Refused ?? NotFound();
        List = list;
        return Page();
    }
}
