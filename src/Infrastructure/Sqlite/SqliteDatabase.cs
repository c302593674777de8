using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.Options;
using SQLitePCL;
using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Infrastructure.Sqlite;

/// <summary>The database file and how connections to it are set up.</summary>
/// <remarks>
/// WAL: readers never wait for the writer. synchronous=FULL for every connection: in WAL mode NORMAL may lose the last commits on a power cut;
/// a revoked key would be valid again, and of events that were acknowledged nothing else is left. FULL costs one fsync for each commit, which the
/// ledger pays once for up to a thousand events. journal_size_limit: after a long reading, while which the log could only grow, its file shrinks again. secure_delete: a deleted secret's bytes are overwritten, not left on a free page.
/// </remarks>
public sealed class SqliteDatabase : ISqlStore, IDisposable
{
    // Bytes. In common use the log stays smaller: a checkpoint is due after each thousand pages.
    private const int KeptLog = 64 << 20;

    private static readonly TimeSpan ForTwoCommits = TimeSpan.FromMilliseconds(250);

    // Of SQLite's machine; about a millisecond's.
    private const int StepsBetweenRests = 10_000;

    // Kept for as long as SQLite may call it. The connection goes back to the pool with it: on a thread that others wait for it does nothing.
    private static readonly delegate_progress Rest = _ => LowPriority.Rest() ? 0 : 1;

    private readonly string _pragmas;

    // Writers of this process take turns here, rather than ask again and again whether the file is free.
    private readonly SemaphoreSlim _turn = new(1, 1);

    public SqliteDatabase(IOptions<StoreOptions> options)
    {
        if (options.Value.Problem() is { } problem)
            throw new InvalidOperationException(problem);
        OwnFiles.MakeFolder(options.Value.DataDirectory);
        FilePath = Path.Combine(Path.GetFullPath(options.Value.DataDirectory), "tokonomics.db");
        ConnectionString = new SqliteConnectionStringBuilder { DataSource = FilePath, DefaultTimeout = (int)Math.Ceiling(options.Value.BusyTimeout.TotalSeconds) }.ToString();
        _pragmas = $"PRAGMA busy_timeout={(int)options.Value.BusyTimeout.TotalMilliseconds}; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA secure_delete=ON; PRAGMA journal_size_limit={KeptLog};";
    }

    public string FilePath { get; }

    public string ConnectionString { get; }

    public string Place => FilePath;

    public DbConnection Open() => OpenFile();

    public SqliteConnection OpenFile()
    {
        // SQLite itself would make it for everybody to read, and gives its log and its index of that (-wal, -shm) the file's own rights.
        OwnFiles.MakeFile(FilePath);
        var connection = new SqliteConnection(ConnectionString);
        try
        {
            connection.Open();
            SetUp(connection);
            if (LowPriority.IsLast)
                raw.sqlite3_progress_handler(connection.Handle, StepsBetweenRests, Rest, null);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    public DbTransaction BeginReading(DbConnection connection) => ((SqliteConnection)connection).BeginTransaction(deferred: true);

    /// <summary>
    /// While somebody reads, the log grows and little of it gets into the file. The writer who commits next would do it all, hundreds of megabytes after minutes of reading. PASSIVE: whoever writes meanwhile goes on; once all
    /// of the log is in the file and nobody reads, the next writer begins it anew.
    /// </summary>
    public void TidyUp(DbConnection connection)
    {
        const int large = 10_000, page = 4096;
        if (new FileInfo(FilePath + "-wal") is not { Exists: true, Length: > (long)large * page })
            return;
        var before = 0L;
        for (var tries = 0; tries < 40; tries++)
        {
            var (another, log) = connection.Command(null, "PRAGMA wal_checkpoint(PASSIVE)").Rows(row => (row.GetInt64(0) != 0, row.GetInt64(1)))[0];
            // Another may be at it; and where nobody has written since, nobody begins anew.
            if (!another && (log < large || log == before))
                return;
            before = log;
            Thread.Sleep(ForTwoCommits);
        }
    }

    /// <summary>IMMEDIATE: nobody writes between what is read in it and what is written from that. What it answered is on the disk.</summary>
    public async Task<T> WriteAsync<T>(Func<DbTransaction, T> work, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            // SQLite's calls block: not on the thread of whoever asked.
            return await Task.Run(
                () =>
                {
                    using var connection = OpenFile();
                    using var transaction = connection.BeginTransaction(deferred: false);
                    var result = work(transaction);
                    transaction.Commit();
                    return result;
                },
                cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>The transaction has the whole file already.</summary>
    public void Lock(DbTransaction transaction, string name, bool exclusive)
    {
    }

    /// <summary>Likewise.</summary>
    public void OneWriter(DbTransaction transaction)
    {
    }

    public string ForUpdate => "";

    /// <summary>The file is on one machine, and so is everybody who opens it.</summary>
    public string Now => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)";

    /// <summary>Changes when another connection has committed anything, in this process or another; it costs microseconds.</summary>
    public string ChangeMark => "PRAGMA data_version";

    public string JoinInOrder => "CROSS JOIN";

    public string ForEach(string small, string large, string where) => $"{small} CROSS JOIN {large} WHERE {where}";

    public string LockEach(string small, string large, string where, string order) => ForEach(small, large, where); // whoever writes has the whole file

    public string RowsIn(string json, params string[] columns) => $"(SELECT {string.Join(", ", columns.Select(c => c.Split(' ')[0]).Select(c => $"value ->> '{c}' AS {c}"))} FROM json_each({json})) AS given";

    public string EachTag(string column) => $"json_each({column})";

    public string TagValue(string column, string name) => $"""json_extract({column}, '$."' || {name} || '"')""";

    public string RowByRow(string table) => table + " NOT INDEXED";

    public string ByIndex(string table, string index) => $"{table} INDEXED BY {index}";

    public IReadOnlyList<(string Name, string Sql)> OwnChecks => [];

    public void Dispose() => _turn.Dispose();

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
