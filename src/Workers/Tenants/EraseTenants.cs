using Quartz;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Workers.Tenants;

/// <summary>Carries out, every hour, the deletions of tenants whose grace is over.</summary>
[DisallowConcurrentExecution]
internal sealed partial class EraseTenants(ITenantData data, ILogger<EraseTenants> log) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        foreach (var tenant in await data.EraseDueAsync(cancellationToken))
            Erased(log, tenant);
    }

    [LoggerMessage(1, LogLevel.Warning, "Tenant {Tenant} is deleted with all its data, as its owner had asked")]
    private static partial void Erased(ILogger logger, string tenant);
}
