using Tokonomics.Application.Tenants;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers.Tenants;

/// <summary>Carries out, every hour, the deletions of tenants whose grace is over.</summary>
[Job("erase-tenants")]
internal sealed partial class EraseTenants(ITenantData data, ILogger<EraseTenants> log) : IJobWork
{
    public async Task<JobReport> RunAsync(CancellationToken cancellationToken)
    {
        var gone = await data.EraseDueAsync(cancellationToken);
        foreach (var tenant in gone)
            Erased(log, tenant);
        return new JobReport($"deleted {Say.Count(gone.Count, "tenant")}");
    }

    [LoggerMessage(1, LogLevel.Warning, "Tenant {Tenant} is deleted with all its data, as its owner had asked")]
    private static partial void Erased(ILogger logger, string tenant);
}
