using System.Diagnostics;
using Microsoft.Data.Sqlite;
using Tokonomics.Application.Ledger;
using Tokonomics.Infrastructure.Sqlite;

namespace Tokonomics.Tests.Sqlite;

public sealed class SpeedTests(ITestOutputHelper output)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)] // as in production: a batch falls into one hour
    [InlineData(72)] // the worst case: nearly every event has a rollup row of its own
    public async Task The_ledger_takes_thousands_of_events_a_second(int hours)
    {
        await using var store = new TempStore();
        var ledger = store.Get<IUsageLedger>();
        var events = Some.Events(7, 30_000, hours: hours);
        await ledger.AppendAsync(events[..1000], Cancel);
        var watch = Stopwatch.StartNew();
        for (var i = 1000; i < events.Count; i += 1000)
            await ledger.AppendAsync(events.GetRange(i, 1000), Cancel);
        var rate = 29_000 / watch.Elapsed.TotalSeconds;
        output.WriteLine($"{rate:f0} events/s in batches of 1000 over {hours} h, rollups and fsync included");
        rate.ShouldBeGreaterThan(1000);
    }

    [Fact]
    public async Task No_statement_of_a_batch_goes_through_the_whole_ledger()
    {
        await using var store = new TempStore();
        await store.Get<IUsageLedger>().AppendAsync(Some.Events(7, 100), Cancel);
        var statements = ((SqliteUsageLedger)store.Get<IUsageLedger>()).OverNewRows;
        statements.Count.ShouldBe(4);
        using var connection = store.Get<SqliteDatabase>().OpenFile();
        foreach (var statement in statements)
        {
            var plan = Plan(connection, statement, ("@after", 1), ("@late", 1));
            plan.ShouldContain(step => step.StartsWith("SEARCH usage_events USING INTEGER PRIMARY KEY", StringComparison.Ordinal), statement);
            plan.ShouldNotContain(step => step.StartsWith("SCAN usage_events", StringComparison.Ordinal), statement);
        }
    }

    [Fact]
    public async Task No_posting_goes_through_all_accounts()
    {
        await using var store = new TempStore();
        using var connection = store.Get<SqliteDatabase>().OpenFile();
        foreach (var statement in ((SqliteUsageLedger)store.Get<IUsageLedger>()).OfBudgets)
        {
            var plan = Plan(connection, statement, ("@rows", "[]"), ("@at", 1));
            plan.ShouldContain("SCAN json_each VIRTUAL TABLE INDEX 1:", statement);
            plan.ShouldNotContain(step => step.StartsWith("SCAN budget_", StringComparison.Ordinal), statement);
        }
    }

    // SQLite's own words for how it goes about a statement.
    private static List<string> Plan(SqliteConnection connection, string statement, params (string Name, object Value)[] parameters)
    {
        using var explain = connection.CreateCommand();
        explain.CommandText = "EXPLAIN QUERY PLAN " + statement;
        foreach (var (name, value) in parameters)
            if (statement.Contains(name, StringComparison.Ordinal))
                explain.Parameters.AddWithValue(name, value);
        var plan = new List<string>();
        using var rows = explain.ExecuteReader();
        while (rows.Read())
            plan.Add(rows.GetString(3));
        return plan;
    }
}
