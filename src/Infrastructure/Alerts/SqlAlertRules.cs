using Tokonomics.Application.Alerts;
using Tokonomics.Domain.Alerts;

namespace Tokonomics.Infrastructure.Alerts;

/// <summary>A tenant's rules, read by whoever looks for something. A kind that this version doesn't know is left out.</summary>
internal sealed class SqlAlertRules(ISqlStore store) : IAlertRules
{
    public Task<TenantRules> OfAsync(string tenantId, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            using var connection = store.Open();
            var rules = connection.Command(
                null, "SELECT kind, scope, scope_name, scope_value, is_on, floor_nano, ratio_percent, hours, failing_percent, least_calls, unused_days FROM alert_rules WHERE tenant_id = @tenant", ("@tenant", tenantId))
                .Rows(row => AlertKinds.Parse(row.GetString(0)) is { } kind
                    ? new AlertRule(
                        kind, new AlertSubject(row.GetString(1), row.GetString(2), row.GetString(3)),
                        StoredAlertRule.ReadTerms(row.GetBoolean(4), row.GetInt64(5), row.GetInt32(6), row.GetInt32(7), row.GetInt32(8), row.GetInt32(9), row.GetInt32(10)))
                    : null);
            return rules.Count == 0 ? TenantRules.None : new TenantRules(rules.OfType<AlertRule>());
        },
        cancellationToken);
}
