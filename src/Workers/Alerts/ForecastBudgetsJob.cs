using Quartz;
using Tokonomics.Application.Alerts;

namespace Tokonomics.Workers.Alerts;

/// <summary>Tells, every hour, of budgets that will not last.</summary>
[DisallowConcurrentExecution]
internal sealed partial class ForecastBudgetsJob(ForecastBudgets forecasts, ILogger<ForecastBudgetsJob> log) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => Did(log, await forecasts.RunAsync(cancellationToken));

    [LoggerMessage(1, LogLevel.Debug, "Forecasts of budgets: {Report}")]
    private static partial void Did(ILogger logger, string report);
}
