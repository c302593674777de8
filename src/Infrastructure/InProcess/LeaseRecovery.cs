using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Idempotency;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Journal;

namespace Tokonomics.Infrastructure.InProcess;

/// <summary>
/// After a start: takes back what earlier runs of this node had leased and never returned, once the ledger has all that the journal knows of them.
/// Nobody else may: until then such a lease counts as spent. Where a part of the journal could not be read it goes on counting so, for good. With the
/// leases go the Idempotency-Keys of calls that were not charged for.
/// </summary>
internal sealed partial class LeaseRecovery(
    BudgetGate gate, UsageRecorder recorder, CallJournal journal, IBudgetTruth truth, IIdempotencyKeys keys, NodeRun self, ILogger<LeaseRecovery> log) : BackgroundService
{
    /// <summary>Between the journal's identity and the run, in the name of a node.</summary>
    public const char RunMark = '~';

    /// <summary>Under which name a run leases.</summary>
    public static string NameOf(NodeRun run) => $"{run.Node}{RunMark}{run.Run}";

    private static readonly TimeSpan AgainAfter = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            try
            {
                await RecoverAsync(stoppingToken);
                return;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                NotYet(e); // The store is away, most likely. Nothing is lost but room in the budgets.
            }

            await Task.Delay(AgainAfter, stoppingToken);
        }
    }

    private async Task RecoverAsync(CancellationToken cancellationToken)
    {
        // Waits for the journal to be read, too: the recorder starts after this.
        await recorder.FlushAsync(cancellationToken);
        foreach (var node in await truth.NodesAsync(cancellationToken))
        {
            // Everything in use by this run has been named before any of it was leased.
            if (!node.Node.StartsWith(self.Node + RunMark, StringComparison.Ordinal) || gate.NodeNames.Any(name => name == node.Node))
                continue;
            var taken = await truth.CloseNodeAsync(node.Node, asSpent: journal.LostRecords, cancellationToken);
            if (journal.LostRecords)
                KeptAsSpent(node.Node, taken);
            else
                TakenBack(node.Node, taken);
        }

        await keys.ReleaseUnchargedAsync(self.Node, self.Run, journal.LostRecords, cancellationToken);
        journal.ForgetLoss();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Taken back from the run {Node}, which did not end in order: {Usd} USD of leases")]
    private partial void TakenBack(string node, NanoUsd usd);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Usd} USD leased to the run {Node} count as spent: a part of its journal could not be read, and may have told of calls")]
    private partial void KeptAsSpent(string node, NanoUsd usd);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The leases of earlier runs could not be taken back; trying again")]
    private partial void NotYet(Exception e);
}
