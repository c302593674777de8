using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Postgres;

/// <summary>
/// Applies PostgreSQL's scripts in the order of their names, in one transaction with the notes that they were applied, and sees to the partitions. Of
/// nodes that start at once the first does it under a lock, the others then find everything applied.
/// </summary>
public sealed class PostgresMigrator(PostgresDatabase database, PostgresPartitions partitions, TimeProvider time) : IStoreMigrator
{
    private const string Oldest = "130000"; // row triggers on partitioned tables, SHARE UPDATE EXCLUSIVE to attach a partition

    public int Migrate() => Migrate(Script.Embedded("postgres"));

    internal int Migrate(IReadOnlyList<Script> scripts)
    {
        var applied = Apply(scripts);
        partitions.Ensure();
        return applied;
    }

    private int Apply(IReadOnlyList<Script> scripts)
    {
        using var connection = database.OpenConnection();
        if (string.CompareOrdinal((string)connection.Scalar("SHOW server_version_num")!, Oldest) < 0)
            throw new InvalidOperationException($"{database.Place} is PostgreSQL {connection.PostgreSqlVersion}: version 13 or newer is needed.");
        using var transaction = connection.BeginTransaction();
        using (var wait = transaction.Command($"SELECT pg_advisory_xact_lock({PostgresDatabase.Key("'tokonomics: migration'")})"))
        {
            wait.CommandTimeout = 0; // as long as the one that is at it needs
            wait.ExecuteNonQuery();
        }

        transaction.Execute("CREATE TABLE IF NOT EXISTS schema_migrations (name text COLLATE \"C\" NOT NULL PRIMARY KEY, sha256 text NOT NULL, applied_at bigint NOT NULL)");
        var missing = Script.Missing(scripts, transaction.Command("SELECT name, sha256 FROM schema_migrations ORDER BY name").Rows(row => (row.GetString(0), row.GetString(1))), database.Place);
        foreach (var script in missing)
        {
            using (var command = transaction.Command(script.Sql))
            {
                command.CommandTimeout = 0;
                command.ExecuteNonQuery();
            }

            transaction.Execute("INSERT INTO schema_migrations (name, sha256, applied_at) VALUES (@name, @hash, @at)", ("@name", script.Name), ("@hash", script.Hash), ("@at", UsageRow.Micros(time.GetUtcNow())));
        }

        transaction.Commit();
        return missing.Count;
    }
}
