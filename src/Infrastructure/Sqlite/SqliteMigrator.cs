using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Data.Sqlite;

namespace Tokonomics.Infrastructure.Sqlite;

/// <summary>
/// Brings the schema up to this program's version: applies the embedded scripts in the order of their names, each in a transaction with the
/// note that it was applied. Refuses a database that a newer program made, or whose scripts were not these.
/// </summary>
public sealed class SqliteMigrator(SqliteDatabase database, TimeProvider time)
{
    /// <param name="Name"><c>0001_tenants.sql</c>.</param>
    internal sealed record Script(string Name, string Sql)
    {
        public string Hash { get; } = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Sql.ReplaceLineEndings("\n"))));
    }

    /// <returns>How many scripts were applied now.</returns>
    /// <exception cref="InvalidOperationException">The database is newer than this program, or was made by other scripts.</exception>
    public int Migrate() => Migrate(Embedded());

    internal int Migrate(IReadOnlyList<Script> scripts)
    {
        using var connection = database.Open();
        Execute(connection, null, "PRAGMA journal_mode=WAL;");
        // IMMEDIATE: of two processes that start at once the second waits here and then finds everything applied.
        using var transaction = connection.BeginTransaction(deferred: false);
        Execute(connection, transaction, "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT;");
        var applied = new List<(string Name, string Hash)>();
        using (var command = connection.CreateCommand())
        {
            command.Transaction = transaction;
            command.CommandText = "SELECT name, sha256 FROM schema_migrations ORDER BY name";
            using var reader = command.ExecuteReader();
            while (reader.Read())
                applied.Add((reader.GetString(0), reader.GetString(1)));
        }

        for (var i = 0; i < applied.Count; i++)
        {
            if (i >= scripts.Count)
                throw new InvalidOperationException($"{database.FilePath} was made by a newer version: it has {applied[i].Name}, which this program doesn't know. Run the newer version, or restore a backup from before the upgrade.");
            if (applied[i].Name != scripts[i].Name || applied[i].Hash != scripts[i].Hash)
                throw new InvalidOperationException($"{database.FilePath} was made by other scripts: it has {applied[i].Name} ({applied[i].Hash[..8]}), this program {scripts[i].Name} ({scripts[i].Hash[..8]}). A script that was applied must never change; run the version that made the database.");
        }

        foreach (var script in scripts.Skip(applied.Count))
        {
            Execute(connection, transaction, script.Sql);
            using var command = connection.CreateCommand();
            command.Transaction = transaction;
            command.CommandText = "INSERT INTO schema_migrations (name, sha256, applied_at) VALUES ($name, $hash, $at)";
            command.Parameters.AddWithValue("$name", script.Name);
            command.Parameters.AddWithValue("$hash", script.Hash);
            command.Parameters.AddWithValue("$at", UsageRow.Micros(time.GetUtcNow()));
            command.ExecuteNonQuery();
        }

        transaction.Commit();
        return scripts.Count - applied.Count;
    }

    internal static IReadOnlyList<Script> Embedded()
    {
        var assembly = Assembly.GetExecutingAssembly();
        return [.. assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith("sqlite/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(name =>
            {
                using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
                return new Script(name["sqlite/".Length..], reader.ReadToEnd());
            })];
    }

    private static void Execute(SqliteConnection connection, SqliteTransaction? transaction, string sql)
    {
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
