using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>A page of those who run the installation (<c>Portal:Operators</c>). For everybody else it isn't there.</summary>
public abstract class OperatorPage : PortalPage
{
    protected override bool NeedsTenant => false;

    public Caller Operator => Me.Operator!;

    [NonHandler]
    public override Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next) =>
        base.OnPageHandlerExecutionAsync(context, async () =>
        {
            if (Me.Operator is not null)
                return await next();
            // Who is one and has shown one factor only is told what is missing; for all others there is nothing here.
            if (Me.IsOperator)
                Said = "The operator's area asks for two factors: set up a passkey or one-time codes, and sign in with them.";
            context.Result = Me.IsOperator ? new RedirectResult("/account/security") : new NotFoundResult();
            return new PageHandlerExecutedContext(PageContext, context.Filters, context.HandlerMethod, context.HandlerInstance) { Canceled = true };
        });
}
