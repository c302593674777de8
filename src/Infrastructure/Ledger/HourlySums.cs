using System.Data.Common;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Two sums by hour of a batch's events, added to a table in the transaction that appends them. Rows are written in the order of their keys, so that two nodes that add to the same ones never wait for each other.</summary>
internal sealed class HourlySums(string table, string first, string second)
{
    private const string Key = "tenant_id, environment, hour, provider, model, key_id, project_id, team_id";

    private readonly SortedDictionary<(string Tenant, int Environment, long Hour, string Provider, string Model, string Key, string Project, string Team), (long First, long Second)> _rows = new(ByText);

    public void Add(UsageEvent usage, long ofFirst, long ofSecond)
    {
        var at = UsageRow.Micros(usage.At);
        var key = (usage.TenantId, (int)usage.Environment, at - (at % Measures.Hour), usage.Provider, usage.ResponseModel ?? usage.RequestModel ?? "", usage.KeyId, usage.ProjectId ?? "", usage.TeamId ?? "");
        var sum = _rows.GetValueOrDefault(key);
        _rows[key] = (sum.First + ofFirst, sum.Second + ofSecond);
    }

    /// <param name="storable">How the store has to have a text; null where it takes any.</param>
    public void Write(DbTransaction transaction, Func<string, string>? storable) => SummedRows.Add(
        transaction, table, Key, [first, second], _rows.Select(row => (object[])[row.Key.Tenant, row.Key.Environment, row.Key.Hour, row.Key.Provider, row.Key.Model, row.Key.Key, row.Key.Project, row.Key.Team, row.Value.First, row.Value.Second]), storable);

    private static readonly Comparer<(string, int, long, string, string, string, string, string)> ByText = Comparer<(string, int, long, string, string, string, string, string)>.Create((a, b) =>
        string.CompareOrdinal(a.Item1, b.Item1) is not 0 and var tenant ? tenant
        : a.Item2.CompareTo(b.Item2) is not 0 and var environment ? environment
        : a.Item3.CompareTo(b.Item3) is not 0 and var hour ? hour
        : string.CompareOrdinal(a.Item4, b.Item4) is not 0 and var provider ? provider
        : string.CompareOrdinal(a.Item5, b.Item5) is not 0 and var model ? model
        : string.CompareOrdinal(a.Item6, b.Item6) is not 0 and var key ? key
        : string.CompareOrdinal(a.Item7, b.Item7) is not 0 and var project ? project
        : string.CompareOrdinal(a.Item8, b.Item8));
}
