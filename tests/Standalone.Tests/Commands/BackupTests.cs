using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Npgsql;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Commands;

/// <summary>Backups as docs/operations/backup.md has them: taken under load, brought back elsewhere, whole.</summary>
public sealed class BackupTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly TestFolder _elsewhere = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _folder.Dispose();
        _elsewhere.Dispose();
    }

    [Fact]
    public async Task A_copy_of_the_file_taken_while_calls_go_on_is_whole_and_serves_elsewhere()
    {
        var key = await ProvisionAsync(_folder.Path);
        var backup = Path.Combine(_elsewhere.Path, "monday");
        var copied = 0;
        await using (var product = await ProductProcess.ServeAsync(_folder.Path))
        {
            await UnderLoadAsync(product.Url, key, async answered =>
            {
                while (answered() < 50)
                    await Task.Delay(5, Cancel);
                var taken = await ProductProcess.RunAsync(_folder.Path, ["backup", "--to", backup]);
                taken.ExitCode.ShouldBe(0, taken.Errors);
                taken.Output.ShouldContain("and master.key");
                copied = answered();
            });
            // None is written over.
            (await ProductProcess.RunAsync(_folder.Path, ["backup", "--to", backup])).ExitCode.ShouldBe(1);
            (await product.TerminateAsync()).ShouldBe(0);
        }

        Directory.GetFiles(backup).Select(Path.GetFileName).Order().ShouldBe(["master.key", "tokonomics.db"]);
        var verified = await ProductProcess.RunAsync(backup, ["verify"]);
        verified.ExitCode.ShouldBe(0, verified.Output + verified.Errors);
        await using (var restored = await ProductProcess.ServeAsync(backup))
        {
            (await ProxyCalls.CallAsync(restored.Url, key)).ShouldBe(HttpStatusCode.OK);
            (await restored.TerminateAsync()).ShouldBe(0);
        }

        copied.ShouldBeGreaterThan(50);
        (await ProductProcess.RunAsync(backup, ["verify"])).ExitCode.ShouldBe(0);

        // Beside the newer journal of a killed product: what the copy lacks and the journal has comes again, once.
        await using (var product = await ProductProcess.ServeAsync(_folder.Path))
        {
            for (var i = 0; i < 10; i++)
                (await ProxyCalls.CallAsync(product.Url, key)).ShouldBe(HttpStatusCode.OK);
            await product.KillAsync();
        }

        foreach (var file in Directory.GetFiles(_folder.Path, "tokonomics.db*"))
            File.Delete(file);
        File.Copy(Path.Combine(backup, "tokonomics.db"), Path.Combine(_folder.Path, "tokonomics.db"));
        await using (var back = await ProductProcess.ServeAsync(_folder.Path))
            (await back.TerminateAsync()).ShouldBe(0);
        (await ProductProcess.RunAsync(_folder.Path, ["verify"])).ExitCode.ShouldBe(0);
    }

    [Fact]
    public async Task A_dump_of_PostgreSQL_taken_while_calls_go_on_is_whole_and_serves_elsewhere()
    {
        var server = await PostgresServer.SharedAsync();
        var database = await server.CreateDatabaseAsync(migrated: false);
        KeyValuePair<string, string>[] settings = [new("ConnectionStrings__Postgres", database)];
        var dump = Path.Combine(_elsewhere.Path, "tokonomics.dump");
        var key = await ProvisionAsync(_folder.Path, settings);
        await using (var product = await ProductProcess.ServeAsync(_folder.Path, settings))
        {
            (await ProductProcess.RunAsync(_folder.Path, ["backup", "--to", dump], environment: settings)).Errors.ShouldContain("pg_dump");
            await UnderLoadAsync(product.Url, key, async answered =>
            {
                while (answered() < 50)
                    await Task.Delay(5, Cancel);
                await ToolAsync("pg_dump", database, "--format=custom", "--file", dump);
            });
            (await product.TerminateAsync()).ShouldBe(0);
        }

        var restored = await server.CreateDatabaseAsync(migrated: false);
        await ToolAsync("pg_restore", restored, "--no-owner", "--exit-on-error", dump);
        KeyValuePair<string, string>[] there = [new("ConnectionStrings__Postgres", restored)];
        var elsewhere = Directory.CreateDirectory(Path.Combine(_elsewhere.Path, "data")).FullName;
        File.Copy(Path.Combine(_folder.Path, "master.key"), Path.Combine(elsewhere, "master.key"));
        var verified = await ProductProcess.RunAsync(elsewhere, ["verify"], environment: there);
        verified.ExitCode.ShouldBe(0, verified.Output + verified.Errors);
        await using (var product = await ProductProcess.ServeAsync(elsewhere, there))
        {
            (await ProxyCalls.CallAsync(product.Url, key)).ShouldBe(HttpStatusCode.OK);
            (await product.TerminateAsync()).ShouldBe(0);
        }

        (await ProductProcess.RunAsync(elsewhere, ["verify"], environment: there)).ExitCode.ShouldBe(0);
    }

    private static async Task<string> ProvisionAsync(string folder, params KeyValuePair<string, string>[] settings)
    {
        var made = await ProductProcess.RunAsync(folder, ["provision", "--tenant", "t", "--email", "a@b.example", "--plan", "pro", "--json"], environment: settings);
        made.ExitCode.ShouldBe(0, made.Errors);
        return JsonDocument.Parse(made.Output).RootElement.GetProperty("test_key").GetString()!;
    }

    private static async Task UnderLoadAsync(Uri url, string key, Func<Func<int>, Task> work)
    {
        using var over = new CancellationTokenSource();
        var answered = 0;
        var load = Enumerable.Range(0, 6).Select(_ => Task.Run(async () =>
        {
            while (!over.IsCancellationRequested)
                if (await ProxyCalls.CallAsync(url, key) == HttpStatusCode.OK)
                    Interlocked.Increment(ref answered);
        }, Cancel)).ToList();
        await work(() => Volatile.Read(ref answered));
        await over.CancelAsync();
        await Task.WhenAll(load);
    }

    private static async Task ToolAsync(string program, string database, params string[] arguments)
    {
        var at = new NpgsqlConnectionStringBuilder(database);
        var start = new ProcessStartInfo(program, ["--host", at.Host!, "--port", $"{at.Port}", "--username", at.Username!, "--dbname", at.Database!, .. arguments]) { RedirectStandardError = true };
        start.Environment["PGPASSWORD"] = at.Password;
        using var process = Process.Start(start)!;
        var errors = await process.StandardError.ReadToEndAsync(Cancel);
        await process.WaitForExitAsync(Cancel);
        process.ExitCode.ShouldBe(0, errors);
    }
}
