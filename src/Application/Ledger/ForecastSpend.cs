using MediatR;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Ledger;

/// <summary>What the running month, in the tenant's zone, will have cost at its end.</summary>
/// <param name="Filter">Which calls; its times are not looked at.</param>
public sealed record ForecastSpend(Caller Caller, SummaryQuestion Filter) : IUseCase<MonthForecast>
{
    public string TenantId => Filter.TenantId;

    public Right Needs => Right.ReadUsage;
}

/// <param name="Forecast">Null where there are fewer than <see cref="SpendForecast.LeastDays"/> whole days.</param>
public sealed record MonthForecast(PeriodWindow Month, NanoUsd Spent, SpendForecast? Forecast, int DaysKnown);

internal sealed class ForecastSpendHandler(IUsageQueries usage, ISpendHours hours, ISpendQueries spend, TimeProvider time) : IRequestHandler<ForecastSpend, Outcome<MonthForecast>>
{
    public async Task<Outcome<MonthForecast>> Handle(ForecastSpend request, CancellationToken cancellationToken)
    {
        var reader = new SpendReader(usage, hours, time);
        var zone = (await spend.NamesAsync(request.TenantId, cancellationToken)).Zone;
        var month = reader.Month(zone);
        var (forecast, spent, known) = await reader.ForecastAsync(request.Filter with { TimeZone = zone, From = month.Start, To = reader.HourEnd }, month, cancellationToken);
        return new MonthForecast(month, spent, forecast, known);
    }
}
