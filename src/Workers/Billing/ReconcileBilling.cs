using Tokonomics.Application.Billing;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers.Billing;

/// <summary>Finds every hour what webhooks missed: each customer's state is asked for at the payment provider, and the days of grace that are over end.</summary>
[Job("reconcile-billing")]
internal sealed partial class ReconcileBilling(PaymentEvents events, ILogger<ReconcileBilling> log) : IJobWork
{
    public async Task<JobReport> RunAsync(CancellationToken cancellationToken)
    {
        var customers = await events.ReconcileAsync(cancellationToken);
        if (customers > 0)
            Reconciled(log, customers);
        return new JobReport($"asked the payment provider for {Say.Count(customers, "customer")}");
    }

    [LoggerMessage(1, LogLevel.Information, "The payments of {Customers} customers are as the payment provider has them")]
    private static partial void Reconciled(ILogger logger, int customers);
}
