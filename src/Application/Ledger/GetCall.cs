using MediatR;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Ledger;

/// <summary>One call with all its attempts, and how its cost came about.</summary>
public sealed record GetCall(Caller Caller, string TenantId, string RequestId) : IUseCase<CallReceipt>
{
    public Right Needs => Right.ReadUsage;
}

/// <param name="Attempts">In order; the last is what became of the call.</param>
/// <param name="Budgets">Those of today that count it.</param>
public sealed record CallReceipt(SpendNames Names, IReadOnlyList<AttemptReceipt> Attempts, IReadOnlyList<BudgetLine> Budgets)
{
    public UsageEvent Call => Attempts[^1].Event;
}

/// <param name="Lines">Each unit of each model at its rate; none where nothing is charged or the version of the prices isn't known here.</param>
/// <param name="Exact">Their sum before it is rounded; null where one has no rate.</param>
/// <param name="Saving">What caching saved.</param>
public sealed record AttemptReceipt(UsageEvent Event, IReadOnlyList<(string? Model, RatedLine Line)> Lines, decimal? Exact, CacheSaving Saving);

internal sealed class GetCallHandler(IUsageQueries usage, ISpendQueries spend, IPriceVersions versions, IMediator mediator) : IRequestHandler<GetCall, Outcome<CallReceipt>>
{
    public async Task<Outcome<CallReceipt>> Handle(GetCall request, CancellationToken cancellationToken)
    {
        var attempts = await usage.FindAsync(request.TenantId, request.RequestId, cancellationToken);
        if (attempts.Count == 0)
            return Refusal.NotFound("call");
        var budgets = await mediator.Send(new ListBudgets(request.Caller, request.TenantId), cancellationToken);
        var call = attempts[^1];
        var names = await spend.NamesAsync(request.TenantId, cancellationToken);
        return new CallReceipt(names, [.. attempts.Select(Receipt)], budgets.Succeeded ? [.. budgets.Value.Budgets.Where(b => Counts(b.Budget, call, names.Zone))] : []);
    }

    private AttemptReceipt Receipt(UsageEvent attempt)
    {
        if (attempt.PriceStatus is not (PriceStatus.Priced or PriceStatus.Unpriced) || versions.Book(attempt.PriceVersion) is not { } book)
            return new AttemptReceipt(attempt, [], attempt.Cost is { } fixedCost ? fixedCost.Usd : null, default);
        var lines = CallRating.Explain(book, attempt);
        return new AttemptReceipt(attempt, lines, lines.All(l => l.Line.Usd is not null) ? lines.Sum(l => l.Line.Usd!.Value) : null, CacheSaving.Of(book, attempt));
    }

    // A budget counts what its scope spent from the beginning of the period in which it was made.
    private static bool Counts(Budget budget, UsageEvent call, TimeZoneInfo zone) =>
        budget.Environment == call.Environment && call.At >= BudgetPeriods.Containing(budget.Period, zone, budget.CreatedAt, budget.CreatedAt).Start && budget.Scope.Kind switch
    {
        BudgetScopeKind.Team => budget.Scope.Value == call.TeamId,
        BudgetScopeKind.Project => budget.Scope.Value == call.ProjectId,
        BudgetScopeKind.Key => budget.Scope.Value == call.KeyId,
        BudgetScopeKind.Tag => call.Tags.Any(t => t.Name == budget.Scope.Name && (budget.Scope.IsEachValue || t.Value == budget.Scope.Value)),
        _ => true,
    };
}
