using Tokonomics.Infrastructure.Postgres;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers.Ledger;

/// <summary>Makes the ledger's partitions of the coming months, every day. Nothing to do on a store without partitions.</summary>
[Job("prepare-partitions")]
internal sealed class PreparePartitions(IEnumerable<PostgresPartitions> partitions) : IJobWork
{
    public async Task<JobReport> RunAsync(CancellationToken cancellationToken)
    {
        var (parts, made) = (0, 0);
        foreach (var months in partitions)
            (parts, made) = (parts + 1, made + await months.EnsureAsync(cancellationToken));
        return new JobReport(parts == 0 ? "this store has no partitions" : made == 0 ? "all partitions are there" : $"made {Say.Count(made, "partition")}");
    }
}
