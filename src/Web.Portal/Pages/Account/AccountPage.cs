using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc.Filters;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Account;

/// <summary>A page of a person's own account: it needs no tenant, and has the user at hand.</summary>
public abstract class AccountPage : PortalPage
{
    public User Account { get; private set; } = null!;

    protected override bool NeedsTenant => false;

    protected UserManager<User> Users => HttpContext.RequestServices.GetRequiredService<UserManager<User>>();

    public override Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next) =>
        base.OnPageHandlerExecutionAsync(context, async () =>
        {
            Account = (await Users.FindByIdAsync(Me.UserId))!;
            return await next();
        });

    /// <summary>Shows what a use case refused, at its field or at the form's head.</summary>
    protected void Show(Refusal refusal)
    {
        if (refusal.Fields.Count == 0)
            ModelState.AddModelError("", refusal.Message);
        foreach (var field in refusal.Fields)
            ModelState.AddModelError(field.Field, field.Message);
    }
}
