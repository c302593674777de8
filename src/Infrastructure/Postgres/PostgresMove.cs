using System.Globalization;
using Microsoft.Data.Sqlite;
using Npgsql;
using NpgsqlTypes;
using Tokonomics.Infrastructure.Ledger;
using Tokonomics.Infrastructure.Sqlite;

namespace Tokonomics.Infrastructure.Postgres;

/// <summary>A table that was moved.</summary>
/// <param name="Rows">How many rows it had, and has.</param>
public sealed record MovedTable(string Name, long Rows);

/// <summary>
/// Moves everything from the SQLite file to an empty PostgreSQL database, in one transaction there: all of it is there, or nothing. Both have the same tables and columns, so that the tables are read from PostgreSQL's own catalog
/// and none can be forgotten. Leases and what is held go along; what a journal still has goes to PostgreSQL when a proxy starts on it. Nobody may serve meanwhile.
/// </summary>
public sealed class PostgresMove(SqliteDatabase from, PostgresDatabase to, PostgresPartitions partitions)
{
    private sealed record Column(string Name, string Type);

    /// <summary>Whether the target has anything in it that isn't the schema's own.</summary>
    /// <exception cref="InvalidOperationException">It has, or the file was moved already.</exception>
    public void Check()
    {
        using var source = from.OpenFile();
        if (source.Scalar(StoreStart.MovedTo) is string already)
            throw new InvalidOperationException($"{from.Place} was moved to {already} already: set ConnectionStrings:Postgres to it.");
        using var target = to.OpenConnection();
        foreach (var table in Tables(target))
            if (table is not "store_facts" && target.Scalar($"SELECT 1 FROM {table} LIMIT 1") is not null)
                throw new InvalidOperationException($"{to.Place} has rows in {table}: what is there would be mixed with what comes. Move to an empty database. Where an earlier move has reached it, set ConnectionStrings:Postgres to it.");
        if (target.Scalar("SELECT 1 FROM store_facts WHERE name = 'pepper_check'") is not null)
            throw new InvalidOperationException($"{to.Place} was used by a Tokonomics already, with keys of its own. Move to an empty database.");
    }

    /// <param name="moved">Told of each table as it is copied.</param>
    /// <exception cref="InvalidOperationException">A table didn't arrive whole; nothing was changed.</exception>
    public IReadOnlyList<MovedTable> Run(Action<MovedTable>? moved = null)
    {
        Check();
        using var source = from.OpenFile();
        using var reading = (SqliteTransaction)from.BeginReading(source);
        if (reading.Command("SELECT min(at) FROM usage_events").Rows(row => row.IsDBNull(0) ? (long?)null : row.GetInt64(0))[0] is { } oldest)
            partitions.Ensure(UsageRow.Time(oldest));

        using var target = to.OpenConnection();
        using var writing = target.BeginTransaction();
        var tables = Tables(target);
        // What each row would set off has happened, in SQLite: its traces are rows of other tables, and come as such.
        foreach (var table in tables)
            writing.Execute($"ALTER TABLE {table} DISABLE TRIGGER USER");
        writing.Execute("DELETE FROM store_facts");
        var all = new List<MovedTable>();
        foreach (var table in tables)
        {
            var rows = Copy(reading, target, table, Columns(writing, table));
            var arrived = (long)writing.Command($"SELECT count(*) FROM {table}").Rows(row => row.GetInt64(0))[0];
            if (arrived != rows)
                throw new InvalidOperationException($"{table} has {rows} rows in {from.Place}, and {arrived} arrived. Nothing was changed.");
            all.Add(new MovedTable(table, rows));
            moved?.Invoke(all[^1]);
        }

        foreach (var (table, column) in writing.Command("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() AND is_identity = 'YES'").Rows(row => (row.GetString(0), row.GetString(1))))
            writing.Command($"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), greatest((SELECT max({column}) FROM {table}), 1), EXISTS (SELECT 1 FROM {table}))").Rows(_ => true);
        // What is checked at a transaction's end alone, now: a table whose rows wait for that can't be altered.
        writing.Execute("SET CONSTRAINTS ALL IMMEDIATE");
        foreach (var table in tables)
            writing.Execute($"ALTER TABLE {table} ENABLE TRIGGER USER");
        writing.Commit();

        using (var analyze = target.Command(null, "ANALYZE"))
        {
            analyze.CommandTimeout = 0;
            analyze.ExecuteNonQuery();
        }

        return all;
    }

    /// <summary>From now on nothing starts on the file.</summary>
    public void Leave()
    {
        using var source = from.OpenFile();
        using var note = source.Command(null, "INSERT INTO store_facts (name, value) VALUES ('moved_to', @place)", ("@place", to.Place));
        note.ExecuteNonQuery();
    }

    // Who is referred to comes before who refers.
    private static List<string> Tables(NpgsqlConnection target)
    {
        var all = target.Command(null, """
            SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'schema_migrations' AND c.relname NOT LIKE 'qrtz%' ORDER BY c.relname
            """).Rows(row => row.GetString(0));
        var needs = target.Command(null, "SELECT DISTINCT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid").Rows(row => (Of: row.GetString(0), On: row.GetString(1)));
        var ordered = new List<string>();
        while (ordered.Count < all.Count)
        {
            var next = all.Where(t => !ordered.Contains(t) && needs.All(n => n.Of != t || ordered.Contains(n.On) || !all.Contains(n.On))).ToList();
            if (next.Count == 0)
                throw new InvalidOperationException($"the tables of {target.Database} refer to each other in a circle: {string.Join(", ", all.Except(ordered))}");
            ordered.AddRange(next);
        }

        return ordered;
    }

    private static List<Column> Columns(NpgsqlTransaction writing, string table) => writing.Command(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = @table AND is_generated = 'NEVER' ORDER BY ordinal_position", ("@table", table))
        .Rows(row => new Column(row.GetString(0), row.GetString(1)));

    private static long Copy(SqliteTransaction reading, NpgsqlConnection target, string table, List<Column> columns)
    {
        var names = string.Join(", ", columns.Select(c => c.Name));
        using var select = reading.Command($"SELECT {names} FROM {table}");
        using var row = select.ExecuteReader();
        using var writer = target.BeginBinaryImport($"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)");
        writer.Timeout = TimeSpan.FromHours(12);
        var rows = 0L;
        while (row.Read())
        {
            writer.StartRow();
            for (var i = 0; i < columns.Count; i++)
            {
                if (row.IsDBNull(i))
                {
                    writer.WriteNull();
                    continue;
                }

                switch (columns[i].Type)
                {
                    case "text": writer.Write(PostgresUsageLedger.Storable(row.GetString(i)), NpgsqlDbType.Text); break;
                    case "jsonb": writer.Write(row.GetString(i), NpgsqlDbType.Jsonb); break;
                    case "bigint": writer.Write(row.GetInt64(i), NpgsqlDbType.Bigint); break;
                    case "integer": writer.Write(row.GetInt32(i), NpgsqlDbType.Integer); break;
                    case "smallint": writer.Write(row.GetInt16(i), NpgsqlDbType.Smallint); break;
                    case "boolean": writer.Write(row.GetBoolean(i), NpgsqlDbType.Boolean); break;
                    case "bytea": writer.Write((byte[])row.GetValue(i), NpgsqlDbType.Bytea); break;
                    case "double precision": writer.Write(row.GetDouble(i), NpgsqlDbType.Double); break;
                    default: throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"{table}.{columns[i].Name} is of type {columns[i].Type}, which nothing here can copy."));
                }
            }

            rows++;
        }

        writer.Complete();
        return rows;
    }
}
