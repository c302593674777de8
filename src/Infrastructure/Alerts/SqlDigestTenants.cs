using Tokonomics.Application.Alerts;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Alerts;

internal sealed class SqlDigestTenants(ISqlStore store) : IDigestTenants
{
    public Task<IReadOnlyList<(string TenantId, TimeZoneInfo Zone)>> ActiveAsync(CancellationToken cancellationToken) => Task.Run<IReadOnlyList<(string, TimeZoneInfo)>>(
        () =>
        {
            using var connection = store.Open();
            return connection.Command(null, $"SELECT id, time_zone FROM tenants WHERE {AlertScopes.Active} ORDER BY id").Rows(row => (row.GetString(0), TimeZoneInfo.FindSystemTimeZoneById(row.GetString(1))));
        },
        cancellationToken);

    public Task<bool> WaitsAsync(string tenantId, string cause, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            using var connection = store.Open();
            return connection.Scalar("SELECT 1 FROM alerts WHERE tenant_id = @tenant AND cause = @cause", ("@tenant", tenantId), ("@cause", cause)) is null
                && connection.Scalar(
                    "SELECT 1 FROM usage_hourly WHERE tenant_id = @tenant AND environment = 0 AND hour >= @from AND hour < @to LIMIT 1", ("@tenant", tenantId), ("@from", UsageRow.Micros(since)), ("@to", UsageRow.Micros(until))) is not null;
        },
        cancellationToken);
}
