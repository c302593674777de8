using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Operators;

/// <summary>Who has an account, and who still waits for the mail that verifies it?</summary>
public sealed class AccountsModel : OperatorListPage<AccountLine>
{
    protected override OperatorList<AccountLine> Ask() => new ListAccounts(Operator);

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
}
