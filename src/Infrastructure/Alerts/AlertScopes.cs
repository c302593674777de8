using System.Data.Common;
using Tokonomics.Domain.Alerts;

namespace Tokonomics.Infrastructure.Alerts;

/// <summary>Whom alerts are for, and what contains what one is about.</summary>
internal static class AlertScopes
{
    /// <summary>The tenants that anything is looked for in: those that were asked to be deleted are as good as gone.</summary>
    public const string Active = "status = 'active' AND delete_at IS NULL";

    /// <summary>The subject itself; of a key its project and team, as they are now; of a project its team; of a model its provider. The tenant, which contains everything, isn't named.</summary>
    public static IReadOnlyList<AlertSubject> NarrowestFirst(DbTransaction transaction, string tenantId, AlertSubject subject)
    {
        var sql = subject.Scope switch
        {
            "key" => "SELECT k.project_id, coalesce(k.team_id, p.team_id) FROM metering_keys AS k LEFT JOIN projects AS p ON p.tenant_id = k.tenant_id AND p.id = k.project_id WHERE k.tenant_id = @tenant AND k.id = @id",
            "project" => "SELECT NULL, team_id FROM projects WHERE tenant_id = @tenant AND id = @id",
            _ => null,
        };
        if (sql is null)
            return subject is { Scope: "model", Name.Length: > 0 } ? [subject, new AlertSubject("provider", "", subject.Name)] : [subject];
        var (project, team) = transaction.Command(sql, ("@tenant", tenantId), ("@id", subject.Value)).Rows(row => (row.IsDBNull(0) ? null : row.GetString(0), row.IsDBNull(1) ? null : row.GetString(1))).FirstOrDefault();
        return [subject, .. AlertSubject.Containing(project, team)];
    }
}
