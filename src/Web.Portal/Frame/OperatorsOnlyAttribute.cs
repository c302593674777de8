using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Tokonomics.Application.Users;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>
/// On a <see cref="PortalPage"/> of the operator's area: for others there is no such page. An operator who has shown one factor only is asked for the
/// second one, or led to set one up; behind it <c>Me.Operator</c> is never null.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class OperatorsOnlyAttribute : Attribute, IAsyncPageFilter
{
    public Task OnPageHandlerSelectionAsync(PageHandlerSelectedContext context) => Task.CompletedTask;

    public async Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next)
    {
        if (context.HandlerInstance is not PortalPage { Me: { IsOperator: true } me })
        {
            context.Result = new NotFoundResult();
            return;
        }

        if (me.Operator is not null)
        {
            await next();
            return;
        }

        var users = context.HttpContext.RequestServices.GetRequiredService<UserManager<User>>();
        var user = (await users.FindByIdAsync(me.UserId))!;
        var has = user.TwoFactorEnabled || (await users.GetPasskeysAsync(user)).Count > 0;
        context.Result = new RedirectResult(has ? $"/prove?second=1&returnUrl={Uri.EscapeDataString(context.HttpContext.Request.Path)}" : "/account/security?operator=1");
    }
}
