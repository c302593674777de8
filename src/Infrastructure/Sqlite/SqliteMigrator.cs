using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Sqlite;

/// <summary>Applies SQLite's scripts in the order of their names, in one transaction with the notes that they were applied.</summary>
public sealed class SqliteMigrator(SqliteDatabase database, TimeProvider time) : IStoreMigrator
{
    public int Migrate() => Migrate(Script.Embedded("sqlite"));

    internal int Migrate(IReadOnlyList<Script> scripts)
    {
        using var connection = database.OpenFile();
        using (var wal = connection.Command(null, "PRAGMA journal_mode=WAL;"))
            wal.ExecuteNonQuery();
        // IMMEDIATE: of two processes that start at once the second waits here and then finds everything applied.
        using var transaction = connection.BeginTransaction(deferred: false);
        transaction.Execute("CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT;");
        var missing = Script.Missing(scripts, transaction.Command("SELECT name, sha256 FROM schema_migrations ORDER BY name").Rows(row => (row.GetString(0), row.GetString(1))), database.Place);
        foreach (var script in missing)
        {
            transaction.Execute(script.Sql);
            transaction.Execute("INSERT INTO schema_migrations (name, sha256, applied_at) VALUES (@name, @hash, @at)", ("@name", script.Name), ("@hash", script.Hash), ("@at", UsageRow.Micros(time.GetUtcNow())));
        }

        transaction.Commit();
        return missing.Count;
    }
}
