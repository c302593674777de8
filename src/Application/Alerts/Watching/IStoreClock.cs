namespace Tokonomics.Application.Alerts.Watching;

/// <summary>The time by the store's own clock: what all workers agree on, one of which may be an hour ahead.</summary>
public interface IStoreClock
{
    Task<DateTimeOffset> NowAsync(CancellationToken cancellationToken);
}
