using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.Options;

namespace Tokonomics.Infrastructure.Sqlite;

/// <summary>Settings under <c>Store</c>.</summary>
public sealed class StoreOptions
{
    /// <summary>Holds <c>tokonomics.db</c> and <c>master.key</c>; made where it doesn't exist.</summary>
    public string DataDirectory { get; set; } = "data";

    /// <summary>How long a writer waits for another process to finish its transaction. 100 ms to 60 s.</summary>
    public TimeSpan BusyTimeout { get; set; } = TimeSpan.FromSeconds(10);

    internal string? Problem() =>
        string.IsNullOrWhiteSpace(DataDirectory) ? "Store:DataDirectory is empty."
        : BusyTimeout < TimeSpan.FromMilliseconds(100) || BusyTimeout > TimeSpan.FromSeconds(60) ? $"Store:BusyTimeout is {BusyTimeout}; it must be 100 ms to 60 s."
        : null;
}

/// <summary>The database file and how connections to it are set up.</summary>
/// <remarks>
/// WAL: readers never wait for the writer. synchronous=FULL for every connection: in WAL mode NORMAL may lose the last commits on a power cut;
/// a revoked key would be valid again, and of events that were acknowledged nothing else is left. FULL costs one fsync for each commit, which the
/// ledger pays once for up to a thousand events. secure_delete: a deleted secret's bytes are overwritten, not left on a free page.
/// </remarks>
public sealed class SqliteDatabase
{
    private readonly string _pragmas;

    public SqliteDatabase(IOptions<StoreOptions> options)
    {
        if (options.Value.Problem() is { } problem)
            throw new InvalidOperationException(problem);
        Directory.CreateDirectory(options.Value.DataDirectory);
        FilePath = Path.Combine(Path.GetFullPath(options.Value.DataDirectory), "tokonomics.db");
        ConnectionString = new SqliteConnectionStringBuilder { DataSource = FilePath, DefaultTimeout = (int)Math.Ceiling(options.Value.BusyTimeout.TotalSeconds) }.ToString();
        _pragmas = $"PRAGMA busy_timeout={(int)options.Value.BusyTimeout.TotalMilliseconds}; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA secure_delete=ON;";
    }

    public string FilePath { get; }

    public string ConnectionString { get; }

    public SqliteConnection Open()
    {
        var connection = new SqliteConnection(ConnectionString);
        try
        {
            connection.Open();
            SetUp(connection);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    internal void SetUp(DbConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = _pragmas;
        command.ExecuteNonQuery();
    }

    /// <summary>Gives EF's connections the same set-up.</summary>
    internal sealed class Pragmas(SqliteDatabase database) : DbConnectionInterceptor
    {
        public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData) => database.SetUp(connection);

        public override Task ConnectionOpenedAsync(DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
        {
            database.SetUp(connection);
            return Task.CompletedTask;
        }
    }
}
