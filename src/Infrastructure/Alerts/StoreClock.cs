using Tokonomics.Application.Alerts.Watching;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Alerts;

internal sealed class StoreClock(ISqlStore store) : IStoreClock
{
    public Task<DateTimeOffset> NowAsync(CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            using var connection = store.Open();
            return UsageRow.Time((long)connection.Scalar($"SELECT {store.Now}")!);
        },
        cancellationToken);
}
