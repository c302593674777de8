namespace Tokonomics.Application.Ledger;

/// <param name="Tenants">How many have a limit on how long events are kept.</param>
/// <param name="Dropped">Partitions of months of which nobody keeps anything.</param>
public sealed record RetentionReport(int Tenants, long Deleted, IReadOnlyList<string> Dropped);

/// <summary>Deletes events that their tenants keep no longer. Their hourly sums stay. May be broken off anywhere and run again, by several processes at once.</summary>
public interface IRetention
{
    Task<RetentionReport> RunAsync(CancellationToken cancellationToken);
}
