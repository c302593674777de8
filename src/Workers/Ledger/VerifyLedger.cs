using Quartz;
using Tokonomics.Application.Ledger;

namespace Tokonomics.Workers.Ledger;

/// <summary>Checks the ledger's invariants every hour, so that a broken one is a line in the log before it is a question from a customer.</summary>
[DisallowConcurrentExecution]
internal sealed partial class VerifyLedger(ILedgerVerification verification, ILogger<VerifyLedger> log) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        var report = await verification.RunAsync(tenantId: null, cancellationToken);
        foreach (var finding in report.Findings)
            Broken(log, finding.Check, finding.Row);
        if (report.Intact)
            Intact(log, report.Checks.Count);
    }

    [LoggerMessage(1, LogLevel.Critical, "The ledger's invariant {Check} is broken: {Row}")]
    private static partial void Broken(ILogger logger, string check, string row);

    [LoggerMessage(2, LogLevel.Debug, "All {Count} invariants of the ledger hold")]
    private static partial void Intact(ILogger logger, int count);
}
