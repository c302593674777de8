using System.Data.Common;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Postgres;
using Tokonomics.Infrastructure.Sqlite;

namespace Tokonomics.Tests;

/// <summary>How every store's schema is brought up to date.</summary>
public abstract class MigratorTests<TKind>(string scripts)
    where TKind : IStoreKind, new()
{
    private static readonly TKind Kind = new();

    internal abstract int Migrate(TempStore store, params Script[] more);

    [Fact]
    public async Task Scripts_are_applied_once_and_an_older_database_is_brought_up_to_date()
    {
        await using var store = await Kind.NewAsync();
        store.Get<IStoreMigrator>().Migrate().ShouldBe(0);
        Migrate(store, new Script("9000_more.sql", "CREATE TABLE more (id INTEGER PRIMARY KEY);")).ShouldBe(1);
        store.Count("SELECT count(*) FROM more").ShouldBe(0);
        store.Count("SELECT count(*) FROM schema_migrations").ShouldBe(Script.Embedded(scripts).Count + 1);
    }

    [Fact]
    public async Task A_newer_database_is_refused()
    {
        await using var store = await Kind.NewAsync();
        store.Execute("INSERT INTO schema_migrations VALUES ('9999_future.sql', 'abcdefgh', 0)");
        Should.Throw<InvalidOperationException>(() => store.Get<IStoreMigrator>().Migrate()).Message.ShouldContain("newer version: it has 9999_future.sql");
    }

    [Fact]
    public async Task A_database_made_by_other_scripts_is_refused()
    {
        await using var store = await Kind.NewAsync();
        store.Execute("UPDATE schema_migrations SET sha256 = 'ffffffffff' WHERE name = '0001_tenants.sql'");
        Should.Throw<InvalidOperationException>(() => store.Get<IStoreMigrator>().Migrate()).Message.ShouldContain("made by other scripts: it has 0001_tenants.sql (ffffffff)");
    }

    [Fact]
    public async Task A_script_that_fails_leaves_the_schema_as_it_was()
    {
        await using var store = await Kind.NewAsync();
        Should.Throw<DbException>(() => Migrate(store, new Script("9000_bad.sql", "CREATE TABLE half (id INTEGER); CREATE TABL oops;")));
        Should.Throw<DbException>(() => store.Count("SELECT count(*) FROM half"));
        store.Get<IStoreMigrator>().Migrate().ShouldBe(0);
    }

    [Fact]
    public async Task A_database_written_with_another_pepper_is_refused()
    {
        await using var store = await Kind.NewAsync();
        store.Execute("UPDATE store_facts SET value = 'ffffffffffffffff' WHERE name = 'pepper_check'");
        Should.Throw<InvalidOperationException>(() => store.Get<StoreStart>().Run()).Message.ShouldContain("the database has ffffffff");
    }

    [Fact]
    public async Task The_audit_log_and_price_versions_are_append_only()
    {
        await using var store = await Kind.NewAsync();
        await store.ProvisionAsync();
        store.Execute("INSERT INTO price_versions VALUES ('v1', '{}', 0)");
        foreach (var table in new[] { "audit_log", "price_versions" })
        {
            store.Count($"SELECT count(*) FROM {table}").ShouldBeGreaterThan(0);
            Should.Throw<DbException>(() => store.Execute($"DELETE FROM {table}")).Message.ShouldContain("append-only");
        }

        Should.Throw<DbException>(() => store.Execute("UPDATE audit_log SET actor = 'x'")).Message.ShouldContain("append-only");
        Should.Throw<DbException>(() => store.Execute("UPDATE price_versions SET canonical = '[]'")).Message.ShouldContain("append-only");
    }
}

public sealed class SqliteMigratorTests() : MigratorTests<OnSqlite>("sqlite")
{
    internal override int Migrate(TempStore store, params Script[] more) => ((SqliteMigrator)store.Get<IStoreMigrator>()).Migrate([.. Script.Embedded("sqlite"), .. more]);
}

public sealed class PostgresMigratorTests() : MigratorTests<OnPostgres>("postgres")
{
    internal override int Migrate(TempStore store, params Script[] more) => store.Get<PostgresMigrator>().Migrate([.. Script.Embedded("postgres"), .. more]);
}
