using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Pages.Account;

/// <summary>Who one is.</summary>
public sealed class IndexModel(AccountLog log) : AccountPage
{
    [BindProperty, StringLength(100, ErrorMessage = "Use at most 100 characters.")]
    public string? Name { get; set; }

    public void OnGet() => Name = Account.Name;

    public async Task<IActionResult> OnPostAsync()
    {
        Name = (Name ?? "").Trim();
        if (Name.Any(char.IsControl))
            ModelState.AddModelError(nameof(Name), "Leave control characters out of it.");
        if (!ModelState.IsValid)
            return Page();
        Account.Name = Name;
        await Users.UpdateAsync(Account);
        await log.WriteAsync(Account, "change_name", AuditResult.Done, HttpContext.From(), "", Cancel);
        Said = "Your name is saved.";
        return Redirect("/account");
    }
}
