using System.Data.Common;
using System.Globalization;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>
/// What the events of one batch saved by caching, rated before the transaction that appends them begins, and added in it for those that were new. Rows are
/// written in the order of their keys.
/// </summary>
internal sealed class SavingsRollup
{
    private const string Key = "tenant_id, environment, hour, provider, model, key_id, project_id, team_id";

    // One event counts with at most a million dollars, as in the other rollups.
    private const long Most = 1_000_000_000_000_000;

    private const int RowsInStatement = 500;

    private readonly Dictionary<(string, int), CacheSaving> _savings = [];

    /// <param name="versions">Null where no prices are known: then nothing is counted.</param>
    public SavingsRollup(IPriceVersions? versions, IReadOnlyList<UsageEvent> events)
    {
        if (versions is null)
            return;
        var books = new Dictionary<string, PriceBook?>(StringComparer.Ordinal);
        foreach (var usage in events)
        {
            // A row without a version is the store's to refuse.
            if (usage is not { PriceVersion: { } version } || (usage.Usage.CacheReadTokens == 0 && usage.Usage.CacheWriteTokens == 0))
                continue;
            if (!books.TryGetValue(version, out var book))
                books[version] = book = versions.Book(version);
            if (book is not null && CacheSaving.Of(book, usage) is var saving && saving != default)
                _savings.TryAdd((usage.RequestId, usage.Attempt), saving);
        }
    }

    /// <param name="storable">How the store has to have a text; null where it takes any.</param>
    public void Add(DbTransaction transaction, IReadOnlyList<UsageEvent> added, Func<string, string>? storable = null)
    {
        if (_savings.Count == 0)
            return;
        var rows = new SortedDictionary<(string Tenant, int Environment, long Hour, string Provider, string Model, string Key, string Project, string Team), (long Saved, long Extra)>(ByText);
        foreach (var usage in added)
        {
            if (!_savings.TryGetValue((usage.RequestId, usage.Attempt), out var saving))
                continue;
            var at = UsageRow.Micros(usage.At);
            var key = (usage.TenantId, (int)usage.Environment, at - (at % Measures.Hour), usage.Provider, usage.ResponseModel ?? usage.RequestModel ?? "", usage.KeyId, usage.ProjectId ?? "", usage.TeamId ?? "");
            var sum = rows.GetValueOrDefault(key);
            rows[key] = (sum.Saved + Math.Clamp(saving.Saved.Value, -Most, Most), sum.Extra + Math.Clamp(saving.Extra.Value, -Most, Most));
        }

        foreach (var chunk in rows.Chunk(RowsInStatement))
        {
            using var command = transaction.Command("");
            var values = chunk.Select((row, i) =>
            {
                var k = row.Key;
                object[] cells = [k.Tenant, k.Environment, k.Hour, k.Provider, k.Model, k.Key, k.Project, k.Team, row.Value.Saved, row.Value.Extra];
                return "(" + string.Join(", ", cells.Select((cell, j) => command.Add(string.Create(CultureInfo.InvariantCulture, $"@v{i}_{j}"), cell is string text && storable is not null ? storable(text) : cell).ParameterName)) + ")";
            });
            command.CommandText = $"""
                INSERT INTO cache_savings_hourly ({Key}, saved_nano, extra_nano) VALUES {string.Join(", ", values)}
                ON CONFLICT ({Key}) DO UPDATE SET saved_nano = {Sum("saved_nano")}, extra_nano = {Sum("extra_nano")}
                """;
            command.ExecuteNonQuery();
        }
    }

    // Saturates rather than overflows, as the other rollups do.
    private static string Sum(string column) =>
        $"CASE WHEN cache_savings_hourly.{column} > 9000000000000000000 - abs(excluded.{column}) THEN 9000000000000000000 ELSE cache_savings_hourly.{column} + excluded.{column} END";

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
