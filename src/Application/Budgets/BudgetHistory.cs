using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Budgets;

/// <summary>The periods of a budget, the newest first; of a budget for each value of a tag also one value's.</summary>
public sealed record ListBudgetPeriods(Caller Caller, string TenantId, string BudgetId) : IUseCase<BudgetPeriodPage>
{
    /// <summary>The tag's value; null for all values together, each with its own lines.</summary>
    public string? Subject { get; init; }

    /// <summary>1 to 500.</summary>
    public int Limit { get; init; } = 50;

    /// <summary>Where the page before ended, as it said.</summary>
    public string? After { get; init; }

    public Right Needs => Right.ReadUsage;
}

public sealed record BudgetPeriodPage(IReadOnlyList<BudgetPeriodLine> Periods, string? Next);

/// <param name="Limit">As it was when the period was last written to, an increase included.</param>
/// <param name="Excess">How far it is above its limit.</param>
/// <param name="Alerts">Percents of the limit that were reached, and when.</param>
public sealed record BudgetPeriodLine(
    string Subject, DateTimeOffset Start, DateTimeOffset? End, NanoUsd Limit, NanoUsd Posted, NanoUsd Leased, NanoUsd Excess, DateTimeOffset OpenedAt, IReadOnlyList<BudgetAlertLine> Alerts);

/// <param name="Threshold">Percent; 0 where one call cost more than its upper bound.</param>
public sealed record BudgetAlertLine(int Threshold, DateTimeOffset At, NanoUsd Posted);

/// <summary>A budget's past, read from the store.</summary>
public interface IBudgetHistory
{
    /// <param name="before">Periods that began earlier than this, or then and of a later subject.</param>
    Task<IReadOnlyList<BudgetPeriodLine>> PeriodsAsync(string tenantId, string budgetId, string? subject, (DateTimeOffset Start, string Subject)? before, int limit, CancellationToken cancellationToken);
}

internal sealed class ListBudgetPeriodsRules : AbstractValidator<ListBudgetPeriods>
{
    public ListBudgetPeriodsRules() => RuleFor(l => l.Limit).InclusiveBetween(1, 500).WithMessage("A page has 1 to 500 periods.");
}

internal sealed class ListBudgetPeriodsHandler(TokonomicsDbContext db, IBudgetHistory history) : IRequestHandler<ListBudgetPeriods, Outcome<BudgetPeriodPage>>
{
    public async Task<Outcome<BudgetPeriodPage>> Handle(ListBudgetPeriods request, CancellationToken cancellationToken)
    {
        if (!await db.Budgets.AnyAsync(b => b.TenantId == request.TenantId && b.Id == request.BudgetId, cancellationToken))
            return Refusal.NotFound("budget");
        (DateTimeOffset, string)? before = null;
        if (request.After is { } after)
        {
            if (PageCursor.Read(after, 2) is not [var micros, var subject] || !long.TryParse(micros, out var at))
                return PageCursor.Unreadable;
            before = (DateTimeOffset.UnixEpoch.AddTicks(at * TimeSpan.TicksPerMicrosecond), subject);
        }

        var lines = await history.PeriodsAsync(request.TenantId, request.BudgetId, request.Subject, before, request.Limit + 1, cancellationToken);
        if (lines.Count <= request.Limit)
            return new BudgetPeriodPage(lines, null);
        var last = lines[request.Limit - 1];
        return new BudgetPeriodPage([.. lines.Take(request.Limit)], PageCursor.Write(((last.Start.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond).ToString(System.Globalization.CultureInfo.InvariantCulture), last.Subject));
    }
}
