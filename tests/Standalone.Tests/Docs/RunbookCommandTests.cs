using System.Text.Json;
using Npgsql;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Docs;

/// <summary>The commands in the text of docs/operations, each in a shell beside a product that serves: what somebody types at two in the morning has to be right.</summary>
public sealed class RunbookCommandTests : IDisposable
{
    private const string Operator = "operator-token-0123456789abcdef012345";

    /// <summary>By the command as it stands: what here stands for the reader's part, and what is printed.</summary>
    private static readonly Dictionary<string, (string Page, string Here, string Printed)> OnPostgres = new()
    {
        ["curl -i $HOST/healthz"] = ("", "", "200 OK"),
        ["curl -i $HOST/readyz"] = ("", "", "\"status\":\"ready\""),
        ["curl -s $HOST/readyz"] = ("", "", "\"status\":\"ready\""),
        ["curl -i -H \"Authorization: Bearer $TOKEN\" $HOST/metrics"] = ("", "", "tokonomics_store_up"),
        ["df -h $DATA; df -i $DATA"] = ("", "", "IUse%"),
        ["df -h $DATA"] = ("", "", "Use%"),
        ["ls -l $DATA/journal"] = ("", "", ".seg"),
        ["psql \"$DB\" -c \"SELECT 1\""] = ("", "", "(1 row)"),
        ["psql \"$DB\" -c \"SELECT pid, state, wait_event_type, now() - xact_start AS since, left(query, 80) FROM pg_stat_activity WHERE datname = current_database() ORDER BY xact_start\""] = ("", "", "wait_event_type"),
        ["psql \"$DB\" -c \"SELECT pg_terminate_backend(PID)\""] = ("PID", "$BLOCKER", " t"),
        ["psql \"$DB\" -c \"SELECT provider, model, count(*) FROM usage_events WHERE price_status = 'Unpriced' AND at > (extract(epoch FROM now()) * 1000000)::bigint - 86400000000 GROUP BY 1, 2\""] = ("", "", "no-such-model"),
        ["redis-cli -u redis://… PING"] = ("redis://…", "$REDIS", "PONG"),
        ["curl -H \"Authorization: Bearer $OPERATOR\" $PORTAL/api/v1/operator/jobs"] = ("", "", "verify-ledger"),
        ["curl -X POST -H \"Authorization: Bearer $OPERATOR\" $PORTAL/api/v1/operator/jobs/{name}/run"] = ("{name}", "verify-ledger", ""),
        ["tokonomics verify"] = ("", "", "holds   one_row_per_attempt"),
        ["tokonomics nodes"] = ("", "", ""),
        ["tokonomics nodes close"] = ("nodes close", "nodes close --help", "close"),
        ["tokonomics prices check"] = ("", "", "sheets"),
        ["tokonomics rerate"] = ("rerate", "rerate --month 2026-11", ""),
        ["tokonomics config check"] = ("", "", "The settings are in order."),
        ["tokonomics provision"] = ("provision", "provision --tenant further --email b@b.example", "mk_live_"),
        ["tokonomics sandbox"] = ("sandbox", "sandbox --port $FREE", "the sandbox answers"),
        ["tokonomics --version"] = ("", "", "0.1.0"),
    };

    private static readonly Dictionary<string, string> OnSqlite = new() { ["fuser $DATA/tokonomics.db"] = "tokonomics.db:" };

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    internal static bool Runs(string command) => OnPostgres.ContainsKey(command) || OnSqlite.ContainsKey(command);

    [Fact]
    public void Every_command_here_stands_on_a_page()
    {
        var there = Directory.EnumerateFiles(Path.Combine(TestFolder.Root, "docs/operations"), "*.md").SelectMany(f => DocsBlock.CommandsIn("docs/operations/" + Path.GetFileName(f))).ToHashSet();
        OnPostgres.Keys.Concat(OnSqlite.Keys).Where(c => !there.Contains(c)).ShouldBeEmpty();
    }

    [Fact]
    public async Task They_run_beside_a_product_on_PostgreSQL()
    {
        var server = await PostgresServer.SharedAsync();
        await using var redis = await RedisServer.StartAsync();
        var database = await server.CreateDatabaseAsync();
        var at = new NpgsqlConnectionStringBuilder(database);
        KeyValuePair<string, string>[] settings =
        [
            new("ConnectionStrings__Postgres", database), new("Telemetry__Prometheus", "true"), new("Telemetry__PrometheusToken", Exposition.Token), new("Portal__OperatorTokens", Operator),
            new("Providers__openai__BaseUrl", "http://127.0.0.1:9"),
        ];
        await using var provider = FakeProvider.Always(FakeProvider.Json("""{"model":"no-such-model","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}"""));
        settings[^1] = new("Providers__openai__BaseUrl", provider.Url.ToString().TrimEnd('/'));
        await using var product = await ProductProcess.ServeAsync(_folder.Path, settings);
        var made = await ProductProcess.RunAsync(_folder.Path, ["provision", "--tenant", "t", "--email", "a@b.example", "--provider", "openai=sk-0123456789", "--json"], environment: settings);
        made.ExitCode.ShouldBe(0, made.Errors);
        await UnpricedAsync(product.Url, JsonDocument.Parse(made.Output).RootElement.GetProperty("metering_key").GetString()!, database);
        await using var blocker = new NpgsqlConnection(database + ";Pooling=false");
        await blocker.OpenAsync(TestContext.Current.CancellationToken);

        using var shell = new DocsShell(_folder.Path);
        foreach (var (name, value) in settings)
            shell.Set(name, value);
        shell.Set("HOST", product.Url.ToString().TrimEnd('/')).Set("PORTAL", product.Url.ToString().TrimEnd('/')).Set("TOKEN", Exposition.Token).Set("OPERATOR", Operator).Set("DATA", _folder.Path)
            .Set("DB", $"postgresql://{at.Username}@{at.Host}:{at.Port}/{at.Database}").Set("BLOCKER", $"{blocker.ProcessID}").Set("REDIS", $"redis://{redis.ConnectionString}").Set("FREE", $"{ProductProcess.FreePort()}");
        foreach (var (command, (page, here, printed)) in OnPostgres)
            (await shell.RunAsync(command, page.Length > 0 ? [(page, here)] : [])).ShouldContain(printed, Case.Sensitive, command);
    }

    [Fact]
    public async Task They_run_beside_a_product_on_SQLite()
    {
        await using var product = await ProductProcess.ServeAsync(_folder.Path);
        using var shell = new DocsShell(_folder.Path);
        shell.Set("DATA", _folder.Path);
        foreach (var (command, printed) in OnSqlite)
            (await shell.RunAsync(command)).ShouldContain(printed, Case.Sensitive, command);
    }

    // A call that the query of unpriced calls has to find.
    private static async Task UnpricedAsync(Uri url, string key, string database)
    {
        using var client = new HttpClient { BaseAddress = url, DefaultRequestHeaders = { { "Authorization", $"Bearer {key}" } } };
        await using var source = NpgsqlDataSource.Create(database);
        await using var count = source.CreateCommand("SELECT count(*) FROM usage_events WHERE model = 'no-such-model'");
        for (var tries = 0; (long)(await count.ExecuteScalarAsync())! == 0; tries++)
        {
            tries.ShouldBeLessThan(300);
            using var answer = await client.PostAsync("/proxy/openai/v1/chat/completions", new StringContent(ProxyCalls.Chat("no-such-model"), System.Text.Encoding.UTF8, "application/json"));
            await Task.Delay(200);
        }
    }
}
