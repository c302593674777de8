using System.Collections.Concurrent;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Infrastructure.Billing;

/// <summary>
/// Questions about usage, as far back as the tenant's plan lets one look. What is older is hidden, not deleted: a bigger plan shows it again. The month that runs
/// is always summed whole, since caps and quotas count in it.
/// </summary>
public sealed class HistoryByPlan(IUsageQueries usage, ISpendQueries spend, ISqlStore store, PlanBook plans, TimeProvider time) : IUsageQueries, ISpendQueries
{
    // A bigger plan shows more within so long.
    private static readonly TimeSpan Known = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, (int? Days, long At)> _days = new(StringComparer.Ordinal);

    public async Task<EventPage> ListAsync(EventFilter filter, CancellationToken cancellationToken) =>
        await FirstAsync(filter.TenantId, cancellationToken) is { } first && !(filter.From > first)
            ? filter.To <= first ? new EventPage([], null) : await usage.ListAsync(filter with { From = first }, cancellationToken)
            : await usage.ListAsync(filter, cancellationToken);

    public async Task<IReadOnlyList<UsageEvent>> FindAsync(string tenantId, string requestId, CancellationToken cancellationToken)
    {
        var attempts = await usage.FindAsync(tenantId, requestId, cancellationToken);
        return attempts.Count > 0 && await FirstAsync(tenantId, cancellationToken) is { } first && attempts[0].At < first ? [] : attempts;
    }

    public async Task<IReadOnlyList<SummaryLine>> SummarizeAsync(SummaryQuestion question, CancellationToken cancellationToken) =>
        await ClipAsync(question, cancellationToken) is { } clipped ? await usage.SummarizeAsync(clipped, cancellationToken) : [];

    public async Task<IReadOnlyList<string>> TagNamesAsync(string tenantId, KeyEnvironment environment, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken) =>
        await FirstAsync(tenantId, cancellationToken) is { } first && since < first
            ? until <= first ? [] : await usage.TagNamesAsync(tenantId, environment, first, until, cancellationToken)
            : await usage.TagNamesAsync(tenantId, environment, since, until, cancellationToken);

    /// <summary>Whole: for re-rating and the export of all that is there.</summary>
    public IAsyncEnumerable<UsageEvent> ReadAsync(string? tenantId, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken) => usage.ReadAsync(tenantId, since, until, cancellationToken);

    public Task<SpendNames> NamesAsync(string tenantId, CancellationToken cancellationToken) => spend.NamesAsync(tenantId, cancellationToken);

    public async Task<IReadOnlyList<UsageEvent>> TopCallsAsync(SummaryQuestion question, int count, CancellationToken cancellationToken) =>
        await FirstAsync(question.TenantId, cancellationToken) is { } first && question.From < first
            ? question.To <= first ? [] : await spend.TopCallsAsync(question with { From = first }, count, cancellationToken)
            : await spend.TopCallsAsync(question, count, cancellationToken);

    public async Task<CacheSavings?> CacheSavingsAsync(SummaryQuestion question, CancellationToken cancellationToken) =>
        await ClipAsync(question, cancellationToken) is { } clipped ? await spend.CacheSavingsAsync(clipped, cancellationToken) : new CacheSavings(default, default);

    public async Task<RepeatSavings?> RepeatSavingsAsync(SummaryQuestion question, CancellationToken cancellationToken) =>
        await ClipAsync(question, cancellationToken) is { } clipped ? await spend.RepeatSavingsAsync(clipped, cancellationToken) : new RepeatSavings(0, default);

    public async Task<DateTimeOffset?> FirstHourAsync(string tenantId, KeyEnvironment environment, CancellationToken cancellationToken) =>
        await spend.FirstHourAsync(tenantId, environment, cancellationToken) is { } hour
            ? await FirstAsync(tenantId, cancellationToken) is { } first && hour < first ? new DateTimeOffset(first.UtcTicks - (first.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero) : hour
            : null;

    // From the first day that may be looked at, or from the month's start; null where nothing of the range may.
    private async Task<SummaryQuestion?> ClipAsync(SummaryQuestion question, CancellationToken cancellationToken)
    {
        if (await FirstAsync(question.TenantId, cancellationToken) is not { } first)
            return question;
        var day = BudgetPeriods.Containing(BudgetPeriod.Day, question.TimeZone, first, default).Start;
        var month = BudgetPeriods.Containing(BudgetPeriod.Month, question.TimeZone, time.GetUtcNow(), default).Start;
        var from = day < month ? day : month;
        return question.From >= from ? question : question.To <= from ? null : question with { From = from };
    }

    // Null where the plan has history without end.
    private async Task<DateTimeOffset?> FirstAsync(string tenantId, CancellationToken cancellationToken)
    {
        if (!_days.TryGetValue(tenantId, out var known) || time.GetElapsedTime(known.At) > Known)
            _days[tenantId] = known = (await Task.Run(() => Days(tenantId), cancellationToken), time.GetTimestamp());
        return known.Days is { } days ? time.GetUtcNow().AddDays(-days) : null;
    }

    private int? Days(string tenantId)
    {
        using var connection = store.Open();
        return (plans.Find(connection.Scalar("SELECT plan FROM billing_accounts WHERE tenant_id = @tenant", ("@tenant", tenantId)) as string) ?? plans.Free).HistoryDays;
    }
}
