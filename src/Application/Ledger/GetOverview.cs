using MediatR;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Ledger;

/// <summary>How the running month stands: what was spent, how it will end, what changed and why.</summary>
public sealed record GetOverview(Caller Caller, string TenantId, KeyEnvironment Environment = KeyEnvironment.Live) : IUseCase<SpendOverview>
{
    public Right Needs => Right.ReadUsage;
}

/// <param name="Question">The month, as it was asked: what links of the page narrow.</param>
/// <param name="HasCalls">False where this environment never had one.</param>
/// <param name="Totals">Of the month so far.</param>
/// <param name="CallsBefore">Of the comparable time before, as <paramref name="Change"/>'s amounts are.</param>
/// <param name="Forecast">Null where there are too few days; <paramref name="DaysKnown"/> says how many there are.</param>
/// <param name="Savings">What caching saved this month.</param>
/// <param name="Repeats">What was answered from the cache this month.</param>
/// <param name="Refused">This month's refusals by code and key, most first.</param>
public sealed record SpendOverview(
    SpendNames Names, SummaryQuestion Question, PeriodWindow Month, bool HasCalls, UsageTotals Totals, long CallsBefore, SpendStacks Days, SpendForecast? Forecast, int DaysKnown, SpendChange Change,
    DateTimeOffset BeforeFrom, DateTimeOffset BeforeTo, CacheSavings? Savings, RepeatSavings? Repeats, IReadOnlyList<RefusedLine> Refused, IReadOnlyList<UsageEvent> TopCalls);

/// <param name="Last">The hour of the last.</param>
public sealed record RefusedLine(string Code, string KeyId, long Calls, DateTimeOffset Last);

internal sealed class GetOverviewHandler(IUsageQueries usage, ISpendHours hours, ISpendQueries spend, IRefusals refusals, TimeProvider time) : IRequestHandler<GetOverview, Outcome<SpendOverview>>
{
    private const int Top = 5;

    public async Task<Outcome<SpendOverview>> Handle(GetOverview request, CancellationToken cancellationToken)
    {
        var reader = new SpendReader(usage, hours, time);
        var names = await spend.NamesAsync(request.TenantId, cancellationToken);
        var month = reader.Month(names.Zone);
        var question = new SummaryQuestion(request.TenantId, month.Start, reader.HourEnd < month.End ? reader.HourEnd : month.End) { TimeZone = names.Zone, Environment = request.Environment, Grain = TimeGrain.Day };
        // With its histograms, for the month's percentiles; by model, for the chart.
        var lines = await usage.SummarizeAsync(question with { GroupBy = [SummaryDimension.Model] }, cancellationToken);
        var (forecast, _, daysKnown) = await reader.ForecastAsync(question, month, cancellationToken);
        var (change, from, to) = await reader.CompareAsync(question, cancellationToken);
        var hasCalls = lines.Count > 0 || await spend.FirstHourAsync(request.TenantId, request.Environment, cancellationToken) is not null;
        // To the month's end, so that the days to come have their place in the chart.
        var days = SpendStacks.Of(question with { To = month.End }, lines, l => l.Group[0]);
        var refused = await RefusedAsync(refusals, question, cancellationToken);
        return new SpendOverview(
            names, question, month, hasCalls, UsageTotals.Sum(lines.Select(l => l.Totals)), change.Largest.Count == 0 ? 0 : await CallsAsync(reader, question, from, to, cancellationToken), days, forecast, daysKnown, change, from, to,
            await spend.CacheSavingsAsync(question, cancellationToken), await spend.RepeatSavingsAsync(question, cancellationToken), refused, await spend.TopCallsAsync(question, Top, cancellationToken));
    }

    internal static async Task<IReadOnlyList<RefusedLine>> RefusedAsync(IRefusals refusals, SummaryQuestion question, CancellationToken cancellationToken) =>
        [.. (await refusals.ListAsync(question.TenantId, question.Environment ?? KeyEnvironment.Live, question.From, question.To, cancellationToken))
            .Where(r => question.KeyId is null || r.KeyId == question.KeyId)
            .GroupBy(r => (r.Code, r.KeyId))
            .Select(g => new RefusedLine(g.Key.Code, g.Key.KeyId, g.Sum(r => r.Calls), g.Max(r => r.Hour)))
            .OrderByDescending(r => r.Calls).ThenBy(r => r.Code, StringComparer.Ordinal).ThenBy(r => r.KeyId, StringComparer.Ordinal)];

    private static async Task<long> CallsAsync(SpendReader reader, SummaryQuestion question, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken) =>
        (await reader.DaysAsync(question with { From = from, To = to }, cancellationToken)).Sum(l => l.Totals.Calls);
}
