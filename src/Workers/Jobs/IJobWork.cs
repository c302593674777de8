using Tokonomics.Application.Alerts;

namespace Tokonomics.Workers.Jobs;

/// <summary>The work of a job. It may be broken off anywhere and begun again by another worker, with the effects of one run.</summary>
internal interface IJobWork
{
    /// <exception cref="Exception">It failed; the schedule goes on.</exception>
    Task<JobReport> RunAsync(CancellationToken cancellationToken);
}

/// <param name="Did">In words, for the jobs page.</param>
/// <param name="WantsAttention">It found what somebody should look at.</param>
internal sealed record JobReport(string Did, bool WantsAttention = false)
{
    public static JobReport Of(LookReport report) => new(report.ToString(), report.Failed > 0);
}

/// <summary>Of which entry of <c>JobPlan</c> this is the work.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class JobAttribute(string name) : Attribute
{
    public string Name => name;
}
