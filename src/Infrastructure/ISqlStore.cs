using System.Data.Common;

namespace Tokonomics.Infrastructure;

/// <summary>
/// A relational store: how it is reached, how it keeps two writers apart, and the few words in which its SQL differs from the others'. Everything
/// else is written once, with parameters as <c>@name</c>.
/// </summary>
public interface ISqlStore
{
    /// <summary>Where the data are, for messages; no password is in it.</summary>
    string Place { get; }

    /// <summary>An open connection, for reading; the caller disposes it.</summary>
    DbConnection Open();

    /// <summary>Begins a transaction whose statements all see the same rows, whatever is committed meanwhile.</summary>
    DbTransaction BeginReading(DbConnection connection);

    /// <summary>After a long reading: does what could not be done while it saw the rows of its beginning, so that no writer has to. Blocks, and nobody waits for it.</summary>
    void TidyUp(DbConnection connection);

    /// <summary>
    /// Runs a short piece of work in a transaction of its own and commits it. May run it again where the store says that this helps (a deadlock, a
    /// lost connection): it must be repeatable also where the first commit went through and its answer was lost.
    /// </summary>
    Task<T> WriteAsync<T>(Func<DbTransaction, T> work, CancellationToken cancellationToken);

    /// <summary>Until the transaction ends nobody else has the name's lock; where it isn't taken exclusively, nobody else has it exclusively. Always before any row is locked.</summary>
    void Lock(DbTransaction transaction, string name, bool exclusive);

    /// <summary>Takes the turn of those who change tenants, keys, budgets and the audit log, until the transaction ends. Before anything is read.</summary>
    void OneWriter(DbTransaction transaction);

    /// <summary>Ends a SELECT of a row that is about to be written.</summary>
    string ForUpdate { get; }

    /// <summary>The time in unix microseconds by the store's own clock, the same for all who ask: what machines agree on whose clocks differ.</summary>
    string Now { get; }

    /// <summary>A cheap question: its answer differs when another connection has changed what key directories hold.</summary>
    string ChangeMark { get; }

    /// <summary>A JOIN that looks its tables up in the order in which they are written.</summary>
    string JoinInOrder { get; }

    /// <summary>What follows FROM: for each row of a small table the rows of a large one, found by an index as if each were asked for by itself.</summary>
    /// <param name="where">With the small table's columns as bounds of an index of the large one.</param>
    string ForEach(string small, string large, string where);

    /// <summary>The same for rows that are about to be written: they are locked, in the order of the small table's rows and, of one of them, in the order given.</summary>
    string LockEach(string small, string large, string where, string order);

    /// <summary>A table of rows that a parameter holds, so that one statement does for all: they come in their order.</summary>
    /// <param name="json">The parameter: a JSON array of objects.</param>
    /// <param name="columns">Their names, as in <c>amount bigint</c>; text where no type follows.</param>
    string RowsIn(string json, params string[] columns);

    /// <summary>A table with a row for each tag, <c>key</c> and <c>value</c>.</summary>
    /// <param name="column">Holds a JSON object.</param>
    string EachTag(string column);

    /// <summary>The value of one tag; null where there is none.</summary>
    /// <param name="name">A parameter with the tag's name.</param>
    string TagValue(string column, string name);

    /// <summary>The table read row by row, not by an index: a damaged index would hide what it let in.</summary>
    string RowByRow(string table);

    /// <summary>The table, read by this index: for a store whose planner takes another, and reads a month where an hour was asked.</summary>
    string ByIndex(string table, string index);

    /// <summary>Checks that only this store needs: a name, and a SELECT whose rows are the findings. Parameter <c>@now</c>: unix microseconds.</summary>
    IReadOnlyList<(string Name, string Sql)> OwnChecks { get; }
}

/// <summary>Brings a store's schema up to this program's version.</summary>
public interface IStoreMigrator
{
    /// <returns>How many scripts were applied now.</returns>
    /// <exception cref="InvalidOperationException">The database is newer than this program, or was made by other scripts.</exception>
    int Migrate();
}

internal static class SqlCommands
{
    public static DbCommand Command(this DbConnection connection, DbTransaction? transaction, string sql, params (string Name, object Value)[] parameters)
    {
        var command = connection.CreateCommand();
        if (transaction is not null)
            command.Transaction = transaction;
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
            command.Add(name, value);
        return command;
    }

    public static DbCommand Command(this DbTransaction transaction, string sql, params (string Name, object Value)[] parameters) =>
        transaction.Connection!.Command(transaction, sql, parameters);

    public static DbParameter Add(this DbCommand command, string name, object value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.Value = value;
        command.Parameters.Add(parameter);
        return parameter;
    }

    public static int Execute(this DbTransaction transaction, string sql, params (string Name, object Value)[] parameters)
    {
        using var command = transaction.Command(sql, parameters);
        return command.ExecuteNonQuery();
    }

    public static List<T> Rows<T>(this DbCommand command, Func<DbDataReader, T> read)
    {
        using (command)
        {
            using var row = command.ExecuteReader();
            var rows = new List<T>();
            while (row.Read())
                rows.Add(read(row));
            return rows;
        }
    }

    public static object? Scalar(this DbConnection connection, string sql, params (string Name, object Value)[] parameters)
    {
        using var command = connection.Command(null, sql, parameters);
        return command.ExecuteScalar();
    }
}
