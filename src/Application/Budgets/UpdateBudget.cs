using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Budgets;

/// <summary>
/// Sets all terms of a budget. This process admits by the new limit before the answer is given, others within a second. What is out already
/// when a limit is lowered is spent to its end; nothing new is admitted above the new one.
/// </summary>
public sealed record UpdateBudget(Caller Caller, string TenantId, string BudgetId, BudgetTerms Terms) : IUseCase<BudgetMade>, IChange
{
    public Right Needs => Right.ManageBudgets;

    public string AuditDetail => BudgetRules.Describe(Terms);
}

internal sealed class UpdateBudgetRules : AbstractValidator<UpdateBudget>
{
    public UpdateBudgetRules(TimeProvider time) => RuleFor(b => b.Terms).SetValidator(new BudgetRules(time));
}

internal sealed class UpdateBudgetHandler(TokonomicsDbContext db, RouteChecks routes) : IRequestHandler<UpdateBudget, Outcome<BudgetMade>>
{
    public async Task<Outcome<BudgetMade>> Handle(UpdateBudget request, CancellationToken cancellationToken)
    {
        var row = await db.Budgets.FirstOrDefaultAsync(b => b.TenantId == request.TenantId && b.Id == request.BudgetId && b.EndedAt == null, cancellationToken);
        if (row is null)
            return Refusal.NotFound("budget");
        if (await routes.DowngradeProblemAsync(request.TenantId, request.Terms.DowngradeTo, cancellationToken) is { } nowhere)
            return nowhere;
        row.Set(request.Terms);
        return new BudgetMade(row.Id);
    }
}

/// <summary>Takes a limit away. What it counted stays in the store.</summary>
public sealed record DeleteBudget(Caller Caller, string TenantId, string BudgetId) : IUseCase<BudgetMade>, IChange
{
    public Right Needs => Right.ManageBudgets;

    public string AuditDetail => "";
}

internal sealed class DeleteBudgetHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<DeleteBudget, Outcome<BudgetMade>>
{
    public async Task<Outcome<BudgetMade>> Handle(DeleteBudget request, CancellationToken cancellationToken)
    {
        var row = await db.Budgets.FirstOrDefaultAsync(b => b.TenantId == request.TenantId && b.Id == request.BudgetId && b.EndedAt == null, cancellationToken);
        if (row is null)
            return Refusal.NotFound("budget");
        row.EndedAt = time.GetUtcNow();
        return new BudgetMade(row.Id);
    }
}
