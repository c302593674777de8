using Tokonomics.Application.Ledger;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers.Ledger;

/// <summary>Checks the ledger's invariants every hour, so that a broken one is a line in the log before it is a question from a customer.</summary>
[Job("verify-ledger")]
internal sealed partial class VerifyLedger(ILedgerVerification verification, ILogger<VerifyLedger> log) : IJobWork
{
    public async Task<JobReport> RunAsync(CancellationToken cancellationToken)
    {
        var report = await verification.RunAsync(tenantId: null, cancellationToken);
        foreach (var finding in report.Findings)
            Broken(log, finding.Check, finding.Row);
        if (report.Intact)
        {
            Intact(log, report.Checks.Count);
            return new JobReport($"all {report.Checks.Count} invariants hold");
        }

        var broken = report.Findings.Select(f => f.Check).Distinct().ToList();
        return new JobReport($"{broken.Count} of {report.Checks.Count} invariants don't hold: {string.Join(", ", broken)}", WantsAttention: true);
    }

    [LoggerMessage(1, LogLevel.Critical, "The ledger's invariant {Check} is broken: {Row}")]
    private static partial void Broken(ILogger logger, string check, string row);

    [LoggerMessage(2, LogLevel.Debug, "All {Count} invariants of the ledger hold")]
    private static partial void Intact(ILogger logger, int count);
}
