using Quartz;
using Tokonomics.Infrastructure.Postgres;

namespace Tokonomics.Workers.Ledger;

/// <summary>Makes the ledger's partitions of the coming months, every day. Nothing to do on a store without partitions.</summary>
[DisallowConcurrentExecution]
internal sealed class PreparePartitions(IEnumerable<PostgresPartitions> partitions) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        foreach (var months in partitions)
            await months.EnsureAsync(cancellationToken);
    }
}
