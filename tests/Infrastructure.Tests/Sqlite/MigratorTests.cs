using Microsoft.Data.Sqlite;
using Tokonomics.Infrastructure.Sqlite;

namespace Tokonomics.Tests.Sqlite;

public sealed class MigratorTests
{
    [Fact]
    public async Task Scripts_are_applied_once_and_an_older_database_is_brought_up_to_date()
    {
        await using var store = new TempStore();
        var migrator = store.Get<SqliteMigrator>();
        migrator.Migrate().ShouldBe(0);
        migrator.Migrate([.. SqliteMigrator.Embedded(), new SqliteMigrator.Script("9000_more.sql", "CREATE TABLE more (id INTEGER PRIMARY KEY);")]).ShouldBe(1);
        store.Count("SELECT count(*) FROM more").ShouldBe(0);
    }

    [Fact]
    public async Task A_newer_database_is_refused()
    {
        await using var store = new TempStore();
        store.Execute("INSERT INTO schema_migrations VALUES ('9999_future.sql', 'abcdefgh', 0)");
        Should.Throw<InvalidOperationException>(() => store.Get<SqliteMigrator>().Migrate()).Message.ShouldContain("newer version: it has 9999_future.sql");
    }

    [Fact]
    public async Task A_database_made_by_other_scripts_is_refused()
    {
        await using var store = new TempStore();
        store.Execute("UPDATE schema_migrations SET sha256 = 'ffffffffff' WHERE name = '0001_tenants.sql'");
        Should.Throw<InvalidOperationException>(() => store.Get<SqliteMigrator>().Migrate()).Message.ShouldContain("made by other scripts: it has 0001_tenants.sql (ffffffff)");
    }

    [Fact]
    public async Task A_script_that_fails_leaves_the_schema_as_it_was()
    {
        await using var store = new TempStore();
        Should.Throw<SqliteException>(() => store.Get<SqliteMigrator>().Migrate([.. SqliteMigrator.Embedded(), new SqliteMigrator.Script("9000_bad.sql", "CREATE TABLE half (id INTEGER); CREATE TABL oops;")]));
        store.Count("SELECT count(*) FROM sqlite_master WHERE name = 'half'").ShouldBe(0);
        store.Get<SqliteMigrator>().Migrate().ShouldBe(0);
    }

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

    [Fact]
    public async Task The_audit_log_and_price_versions_are_append_only()
    {
        await using var store = new TempStore();
        await store.ProvisionAsync();
        store.Execute("INSERT INTO price_versions VALUES ('v1', '{}', 0)");
        foreach (var table in new[] { "audit_log", "price_versions" })
        {
            store.Count($"SELECT count(*) FROM {table}").ShouldBeGreaterThan(0);
            Should.Throw<SqliteException>(() => store.Execute($"DELETE FROM {table}")).Message.ShouldContain("append-only");
        }

        Should.Throw<SqliteException>(() => store.Execute("UPDATE audit_log SET actor = 'x'")).Message.ShouldContain("append-only");
        Should.Throw<SqliteException>(() => store.Execute("UPDATE price_versions SET canonical = '[]'")).Message.ShouldContain("append-only");
    }
}
