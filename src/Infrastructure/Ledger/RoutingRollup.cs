using System.Data.Common;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Adds the new events of quality groups to their sums by day, in the transaction that appends them; rows are written in the order of their keys.</summary>
internal static class RoutingRollup
{
    private const string Key = "tenant_id, environment, route_id, class, day, reason, model";
    private const long Day = 24 * Measures.Hour;

    /// <param name="storable">How the store has to have a text; null where it takes any.</param>
    public static void Add(DbTransaction transaction, IReadOnlyList<UsageEvent> added, Func<string, string>? storable = null)
    {
        SortedDictionary<string, (object[] Key, long Calls, long Cost, long Saved)>? rows = null;
        foreach (var usage in added)
        {
            if (RoutedMark.Read(usage.Routed) is not { } mark)
                continue;
            var at = UsageRow.Micros(usage.At);
            object[] key = [usage.TenantId, (int)usage.Environment, mark.RouteId, mark.Class.ToString(), at - (at % Day), mark.Reason.ToString(), $"{usage.Provider}/{usage.RequestModel}"];
            rows ??= new(StringComparer.Ordinal);
            var name = string.Join('\0', key);
            var sum = rows.GetValueOrDefault(name);
            rows[name] = (key, sum.Calls + 1, sum.Cost + (usage.Cost?.Value ?? 0), sum.Saved + (usage.Saved?.Value ?? 0));
        }

        if (rows is not null)
            SummedRows.Add(transaction, "routing_daily", Key, ["calls", "cost_nano", "saved_nano"], rows.Values.Select(row => (object[])[.. row.Key, row.Calls, row.Cost, row.Saved]), storable);
    }
}
