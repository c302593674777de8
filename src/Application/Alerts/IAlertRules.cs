using Tokonomics.Domain.Alerts;

namespace Tokonomics.Application.Alerts;

/// <summary>From which numbers on a tenant is told of what, for those who look for it.</summary>
public interface IAlertRules
{
    /// <summary>As they stand in the store now: one question of an index. A tenant without any is answered <see cref="TenantRules.None"/>'s terms.</summary>
    Task<TenantRules> OfAsync(string tenantId, CancellationToken cancellationToken);
}
