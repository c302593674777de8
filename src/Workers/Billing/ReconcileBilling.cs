using Quartz;
using Tokonomics.Application.Billing;

namespace Tokonomics.Workers.Billing;

/// <summary>Finds every hour what webhooks missed: each customer's state is asked for at the payment provider, and the days of grace that are over end.</summary>
[DisallowConcurrentExecution]
internal sealed partial class ReconcileBilling(PaymentEvents events, ILogger<ReconcileBilling> log) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        if (await events.ReconcileAsync(cancellationToken) is > 0 and var customers)
            Reconciled(log, customers);
    }

    [LoggerMessage(1, LogLevel.Information, "The payments of {Customers} customers are as the payment provider has them")]
    private static partial void Reconciled(ILogger logger, int customers);
}
