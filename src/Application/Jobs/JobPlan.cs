namespace Tokonomics.Application.Jobs;

/// <summary>One of the jobs that workers run by the clock. Its work is the class in <c>Workers</c> that is marked with its name.</summary>
/// <param name="Name">For programs, in the store and in addresses; it never changes.</param>
/// <param name="Every">From one start to the next; a minute or more.</param>
/// <param name="FirstAfter">How long after the first start of a worker the first run is: not all of them at once, and not into a start.</param>
/// <param name="What">What it does, for people, in one sentence.</param>
public sealed record JobPlan(string Name, TimeSpan Every, TimeSpan FirstAfter, string What)
{
    /// <summary>All of them: the schedule is made from this, and the page that shows it.</summary>
    public static IReadOnlyList<JobPlan> All { get; } =
    [
        new("report-usage", TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(1), "Reports what tenants' customers used to the tenants' own meters at Stripe."),
        new("reconcile-billing", TimeSpan.FromHours(1), TimeSpan.FromMinutes(2), "Asks the payment provider for what webhooks missed, and ends days of grace that are over."),
        new("erase-tenants", TimeSpan.FromHours(1), TimeSpan.FromMinutes(3), "Deletes tenants whose deletion was asked for and can't be cancelled any more."),
        new("verify-ledger", TimeSpan.FromHours(1), TimeSpan.FromMinutes(5), "Checks the ledger's invariants over all tenants."),
        new("forget-idempotency-keys", TimeSpan.FromHours(1), TimeSpan.FromMinutes(7), "Deletes Idempotency-Keys that have expired."),
        new("delete-old-events", TimeSpan.FromDays(1), TimeSpan.FromMinutes(11), "Deletes events that their tenants keep no longer."),
        new("check-price-sheets", TimeSpan.FromDays(1), TimeSpan.FromMinutes(15), "Tells operators, once a week for each, of price sheets that nobody has compared with their sources for 90 days."),
        new("prepare-partitions", TimeSpan.FromDays(1), TimeSpan.FromHours(1), "Makes the ledger's partitions of the coming months, on PostgreSQL."),
    ];

    /// <summary>Null for a job that this version doesn't know.</summary>
    public static JobPlan? Of(string name) => All.FirstOrDefault(p => p.Name == name);
}
