using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Alerts.Watching;

/// <summary>Live calls of one minute that have everything else in common. Dollars.</summary>
/// <param name="Minute">0 is the last that is looked at, 1 the one before.</param>
/// <param name="Tags">As an event keeps them, a JSON object.</param>
/// <param name="Dearest">What the dearest of them cost.</param>
/// <param name="RateLimited">Answered 429 by the provider.</param>
/// <param name="Failed">Answered 5xx by it.</param>
/// <param name="Unanswered">Not reached, not answered in time, or broken off in the middle.</param>
/// <param name="Unpriced">Of unknown cost.</param>
public readonly record struct SpendCell(
    int Minute, string Key, string Project, string Team, string Provider, string Model, string Tags, long Calls, double Spent, double Dearest, long RateLimited, long Failed, long Unanswered, long Unpriced);

/// <summary>Whole hours in order and without gaps, the last of them the one before the hour that was asked for.</summary>
public sealed record HourSeries(double[] Spent, double[] Calls);

/// <summary>Minutes in order and without gaps.</summary>
/// <param name="Dearest">The dearest single call of each, as it counts.</param>
public sealed record MinuteSeries(double[] Spent, double[] Calls, double[] Dearest);

/// <summary>A budget's account in the period that runs; for a budget of each value of a tag one for each value.</summary>
/// <param name="Subject">The tag's value where the budget is for each, else empty.</param>
public sealed record RunningBudget(string Id, BudgetScope Scope, string Subject, BudgetPeriod Period, BudgetAction Action, DateTimeOffset Start, DateTimeOffset? End, NanoUsd Limit, NanoUsd Posted)
{
    /// <summary>Whose calls it counts.</summary>
    public AlertSubject Counts => AlertSubject.Of(Scope, Subject);
}

/// <summary>What those who watch spending ask the ledger, each minute. Live traffic alone: the sandbox costs nothing.</summary>
public interface IWatchQueries
{
    /// <summary>Tenants with a call since then.</summary>
    Task<IReadOnlyList<string>> ActiveAsync(DateTimeOffset since, CancellationToken cancellationToken);

    /// <summary>How many calls began in each minute, whatever their environment. It costs little beside <see cref="CellsAsync"/>: events are only ever added, so where the number is what it was, so are the cells.</summary>
    /// <param name="from">A whole minute.</param>
    /// <param name="until">Exclusive, a whole minute.</param>
    /// <returns>By minute as in <see cref="SpendCell"/>, the last first.</returns>
    Task<IReadOnlyList<long>> CallsAsync(string tenantId, DateTimeOffset from, DateTimeOffset until, CancellationToken cancellationToken);

    /// <param name="from">A whole minute.</param>
    /// <param name="until">Exclusive, a whole minute.</param>
    /// <param name="byMinute">Whether minutes are kept apart; otherwise all are minute 0.</param>
    Task<IReadOnlyList<SpendCell>> CellsAsync(string tenantId, DateTimeOffset from, DateTimeOffset until, bool byMinute, CancellationToken cancellationToken);

    /// <param name="hour">The beginning of the hour that runs: it isn't in the series.</param>
    /// <param name="hours">How far back.</param>
    Task<HourSeries> HoursAsync(string tenantId, AlertSubject subject, DateTimeOffset hour, int hours, CancellationToken cancellationToken);

    /// <param name="from">A whole minute.</param>
    /// <param name="until">Exclusive, a whole minute.</param>
    /// <param name="most">Dollars that one call counts as, at most.</param>
    Task<MinuteSeries> MinutesAsync(string tenantId, AlertSubject subject, DateTimeOffset from, DateTimeOffset until, double most, CancellationToken cancellationToken);

    /// <summary>Budgets in dollars whose period runs and that something was spent on.</summary>
    Task<IReadOnlyList<RunningBudget>> BudgetsAsync(string tenantId, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>When a key was last used before that hour, by its hour, and when it was made.</summary>
    Task<(DateTimeOffset? LastUse, DateTimeOffset Made)?> KeyAsync(string tenantId, string keyId, DateTimeOffset before, CancellationToken cancellationToken);
}
