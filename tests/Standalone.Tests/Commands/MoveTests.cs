using System.Data.Common;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Npgsql;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Commands;

/// <summary>From one file to PostgreSQL by one command, after a kill in the middle of calls: every row of every table, and what only the journal had.</summary>
public sealed class MoveTests : IDisposable
{
    private readonly TestFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    private Task<(int ExitCode, string Output, string Errors)> RunAsync(params string[] arguments) => ProductProcess.RunAsync(_folder.Path, arguments);

    [Fact]
    public async Task Everything_of_the_file_is_in_PostgreSQL_and_what_the_journal_had_comes_after_it()
    {
        // 1. A product with a past: four months of invented traffic, budgets, alerts, a user; and calls that a kill cuts off.
        var demo = await RunAsync("demo", "--days", "100", "--events", "3000", "--seed", "5");
        demo.ExitCode.ShouldBe(0, demo.Errors);
        var made = await RunAsync("provision", "--tenant", "t", "--email", "a@b.example", "--plan", "pro", "--provider", "openai=sk-0123456789", "--json");
        var tenant = JsonDocument.Parse(made.Output).RootElement;
        var (key, token, id) = (tenant.GetProperty("test_key").GetString()!, tenant.GetProperty("api_token").GetString()!, tenant.GetProperty("tenant_id").GetString()!);
        var answered = 0;
        await using (var product = await ProductProcess.ServeAsync(_folder.Path))
        {
            await ApiAsync(product.Url, token, HttpMethod.Post, "budgets", """{"scope":{"type":"tenant"},"environment":"test","period":"month","limit_usd":"50.00"}""");
            var load = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
            {
                try
                {
                    for (var i = 0; i < 200; i++)
                        if (await ProxyCalls.CallAsync(product.Url, key) == HttpStatusCode.OK)
                            Interlocked.Increment(ref answered);
                }
                catch (HttpRequestException)
                {
                    // It was killed.
                }
            }, Cancel)).ToList();
            while (Volatile.Read(ref answered) < 100)
                await Task.Delay(5, Cancel);
            await product.KillAsync();
            await Task.WhenAll(load);
        }

        Directory.GetFiles(Path.Combine(_folder.Path, "journal"), "*.seg").ShouldNotBeEmpty("a killed proxy leaves its journal");

        // 2. Not to a database that somebody has, nor while it serves.
        var server = await PostgresServer.SharedAsync();
        var used = await server.CreateDatabaseAsync(migrated: false);
        (await ProductProcess.RunAsync(_folder.Path, ["provision", "--tenant", "other", "--email", "c@d.example"], environment: [new("ConnectionStrings__Postgres", used)])).ExitCode.ShouldBe(0);
        var refused = await RunAsync("move", "--to", used);
        (refused.ExitCode, refused.Errors).ShouldSatisfyAllConditions(r => r.ExitCode.ShouldBe(1), r => r.Errors.ShouldContain("Move to an empty database."));
        await using (await ProductProcess.ServeAsync(_folder.Path))
            (await RunAsync("move", "--to", used)).Errors.ShouldContain("another Tokonomics serves from");

        // The start above has shipped the journal: kill one more, so that there is one to be left behind.
        await using (var product = await ProductProcess.ServeAsync(_folder.Path))
        {
            for (var i = 0; i < 20; i++)
                if (await ProxyCalls.CallAsync(product.Url, key) == HttpStatusCode.OK)
                    answered++;
            await product.KillAsync();
        }

        // 3. All of it.
        var empty = await server.CreateDatabaseAsync(migrated: false);
        var before = Tables();
        var moved = await RunAsync("move", "--to", empty);
        moved.ExitCode.ShouldBe(0, moved.Output + moved.Errors);
        moved.Output.ShouldContain("invariants hold there");
        await using (var target = new NpgsqlConnection(empty))
        {
            await target.OpenAsync(Cancel);
            before.Count.ShouldBeGreaterThan(50);
            foreach (var (table, (columns, rows)) in before)
            {
                await using var select = new NpgsqlCommand($"SELECT {columns} FROM {table}", target);
                Rows(select).ShouldBe(rows, ignoreOrder: true, customMessage: table);
            }
        }

        // 4. Nobody goes on with the file by mistake, and nothing is moved twice.
        (await RunAsync("verify")).Errors.ShouldContain("was moved to PostgreSQL 127.0.0.1");
        (await RunAsync("move", "--to", empty)).Errors.ShouldContain("was moved to PostgreSQL 127.0.0.1");

        // 5. The product goes on there: the same keys, budgets and numbers, and every call that was answered.
        KeyValuePair<string, string>[] settings = [new("ConnectionStrings__Postgres", empty)];
        await using (var product = await ProductProcess.ServeAsync(_folder.Path, settings))
        {
            (await ProxyCalls.CallAsync(product.Url, key)).ShouldBe(HttpStatusCode.OK);
            answered++;
            var budget = (await ApiAsync(product.Url, token, HttpMethod.Get, "budgets")).GetProperty("data")[0];
            budget.GetProperty("limit_usd").GetString().ShouldBe("50");
            (await product.TerminateAsync()).ShouldBe(0, product.Output);
        }

        await using (var target = new NpgsqlConnection(empty))
        {
            await target.OpenAsync(Cancel);
            await using var count = new NpgsqlCommand("SELECT count(*) FROM usage_events WHERE tenant_id = @tenant AND outcome = 'Completed'", target);
            count.Parameters.AddWithValue("tenant", id);
            ((long)(await count.ExecuteScalarAsync(Cancel))!).ShouldBeGreaterThanOrEqualTo(answered);
        }

        var verified = await ProductProcess.RunAsync(_folder.Path, ["verify"], environment: settings);
        verified.ExitCode.ShouldBe(0, verified.Output);
    }

    private static async Task<JsonElement> ApiAsync(Uri url, string token, HttpMethod method, string path, string? body = null)
    {
        using var client = new HttpClient { BaseAddress = url, DefaultRequestHeaders = { { "Authorization", $"Bearer {token}" } } };
        using var request = new HttpRequestMessage(method, $"/api/v1/{path}") { Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json") };
        using var answer = await client.SendAsync(request, Cancel);
        var text = await answer.Content.ReadAsStringAsync(Cancel);
        answer.IsSuccessStatusCode.ShouldBeTrue(text);
        return JsonDocument.Parse(text).RootElement;
    }

    // Every table of the file with its rows as text, but for those that each store writes for itself: invariant_checks is what its last verification found.
    private Dictionary<string, (string Columns, List<string> Rows)> Tables()
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(_folder.Path, "tokonomics.db")};Pooling=False");
        connection.Open();
        var tables = new Dictionary<string, (string, List<string>)>();
        using var names = new SqliteCommand("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT IN ('schema_migrations', 'store_facts', 'invariant_checks')", connection);
        foreach (var table in Rows(names))
        {
            using var info = new SqliteCommand($"SELECT group_concat(name, ', ') FROM pragma_table_info('{table}')", connection);
            var columns = Rows(info).Single();
            using var select = new SqliteCommand($"SELECT {columns} FROM {table}", connection);
            tables.Add(table, (columns, Rows(select)));
        }

        return tables;
    }

    private static List<string> Rows(DbCommand select)
    {
        using var row = select.ExecuteReader();
        var rows = new List<string>();
        while (row.Read())
            rows.Add(string.Join('|', Enumerable.Range(0, row.FieldCount).Select(i => row.GetValue(i) switch
            {
                bool yes => yes ? "1" : "0",
                byte[] bytes => Convert.ToHexString(bytes),
                IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
                var other => other.ToString(),
            })));
        return rows;
    }
}
