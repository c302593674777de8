using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Budgets;

/// <summary>
/// Sets a limit. What the scope spent in the running period already counts; a total counts from now on. A budget for one value of a tag takes the
/// place of one for each value of the same period.
/// </summary>
/// <param name="Environment">A key's budget counts in the key's environment, whatever is said here.</param>
public sealed record CreateBudget(Caller Caller, string TenantId, BudgetScope Scope, BudgetPeriod Period, BudgetTerms Terms, KeyEnvironment Environment = KeyEnvironment.Live)
    : IUseCase<BudgetMade>, IChange
{
    public Right Needs => Right.ManageBudgets;

    public string AuditDetail => $"{Scope}; {Period} ({Environment}); {BudgetRules.Describe(Terms)}";
}

public sealed record BudgetMade(string Id) : IAuditSubject
{
    public string AuditSubject => Id;
}

internal sealed class CreateBudgetRules : AbstractValidator<CreateBudget>
{
    public CreateBudgetRules(TimeProvider time)
    {
        RuleFor(b => b.Period).IsInEnum();
        RuleFor(b => b.Environment).IsInEnum();
        RuleFor(b => b.Scope).Must(s => s.Kind != BudgetScopeKind.Tag || (KeyTags.NormalName(s.Name) == s.Name && (s.Value is null || KeyTags.IsValue(s.Value))))
            .WithMessage("A tag's name is a small letter followed by small letters, digits, '_', '.' or '-'; its value 1 to 256 printable characters.");
        RuleFor(b => b.Scope).Must(s => !s.CountsCalls).WithMessage("Calls are counted by the plan's quota: a budget counts money.");
        RuleFor(b => b.Terms).SetValidator(new BudgetRules(time));
    }
}

/// <summary>The rules of the terms, for a new budget and a changed one alike.</summary>
internal sealed class BudgetRules : AbstractValidator<BudgetTerms>
{
    public static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    public BudgetRules(TimeProvider time)
    {
        RuleFor(t => t.Limit).Must(l => l >= NanoUsd.Zero && l <= Budget.MaxLimit).WithMessage($"The limit is 0 to {Budget.MaxLimit} USD.").OverridePropertyName("limit_usd");
        RuleFor(t => t.Action).IsInEnum().OverridePropertyName("action");
        RuleFor(t => t.Mode).IsInEnum().OverridePropertyName("mode");
        RuleFor(t => t.DowngradeTo).Must((t, model) => t.Action == BudgetAction.Downgrade ? model is { Length: >= 1 and <= 200 } && !model.Any(char.IsControl) : model is null)
            .WithMessage("Name the model to downgrade to where the action is downgrade, and only there.").OverridePropertyName("downgrade_to");
        RuleFor(t => t.Wait).Must(w => w >= TimeSpan.Zero && w <= LongestWait).WithMessage("The wait is 0 to 60 seconds.").OverridePropertyName("wait_seconds");
        RuleFor(t => t.Thresholds).Must(t => t.Count <= 10 && t.All(p => p is >= 1 and <= 1000) && t.Distinct().Count() == t.Count)
            .WithMessage("At most ten thresholds, each once, 1 to 1000 percent.").OverridePropertyName("thresholds");
        RuleFor(t => t.Increase).Must(i => i is null || (i.Amount > NanoUsd.Zero && i.Amount <= Budget.MaxLimit && i.Until > time.GetUtcNow()))
            .WithMessage("An increase is above zero and ends in the future.").OverridePropertyName("increase");
    }

    public static string Describe(BudgetTerms t) =>
        $"limit {t.Limit} USD, {t.Action}{(t.DowngradeTo is null ? "" : " to " + t.DowngradeTo)}, {t.Mode}{(t.Clamp ? ", clamp" : "")}{(t.FailOpen ? ", fail open" : "")}, wait {t.Wait.TotalSeconds} s, "
        + $"alerts at {string.Join('/', t.Thresholds)} %{(t.Increase is { } more ? $", {more.Amount} USD more until {more.Until.UtcDateTime:O}" : "")}";
}

internal sealed class CreateBudgetHandler(TokonomicsDbContext db, PlansInForce plans, RouteChecks routes, TimeProvider time) : IRequestHandler<CreateBudget, Outcome<BudgetMade>>
{
    private const int MaxBudgets = 10_000;

    public async Task<Outcome<BudgetMade>> Handle(CreateBudget request, CancellationToken cancellationToken)
    {
        var (scope, environment) = (request.Scope, request.Environment);
        if (scope.Kind != BudgetScopeKind.Tenant && await plans.LacksAsync(request.TenantId, PlanFeatures.ScopedCaps, "budgets for teams, projects, keys or tags", cancellationToken) is { } lacks)
            return lacks;
        switch (scope.Kind)
        {
            case BudgetScopeKind.Team when !await db.Teams.AnyAsync(t => t.TenantId == request.TenantId && t.Id == scope.Value, cancellationToken):
                return Refusal.NotFound("team");
            case BudgetScopeKind.Project when !await db.Projects.AnyAsync(p => p.TenantId == request.TenantId && p.Id == scope.Value, cancellationToken):
                return Refusal.NotFound("project");
            case BudgetScopeKind.Key:
                var key = await db.Keys.AsNoTracking().FirstOrDefaultAsync(k => k.TenantId == request.TenantId && k.Id == scope.Value, cancellationToken);
                if (key is null)
                    return Refusal.NotFound("key");
                environment = key.Environment;
                break;
        }

        if (await routes.DowngradeProblemAsync(request.TenantId, request.Terms.DowngradeTo, cancellationToken) is { } nowhere)
            return nowhere;
        if (await db.Budgets.CountAsync(b => b.TenantId == request.TenantId && b.EndedAt == null, cancellationToken) >= MaxBudgets)
            return new Refusal(RefusalKind.Conflict, "too_many_budgets", $"A tenant has {MaxBudgets} budgets at most. One budget for each value of a tag serves any number of customers.");
        var text = StoredBudget.ScopeText(scope);
        var value = scope.Value ?? "";
        if (await db.Budgets.AnyAsync(b => b.TenantId == request.TenantId && b.EndedAt == null && b.Scope == text && b.ScopeName == scope.Name && b.ScopeValue == value && b.Environment == environment && b.Period == request.Period, cancellationToken))
            return new Refusal(RefusalKind.Conflict, "budget_exists", "This scope has a budget for this period already: change that one.");
        var now = time.GetUtcNow();
        var row = new StoredBudget
        {
            TenantId = request.TenantId,
            Id = SortableId.New("bud", now),
            Scope = text,
            ScopeName = scope.Name,
            ScopeValue = value,
            Environment = environment,
            Period = request.Period,
            Thresholds = "",
            CreatedAt = now,
            CreatedBy = request.Caller.Actor,
        };
        row.Set(request.Terms);
        db.Budgets.Add(row);
        return new BudgetMade(row.Id);
    }
}
