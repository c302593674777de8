using Tokonomics.Application.Alerts;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers.Alerts;

/// <summary>Tells, every hour, of budgets that will not last.</summary>
[Job("forecast-budgets")]
internal sealed class ForecastBudgetsJob(ForecastBudgets forecasts) : IJobWork
{
    public async Task<JobReport> RunAsync(CancellationToken cancellationToken) => JobReport.Of(await forecasts.RunAsync(cancellationToken));
}
