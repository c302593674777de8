using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Sqlite;

/// <summary>
/// A statement that is executed for each row of a batch, its values bound by their places. A <see cref="SqliteCommand"/> looks each of 42 parameters up by
/// its name and makes a reader for each row, which takes longer than the row.
/// </summary>
internal sealed class BoundStatement : IRowWriter, IDisposable
{
    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _statement;
    private byte[] _text = new byte[256];
    private int _bound;

    /// <param name="connection">Open, and open for longer than this.</param>
    /// <exception cref="SqliteException">The statement isn't one.</exception>
    public BoundStatement(SqliteConnection connection, string sql)
    {
        _database = connection.Handle!;
        Check(raw.sqlite3_prepare_v2(_database, sql, out _statement));
    }

    public void Text(string? value)
    {
        if (value is not { Length: > 0 })
        {
            // An empty span has no address, which SQLite takes for no value.
            Check(value is null ? raw.sqlite3_bind_null(_statement, ++_bound) : raw.sqlite3_bind_text(_statement, ++_bound, value));
            return;
        }

        if (_text.Length < Encoding.UTF8.GetMaxByteCount(value.Length))
            _text = new byte[Encoding.UTF8.GetMaxByteCount(value.Length)];
        // SQLite takes a copy.
        Check(raw.sqlite3_bind_text(_statement, ++_bound, _text.AsSpan(0, Encoding.UTF8.GetBytes(value, _text))));
    }

    public void Long(long? value) => Check(value is { } number ? raw.sqlite3_bind_int64(_statement, ++_bound, number) : raw.sqlite3_bind_null(_statement, ++_bound));

    public void Int(int value) => Long(value);

    public void Short(short value) => Long(value);

    /// <summary>Executes it with the values that were bound; the next row begins.</summary>
    /// <returns>How many rows it changed.</returns>
    /// <exception cref="SqliteException">The store refused.</exception>
    public int Execute()
    {
        _bound = 0;
        var stepped = raw.sqlite3_step(_statement);
        var reset = raw.sqlite3_reset(_statement);
        Check(stepped is raw.SQLITE_DONE or raw.SQLITE_ROW ? reset : stepped);
        return raw.sqlite3_changes(_database);
    }

    public void Dispose() => _statement.Dispose();

    private void Check(int code) => SqliteException.ThrowExceptionForRC(code, _database);
}
