using FluentValidation;
using MediatR;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Ledger;

/// <summary>Spend of any range, filtered by anything, split by one dimension over time.</summary>
/// <param name="Question">Range, grain and filters; its tenant is the one that is asked about.</param>
public sealed record ExploreSpend(Caller Caller, SummaryQuestion Question, SpendDimension By) : IUseCase<SpendExploration>
{
    public string TenantId => Question.TenantId;

    public Right Needs => Right.ReadUsage;
}

internal sealed class ExploreSpendRules : AbstractValidator<ExploreSpend>
{
    public ExploreSpendRules() => RuleFor(e => e.Question).Must((_, question, context) =>
    {
        if (question.Problem() is not { } problem)
            return true;
        context.MessageFormatter.AppendArgument("Problem", problem);
        return false;
    }).WithMessage("{Problem}");
}

/// <param name="Lines">One for each value, the dearest first.</param>
/// <param name="Before">Of the comparable time before.</param>
/// <param name="Savings">Null where they aren't known for the filter; likewise <paramref name="Repeats"/>.</param>
public sealed record SpendExploration(
    SpendNames Names, SummaryQuestion Question, SpendDimension By, SpendStacks Stacks, IReadOnlyList<SpendLine> Lines, UsageTotals Totals, NanoUsd Before, DateTimeOffset BeforeFrom, DateTimeOffset BeforeTo,
    CacheSavings? Savings, RepeatSavings? Repeats);

/// <param name="Value">Empty for the calls that have none.</param>
public sealed record SpendLine(string Value, UsageTotals Totals, NanoUsd Before);

internal sealed class ExploreSpendHandler(IUsageQueries usage, ISpendQueries spend) : IRequestHandler<ExploreSpend, Outcome<SpendExploration>>
{
    public async Task<Outcome<SpendExploration>> Handle(ExploreSpend request, CancellationToken cancellationToken)
    {
        var (question, by) = (request.Question, request.By);
        var names = await spend.NamesAsync(request.TenantId, cancellationToken);
        var lines = await usage.SummarizeAsync(by.Split(question), cancellationToken);
        var (from, to) = ComparablePeriod.Before(question.From, question.To, question.TimeZone);
        to = new DateTimeOffset(to.UtcTicks - (to.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero);
        IReadOnlyList<SummaryLine> earlier = to > from ? await usage.SummarizeAsync(by.Split(question with { From = from, To = to, WithDurations = false }), cancellationToken) : [];
        var before = earlier.GroupBy(by.ValueOf).ToDictionary(g => g.Key, SpendReader.Total);
        var table = lines.GroupBy(by.ValueOf)
            .Select(g => new SpendLine(g.Key, UsageTotals.Sum(g.Select(l => l.Totals)), before.GetValueOrDefault(g.Key)))
            .OrderByDescending(l => l.Totals.Cost).ThenByDescending(l => l.Totals.Calls).ThenBy(l => l.Value, StringComparer.Ordinal).ToList();
        return new SpendExploration(
            names, question, by, SpendStacks.Of(question, lines, by.ValueOf), table, UsageTotals.Sum(table.Select(t => t.Totals)), SpendReader.Total(earlier), from, to, await spend.CacheSavingsAsync(question, cancellationToken),
            await spend.RepeatSavingsAsync(question, cancellationToken));
    }
}
