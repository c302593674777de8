using System.Net;
using System.Text.Json;
using Npgsql;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Docs;

/// <summary>The blocks of docs/operations, as they stand there but for addresses, paths and secrets.</summary>
public sealed class OperationsBlockTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private FakeProvider _provider = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        _provider = FakeProvider.Always(FakeProvider.Json("""{"model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}"""));
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        await _provider.DisposeAsync();
        _folder.Dispose();
    }

    private string Data => Path.Combine(_folder.Path, "data");

    private KeyValuePair<string, string> ToProvider => new("Providers__openai__BaseUrl", _provider.Url.ToString().TrimEnd('/'));

    /// <returns>A live key whose provider has one that is stored.</returns>
    private static async Task<string> ProvisionAsync(string data, params KeyValuePair<string, string>[] settings)
    {
        var made = await ProductProcess.RunAsync(data, ["provision", "--tenant", "t", "--email", "a@b.example", "--plan", "pro", "--provider", "openai=sk-stored-0123456789", "--json"], environment: settings);
        made.ExitCode.ShouldBe(0, made.Errors);
        return JsonDocument.Parse(made.Output).RootElement.GetProperty("metering_key").GetString()!;
    }

    // The stored key has to be opened for it.
    private static async Task CalledAsync(Uri url, string key)
    {
        using var client = new HttpClient { BaseAddress = url, DefaultRequestHeaders = { { "Authorization", $"Bearer {key}" } } };
        for (var tries = 0; ; tries++)
        {
            using var answer = await client.PostAsync("/proxy/openai/v1/chat/completions", new StringContent(ProxyCalls.Chat("gpt-4o-mini"), System.Text.Encoding.UTF8, "application/json"), Cancel);
            if (answer.StatusCode == HttpStatusCode.OK)
                return;
            tries.ShouldBeLessThan(50, await answer.Content.ReadAsStringAsync(Cancel));
            await Task.Delay(100, Cancel);
        }
    }

    [Fact]
    [Runs("docs/operations/backup.md", 1)]
    public async Task A_backup_of_SQLite_is_made_and_verified_while_it_serves()
    {
        var key = await ProvisionAsync(Data);
        await using var product = await ProductProcess.ServeAsync(Data, [ToProvider]);
        await CalledAsync(product.Url, key);
        using var shell = new DocsShell(Data);
        (await shell.RunAsync(DocsBlock.At("docs/operations/backup.md", 1).Text, ("/backup/", _folder.Path + "/backup/"))).ShouldContain("holds   one_row_per_attempt");
        Directory.GetFiles(Path.Combine(_folder.Path, "backup/2026-11-30")).Select(Path.GetFileName).Order().ShouldBe(["master.key", "tokonomics.db"]);
    }

    [Fact]
    [Runs("docs/operations/backup.md", 2)]
    public async Task A_backup_of_PostgreSQL_is_made_and_restored_and_holds()
    {
        var server = await PostgresServer.SharedAsync();
        var database = await server.CreateDatabaseAsync();
        KeyValuePair<string, string>[] settings = [new("ConnectionStrings__Postgres", database), ToProvider];
        var key = await ProvisionAsync(Data, settings);
        await using var product = await ProductProcess.ServeAsync(Data, settings);
        await CalledAsync(product.Url, key);
        using var shell = OnServer(new DocsShell(Data), database);
        var restored = $"restored_{Guid.NewGuid():n}";
        await shell.RunAsync(DocsBlock.At("docs/operations/backup.md", 2).Text, ("tokonomics_restored", restored));
        shell.Set("ConnectionStrings__Postgres", server.ConnectionString(restored));
        (await shell.RunAsync("tokonomics verify")).ShouldContain("holds   one_row_per_attempt");
    }

    [Fact]
    [Runs("docs/operations/moving.md", 1)]
    public async Task A_move_to_PostgreSQL_ends_in_a_product_that_serves_there()
    {
        var server = await PostgresServer.SharedAsync();
        var anywhere = await server.CreateDatabaseAsync(migrated: false);
        var name = $"moved_{Guid.NewGuid():n}";
        var key = await ProvisionAsync(Data);
        using var shell = OnServer(new DocsShell(Data), anywhere);
        (await shell.RunAsync(
            DocsBlock.At("docs/operations/moving.md", 1).Text,
            ("createdb tokonomics", $"createdb {name}"), ("Host=db.example.com;Database=tokonomics;Username=tokonomics;Password=…", server.ConnectionString(name)), ("Host=db.example.com;…", server.ConnectionString(name))))
            .ShouldContain("\"status\":\"ready\"");
        await using var product = await ProductProcess.ServeAsync(Data, [new("ConnectionStrings__Postgres", server.ConnectionString(name)), ToProvider]);
        await CalledAsync(product.Url, key);
    }

    [Fact]
    [Runs("docs/operations/keys.md", 1)]
    public async Task The_master_key_in_its_file_is_changed_while_it_serves()
    {
        var key = await ProvisionAsync(Data);
        await using (var product = await ProductProcess.ServeAsync(Data, [ToProvider]))
        {
            await CalledAsync(product.Url, key);
            var before = await File.ReadAllTextAsync(Path.Combine(Data, "master.key"), Cancel);
            using var shell = new DocsShell(Data);
            // The provider's key, and the ring of the portal's cookies.
            (await shell.RunAsync(DocsBlock.At("docs/operations/keys.md", 1).Text)).ShouldMatch("master key \\w+ in use, [1-9][0-9]* secrets wrapped anew");
            (await File.ReadAllTextAsync(Path.Combine(Data, "master.key"), Cancel)).ShouldNotBe(before);
            await CalledAsync(product.Url, key);
        }

        await using var again = await ProductProcess.ServeAsync(Data, [ToProvider]);
        await CalledAsync(again.Url, key);
    }

    [Fact]
    [Runs("docs/operations/keys.md", 2)]
    public async Task The_master_key_in_the_settings_is_changed_and_the_old_one_is_not_needed_any_more()
    {
        string old = Convert.ToBase64String([.. Enumerable.Repeat((byte)1, 32)]), pepper = Convert.ToBase64String([.. Enumerable.Repeat((byte)2, 32)]);
        KeyValuePair<string, string>[] Keys(string master) => [new("Secrets__MasterKey", master), new("Secrets__Pepper", pepper), ToProvider];
        var key = await ProvisionAsync(Data, Keys(old));
        using var shell = new DocsShell(Data);
        shell.Set("Secrets__MasterKey", old).Set("Secrets__Pepper", pepper);

        // Without the switch there is nowhere to put a new key, and it says what to do.
        var (exit, said) = await shell.TryAsync("tokonomics rotate-master-key");
        exit.ShouldBe(1);
        said.ShouldContain("rotate-master-key --rewrap");
        var output = await shell.RunAsync(DocsBlock.At("docs/operations/keys.md", 2).Text + "echo \"$NEW\" > new\n");
        output.ShouldMatch("master key \\w+ in use, [1-9][0-9]* secrets wrapped anew");
        var made = (await File.ReadAllTextAsync(Path.Combine(shell.Path, "new"), Cancel)).Trim();
        (await shell.Set("Secrets__MasterKey", $"{made},{old}").RunAsync("tokonomics rotate-master-key --rewrap")).ShouldContain(" 0 secrets wrapped anew");

        await using var product = await ProductProcess.ServeAsync(Data, Keys(made));
        await CalledAsync(product.Url, key);
    }

    [Fact]
    [Runs("docs/operations/telemetry.md", 1)]
    public async Task A_scrape_by_the_pages_lines_is_what_Prometheus_takes()
    {
        var url = new Uri($"http://127.0.0.1:{ProductProcess.FreePort()}");
        using var shell = new DocsShell(Data, url);
        var lines = DocsBlock.At("docs/operations/telemetry.md", 1).Text.Replace("http://localhost:8080", url.ToString().TrimEnd('/'), StringComparison.Ordinal);
        var asks = lines.IndexOf("curl ", StringComparison.Ordinal);
        // Its process has the exports before it is asked.
        await shell.RunAsync($"{lines[..asks]}ask() {{ {lines[asks..].TrimEnd()} -sf > scraped; }}\nwhile_up \"$READY\" serve -- ask\npromtool check metrics < scraped");
        (await File.ReadAllTextAsync(Path.Combine(shell.Path, "scraped"), Cancel)).ShouldContain("tokonomics_journal_writable 1");
    }

    [Fact]
    [Runs("docs/operations/telemetry.md", 2)]
    public async Task A_collector_gets_what_the_pages_line_sends()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        using var shell = new DocsShell(Data);
        shell.Set("OTEL_METRIC_EXPORT_INTERVAL", "500");
        await shell.RunAsync(DocsBlock.At("docs/operations/telemetry.md", 2).Text + "tokonomics serve\n", ("http://collector:4318", collector.Url.ToString().TrimEnd('/')));
        await collector.WaitAsync("/v1/metrics", "tokonomics.journal.writable", "tokonomics-standalone");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [Runs("docs/operations/tls.md", 1)]
    [Runs("docs/operations/tls.md", 2)]
    public async Task An_https_address_by_the_pages_lines_answers(int number)
    {
        int plain = ProductProcess.FreePort(), secure = ProductProcess.FreePort();
        using var shell = new DocsShell(Data);
        shell.Set("READY", $"https://127.0.0.1:{secure}/readyz");
        await shell.RunAsync("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 -keyout tls.key -out tls.crt");
        var text = DocsBlock.At("docs/operations/tls.md", number).Text;
        text.ShouldContain("0.0.0.0:8443");
        var lines = text.Replace("/etc/tokonomics/", shell.Path + "/", StringComparison.Ordinal).Replace("0.0.0.0:8443", $"127.0.0.1:{secure}", StringComparison.Ordinal).Replace("0.0.0.0:8080", $"127.0.0.1:{plain}", StringComparison.Ordinal);
        (await shell.RunAsync($"set -a\n{lines}set +a\ntokonomics config check\ntokonomics serve\n")).ShouldContain("\"status\":\"ready\"");
    }

    [Fact]
    [Runs("docs/operations/tls.md", 3)]
    public async Task Settings_behind_a_balancer_are_in_order_and_serve()
    {
        using var shell = new DocsShell(Data);
        (await shell.RunAsync($"set -a\n{DocsBlock.At("docs/operations/tls.md", 3).Text}set +a\ntokonomics config check\ntokonomics serve\n")).ShouldContain("\"status\":\"ready\"");
    }

    private static DocsShell OnServer(DocsShell shell, string database)
    {
        var at = new NpgsqlConnectionStringBuilder(database);
        return shell.Set("PGHOST", at.Host!).Set("PGPORT", $"{at.Port}").Set("PGUSER", at.Username!).Set("DATABASE_URL", $"postgresql://{at.Username}@{at.Host}:{at.Port}/{at.Database}");
    }
}
