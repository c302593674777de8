using Microsoft.Data.Sqlite;
using Tokonomics.Infrastructure;

namespace Tokonomics.Tests.Sqlite;

public sealed class FileTests
{
    [Fact]
    public async Task Two_processes_that_start_at_once_on_an_empty_folder_agree_on_schema_and_keys()
    {
        var folder = Directory.CreateTempSubdirectory("tokonomics-test-").FullName;
        var stores = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => new TempStore(folder))));
        stores.Select(s => s.Get<Infrastructure.Secrets.MasterKeyRing>().CurrentId).Distinct().ShouldHaveSingleItem();
        Directory.GetFiles(folder, "master.key*").ShouldHaveSingleItem();
        foreach (var store in stores)
            await store.DisposeAsync();
        SqliteConnection.ClearAllPools();
        Directory.Delete(folder, true);
    }

    [Fact]
    public async Task The_file_is_in_WAL_mode_and_every_connection_is_durable_and_checks_references()
    {
        await using var store = new TempStore();
        store.Count("SELECT CASE journal_mode WHEN 'wal' THEN 1 ELSE 0 END FROM pragma_journal_mode").ShouldBe(1);
        store.Count("PRAGMA synchronous").ShouldBe(2); // FULL
        store.Count("PRAGMA foreign_keys").ShouldBe(1);
        store.Count("PRAGMA secure_delete").ShouldBe(1);
    }

    [Theory]
    [InlineData(false)] // then the next writer has all the work
    [InlineData(true)]
    public async Task The_log_that_grew_while_somebody_read_shrinks_afterwards(bool tidied)
    {
        await using var store = new TempStore(withDirectory: false);
        await WriteAsync("CREATE TABLE large (bytes BLOB)");
        var log = new FileInfo(store.Database.FilePath + "-wal");
        using (var reader = store.Database.Open())
        {
            using (var reading = store.Database.BeginReading(reader))
            {
                using var command = reading.Command("SELECT count(*) FROM large");
                command.ExecuteScalar();
                for (var i = 0; i < 90; i++)
                    await WriteAsync("INSERT INTO large VALUES (zeroblob(1000000))");
                log.Refresh();
                log.Length.ShouldBeGreaterThan(90_000_000);
            }

            if (tidied)
                store.Database.TidyUp(reader);
        }

        if (!tidied)
            await WriteAsync("INSERT INTO large VALUES (zeroblob(1))");
        await WriteAsync("INSERT INTO large VALUES (zeroblob(1))"); // begins the log anew
        log.Refresh();
        log.Length.ShouldBeLessThanOrEqualTo(64 << 20);

        Task WriteAsync(string sql) => store.Database.WriteAsync(transaction => transaction.Execute(sql), TestContext.Current.CancellationToken);
    }
}
