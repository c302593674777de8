using System.Security.Cryptography;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Jobs;

/// <summary>Has a job run within seconds, besides its schedule. Workers look for it: whoever asks needs none beside it. Asked for again before it has begun, it runs once.</summary>
public sealed record RunJobNow(Caller Caller, string Job) : IUseCase<JobAsked>, IChange
{
    public string TenantId => AuditEntry.SystemTenant;

    public Right Needs => Right.Operate;

    public string AuditDetail => "";
}

public sealed record JobAsked(string Job) : IAuditSubject
{
    public string AuditSubject => Job;
}

internal sealed class RunJobNowHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<RunJobNow, Outcome<JobAsked>>
{
    public async Task<Outcome<JobAsked>> Handle(RunJobNow request, CancellationToken cancellationToken)
    {
        if (JobPlan.Of(request.Job) is null)
            return Refusal.NotFound("job");
        var row = await db.JobRequests.FirstOrDefaultAsync(r => r.Job == request.Job, cancellationToken);
        if (row is null)
            db.JobRequests.Add(row = new JobRequest { Job = request.Job });
        (row.Id, row.AskedAt, row.AskedBy) = (JobRequest.NewId(), time.GetUtcNow(), request.Caller.Actor);
        return new JobAsked(request.Job);
    }
}

/// <summary>A job that somebody wants run now.</summary>
public sealed class JobRequest
{
    public required string Job { get; init; }

    /// <summary>Another each time that it is asked for: what is asked for during a run is a further one.</summary>
    public string Id { get; set; } = "";

    public DateTimeOffset AskedAt { get; set; }

    public string AskedBy { get; set; } = "";

    public static string NewId() => "ask_" + RandomNumberGenerator.GetHexString(16, lowercase: true);
}
