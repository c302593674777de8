using MediatR;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Ledger;

/// <summary>What changed from the comparable time before a range, and what explains it.</summary>
public sealed record CompareSpend(Caller Caller, SummaryQuestion Question) : IUseCase<SpendComparison>
{
    public string TenantId => Question.TenantId;

    public Right Needs => Right.ReadUsage;
}

/// <param name="BeforeTo">Exclusive, a whole hour.</param>
public sealed record SpendComparison(SpendNames Names, SpendChange Change, DateTimeOffset BeforeFrom, DateTimeOffset BeforeTo);

internal sealed class CompareSpendHandler(IUsageQueries usage, ISpendHours hours, ISpendQueries spend, TimeProvider time) : IRequestHandler<CompareSpend, Outcome<SpendComparison>>
{
    public async Task<Outcome<SpendComparison>> Handle(CompareSpend request, CancellationToken cancellationToken)
    {
        if (request.Question.Problem() is { } problem)
            return Refusal.Invalid("from", problem);
        var (change, from, to) = await new SpendReader(usage, hours, time).CompareAsync(request.Question, cancellationToken);
        return new SpendComparison(await spend.NamesAsync(request.TenantId, cancellationToken), change, from, to);
    }
}
