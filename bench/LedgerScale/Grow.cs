using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Bench.Load;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Postgres;
using Tokonomics.Standalone;

namespace Tokonomics.Bench.LedgerScale;

/// <summary>
/// Copies of the events that `tokonomics demo` wrote over 90 days, with other ids. The first nine come to the same 90 days, each at another second of its hour; then a copy is of the 90 days before, and so on:
/// ten times the demonstration in each quarter. Hourly and daily sums get as much as so many equal calls would have added, which `tokonomics verify` confirms. Budgets' accounts are closed: when
/// somebody looks they are opened anew, from the ledger.
/// </summary>
internal static class Grow
{
    private const int PerQuarter = 10;
    private const long Hour = 3_600_000_000, Quarter = 90 * 24 * Hour, Step = 137_000_003;

    private static readonly (string Table, string Time, string[] Key)[] Sums =
    [
        ("usage_hourly", "hour", ["tenant_id", "environment", "hour", "provider", "model", "key_id", "project_id", "team_id"]),
        ("usage_hourly_tags", "hour", ["tenant_id", "environment", "tag", "hour", "tag_value", "provider", "model"]),
        ("usage_hourly_pairs", "hour", ["tenant_id", "environment", "hour", "customer", "feature"]),
        ("cache_savings_hourly", "hour", ["tenant_id", "environment", "hour", "provider", "model", "key_id", "project_id", "team_id"]),
        ("repeat_savings_hourly", "hour", ["tenant_id", "environment", "hour", "provider", "model", "key_id", "project_id", "team_id"]),
        ("routing_daily", "day", ["tenant_id", "environment", "route_id", "class", "day", "reason", "model"]),
    ];

    public static async Task<int> RunAsync(Arguments arguments)
    {
        var rows = (long)arguments.Number("rows", 0);
        await using var services = Product.BuildStore(StoreSetup.DataFolder);
        var store = services.GetRequiredService<ISqlStore>();
        var watch = Stopwatch.StartNew();
        if (await AskAsync(store, services.GetService<PostgresPartitions>() is null ? "SELECT count(*) FROM sqlite_master WHERE name = 'bench_events'" : "SELECT count(*) FROM pg_class WHERE relname = 'bench_events'") == 0)
            await RememberAsync(store);
        var (size, done, last) = (await AskAsync(store, "SELECT count(*) FROM bench_events"), await AskAsync(store, "SELECT max(copies) FROM bench_copies"), await AskAsync(store, "SELECT max(hour) FROM bench_usage_hourly"));
        var wanted = Math.Max(done, (rows + (size / 2)) / size);
        if (wanted > 1000)
            throw new InvalidOperationException($"{rows} rows are more than a thousand times the {size} of the demonstration: begin with more");
        if (services.GetService<PostgresPartitions>() is { } partitions)
            partitions.Ensure(DateTimeOffset.UtcNow.AddDays(-90 * (((wanted - 1) / PerQuarter) + 1)));
        for (var (copy, times) = (done, 1); copy < wanted; copy++, times++)
        {
            var quarter = copy / PerQuarter;
            // Once for all copies of a quarter: a new version of each row of sums with each would leave PostgreSQL's tables full of old ones.
            var isLast = copy + 1 == wanted || (copy + 1) % PerQuarter == 0;
            await store.RunAsync(transaction =>
            {
                transaction.Execute(Copy(transaction, copy, quarter * Quarter, last));
                foreach (var (table, time, key) in isLast ? Sums : [])
                    transaction.Execute(Add(transaction, table, time, key, quarter * Quarter, times));
                transaction.Execute("DELETE FROM budget_leases");
                transaction.Execute("DELETE FROM budget_accounts");
                transaction.Execute($"INSERT INTO bench_copies (copies) VALUES ({copy + 1})");
            });
            if (isLast)
                times = 0;
            await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"  {(copy + 1) * size:N0} rows after {watch.Elapsed.TotalSeconds:F0} s"));
        }

        Console.WriteLine(JsonSerializer.Serialize(new { rows = wanted * size, copied = (wanted - done) * size, seconds = Math.Round(watch.Elapsed.TotalSeconds, 1) }));
        return 0;
    }

    private static Task<int> RememberAsync(ISqlStore store) => store.RunAsync(transaction =>
    {
        transaction.Execute("CREATE TABLE bench_events AS SELECT * FROM usage_events ORDER BY at");
        foreach (var (table, _, _) in Sums)
            transaction.Execute($"CREATE TABLE bench_{table} AS SELECT * FROM {table}");
        transaction.Execute("CREATE TABLE bench_copies AS SELECT 1 AS copies");
    });

    // No id of the product's has a 'u' in it. The last hour may still run: what is moved within it must not come to lie ahead of now.
    private static string Copy(DbTransaction transaction, long copy, long back, long last)
    {
        var columns = transaction.Columns("bench_events");
        var at = string.Create(CultureInfo.InvariantCulture, $"CASE WHEN at >= {last} AND {back} = 0 THEN at + {copy} ELSE at - at % {Hour} - {back} + (at % {Hour} + {copy % PerQuarter * Step}) % {Hour} END");
        return $"INSERT INTO usage_events ({string.Join(", ", columns)}) SELECT {string.Join(", ", columns.Select(c => c switch
        {
            "request_id" => string.Create(CultureInfo.InvariantCulture, $"substr(request_id, 1, 26) || 'u{copy:d3}'"),
            "at" => at,
            _ => c,
        }))} FROM bench_events ORDER BY at";
    }

    private static string Add(DbTransaction transaction, string table, string time, string[] key, long back, int times)
    {
        var sums = transaction.Columns(table).Except(key).ToList();
        string[] columns = [.. key, .. sums];
        return $"""
            INSERT INTO {table} ({string.Join(", ", columns)}) SELECT {string.Join(", ", columns.Select(c => c == time ? $"{time} - {back}" : sums.Contains(c) && c != "dearest_nano" ? $"{c} * {times}" : c))} FROM bench_{table} WHERE TRUE
            ON CONFLICT ({string.Join(", ", key)}) DO UPDATE SET {string.Join(", ", sums.Select(s => s == "dearest_nano" ? $"{s} = {table}.{s}" : $"{s} = {table}.{s} + excluded.{s}"))}
            """;
    }

    private static Task<long> AskAsync(ISqlStore store, string sql) => store.WriteAsync(transaction => Convert.ToInt64(transaction.Scalar(sql), CultureInfo.InvariantCulture), CancellationToken.None);
}
