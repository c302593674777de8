using Microsoft.Data.Sqlite;

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
}
