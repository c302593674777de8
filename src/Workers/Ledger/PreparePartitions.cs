using Tokonomics.Infrastructure.Postgres;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers.Ledger;

/// <summary>Makes the ledger's partitions of the coming months, every day. Nothing to do on a store without partitions.</summary>
[Job("prepare-partitions")]
internal sealed class PreparePartitions(IEnumerable<PostgresPartitions> partitions) : IJobWork
{
    public async Task<JobReport> RunAsync(CancellationToken cancellationToken)
    {
        var (parts, made, missing) = (0, 0, new List<string>());
        foreach (var months in partitions)
        {
            (parts, made) = (parts + 1, made + await months.EnsureAsync(cancellationToken));
            missing.AddRange(await months.MissingAsync(cancellationToken));
        }

        return missing.Count > 0 ? new JobReport($"could not make {string.Join(", ", missing)}: the default partition takes their events", WantsAttention: true)
            : new JobReport(parts == 0 ? "this store has no partitions" : made == 0 ? "all partitions are there" : $"made {Say.Count(made, "partition")}");
    }
}
