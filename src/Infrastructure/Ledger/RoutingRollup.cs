using System.Data.Common;
using System.Globalization;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Adds the new events of quality groups to their sums by day, in the transaction that appends them; rows are written in the order of their keys.</summary>
internal static class RoutingRollup
{
    private const string Key = "tenant_id, environment, route_id, class, day, reason, model";
    private const long Day = 24 * Measures.Hour;
    private const int RowsInStatement = 500;

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

        if (rows is null)
            return;
        foreach (var chunk in rows.Values.Chunk(RowsInStatement))
        {
            using var command = transaction.Command("");
            var values = chunk.Select((row, i) =>
            {
                object[] cells = [.. row.Key, row.Calls, row.Cost, row.Saved];
                return "(" + string.Join(", ", cells.Select((cell, j) => command.Add(string.Create(CultureInfo.InvariantCulture, $"@r{i}_{j}"), cell is string text && storable is not null ? storable(text) : cell).ParameterName)) + ")";
            });
            command.CommandText = $"""
                INSERT INTO routing_daily ({Key}, calls, cost_nano, saved_nano) VALUES {string.Join(", ", values)}
                ON CONFLICT ({Key}) DO UPDATE SET calls = routing_daily.calls + excluded.calls, cost_nano = routing_daily.cost_nano + excluded.cost_nano, saved_nano = routing_daily.saved_nano + excluded.saved_nano
                """;
            command.ExecuteNonQuery();
        }
    }
}
