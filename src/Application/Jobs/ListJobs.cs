using MediatR;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Jobs;

/// <summary>The workers' jobs: when each ran, what came of it, when it is due.</summary>
public sealed record ListJobs(Caller Caller) : IUseCase<JobList>
{
    public string TenantId => AuditEntry.SystemTenant;

    public Right Needs => Right.Operate;
}

public sealed record JobList(IReadOnlyList<JobLine> Jobs);

internal sealed class ListJobsHandler(IJobRuns runs) : IRequestHandler<ListJobs, Outcome<JobList>>
{
    public async Task<Outcome<JobList>> Handle(ListJobs request, CancellationToken cancellationToken) => new JobList(await runs.LinesAsync(cancellationToken));
}
