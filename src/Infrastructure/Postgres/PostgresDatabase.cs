using System.Data;
using System.Data.Common;
using System.Security.Cryptography;
using Npgsql;

namespace Tokonomics.Infrastructure.Postgres;

/// <summary>The database, and how connections to it are set up.</summary>
/// <remarks>
/// There are two pools: a small one with short timeouts for what calls may be waiting for (leases), so that no dashboard can use up its connections, and one
/// for the rest; where jobs are run, a third for their schedule. A node's connections together stay below <c>max_connections</c> of a plain server for several nodes. What the connection string names itself is
/// kept. Nothing is prepared and nothing is kept in a session, so that a pooler between (PgBouncer, by transaction) does no harm.
/// </remarks>
public sealed class PostgresDatabase : ISqlStore, IDisposable
{
    private const int Attempts = 5;
    private const int LeaseConnections = 8;
    private const int ScheduleConnections = 4;

    // Where accounts of budgets are locked: from a proxy that was frozen in the middle of it, the server takes them sooner than others give up waiting, which is after 5 s.
    private const string FrozenEndsSoon = "-c idle_in_transaction_session_timeout=4s";

    private const string FrozenTooLong = "25P03"; // idle_in_transaction_session_timeout: it was, and goes on

    /// <summary>The same for one transaction.</summary>
    internal const string EndSoonWhenFrozen = "SET LOCAL idle_in_transaction_session_timeout = '4s'";

    private readonly NpgsqlDataSource _source;
    private readonly NpgsqlDataSource _leases;
    private readonly Lazy<NpgsqlDataSource> _schedule;
    private readonly SemaphoreSlim _leaseTurns = new(LeaseConnections);
    private readonly TimeSpan _leaseTimeout;

    /// <exception cref="InvalidOperationException">The connection string can't be read.</exception>
    public PostgresDatabase(string connectionString)
    {
        var general = Read(connectionString);
        _source = NpgsqlDataSource.Create(general);
        _leaseTimeout = TimeSpan.FromSeconds(Math.Min(general.Timeout, 3));
        // Each of these is a handful of single-row statements: one that takes seconds waits for a lock or for a server that isn't there.
        _leases = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(general.ConnectionString) { Timeout = Math.Min(general.Timeout, 3), CommandTimeout = Math.Min(general.CommandTimeout, 5), MaxPoolSize = LeaseConnections, MinPoolSize = 0, Options = $"{general.Options} {FrozenEndsSoon}" });
        _schedule = new(() => NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(general.ConnectionString) { MaxPoolSize = Math.Min(general.MaxPoolSize, ScheduleConnections), MinPoolSize = 0 }));
        Place = $"PostgreSQL {general.Host}:{general.Port}/{general.Database ?? general.Username}";
    }

    public string Place { get; }

    /// <summary>For EF: its connections come from the same pool.</summary>
    internal NpgsqlDataSource Source => _source;

    /// <summary>For the workers' schedule: a small pool of its own, so that neither it nor what its jobs do waits for the other. Made when it is first asked for.</summary>
    public NpgsqlDataSource Schedule => _schedule.Value;

    public DbConnection Open() => _source.OpenConnection();

    internal NpgsqlConnection OpenConnection() => _source.OpenConnection();

    public DbTransaction BeginReading(DbConnection connection) => connection.BeginTransaction(IsolationLevel.RepeatableRead);

    /// <summary>Autovacuum does it.</summary>
    public void TidyUp(DbConnection connection)
    {
    }

    public async Task<T> WriteAsync<T>(Func<DbTransaction, T> work, CancellationToken cancellationToken)
    {
        // Whoever finds no connection free waits here, not in the pool: that would block a thread for each, and calls that need no store would wait for threads.
        if (!await _leaseTurns.WaitAsync(_leaseTimeout, cancellationToken))
            throw new TimeoutException($"{Place} is busy: no connection came free within {_leaseTimeout}.");
        try
        {
            return await RetryAsync(
                () =>
                {
                    using var connection = _leases.OpenConnection();
                    // READ COMMITTED: after a lock was waited for, the next statement sees what its holder committed.
                    using var transaction = connection.BeginTransaction(IsolationLevel.ReadCommitted);
                    var result = work(transaction);
                    transaction.Commit();
                    return result;
                },
                cancellationToken);
        }
        finally
        {
            _leaseTurns.Release();
        }
    }

    /// <summary>
    /// Runs it off the caller's thread, and again after a deadlock, a lost connection, a server that restarts: five times at most, within about a second.
    /// What is wrong with the work itself, or takes longer to mend, is the caller's.
    /// </summary>
    internal static async Task<T> RetryAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await Task.Run(work, cancellationToken);
            }
            catch (NpgsqlException e) when (attempt < Attempts && MayPass(e))
            {
                // Two that met once must not meet again: 10 to 30 ms, then twice that, …
                await Task.Delay(TimeSpan.FromMilliseconds((10 + RandomNumberGenerator.GetInt32(20)) << (attempt - 1)), cancellationToken);
            }
        }
    }

    // 25P03: it was silent in the middle of a transaction for too long. A command's own timeout may not pass: it has waited long enough.
    private static bool MayPass(NpgsqlException e) =>
        (e.IsTransient || e.SqlState is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or FrozenTooLong) && e.InnerException is not TimeoutException;

    public void Lock(DbTransaction transaction, string name, bool exclusive)
    {
        using var command = transaction.Command($"SELECT pg_advisory_xact_lock{(exclusive ? "" : "_shared")}({Key("@name")})", ("@name", name));
        command.ExecuteNonQuery();
    }

    /// <summary>The number that stands for a lock's name. Two names that share one only wait for each other.</summary>
    internal static string Key(string name) => $"hashtextextended({name}, 0)";

    public void OneWriter(DbTransaction transaction) => transaction.Command("SELECT one_writer()").Rows(_ => true);

    public string ForUpdate => " FOR UPDATE";

    public string Now => "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)";

    public string ChangeMark => "SELECT coalesce(max(seq), 0) FROM changes";

    public string JoinInOrder => "JOIN";

    // Left to itself the planner reads the large table whole and compares each row with each of the small one; what has an OFFSET it doesn't take apart.
    public string ForEach(string small, string large, string where) => $"{small} CROSS JOIN LATERAL (SELECT * FROM {large} WHERE {where} OFFSET 0) AS found";

    public string LockEach(string small, string large, string where, string order) => $"{small} CROSS JOIN LATERAL (SELECT * FROM {large} WHERE {where} ORDER BY {order} OFFSET 0 FOR UPDATE) AS found";

    public string RowsIn(string json, params string[] columns) => $"json_to_recordset(CAST({json} AS json)) AS given({string.Join(", ", columns.Select(c => c.Contains(' ', StringComparison.Ordinal) ? c : c + " text"))})";

    public string EachTag(string column) => $"json_each_text(CAST({column} AS json))";

    public string TagValue(string column, string name) => $"(CAST({column} AS json) ->> {name})";

    /// <summary>Grouping by other than an index's own columns and order reads the tables: the sum keeps any index out.</summary>
    public string RowByRow(string table) => $"(SELECT request_id || '' AS request_id, attempt + 0 AS attempt, tenant_id || '' AS tenant_id FROM {table}) AS e";

    public string ByIndex(string table, string index) => table;

    public IReadOnlyList<(string Name, string Sql)> OwnChecks => [("partitions_ahead", PostgresPartitions.MissingAhead)];

    private static NpgsqlConnectionStringBuilder Read(string connectionString)
    {
        NpgsqlConnectionStringBuilder text;
        try
        {
            text = new NpgsqlConnectionStringBuilder(connectionString);
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            throw new InvalidOperationException($"ConnectionStrings:Postgres can't be read: {e.Message} Write it as Host=db.example.com;Database=tokonomics;Username=tokonomics;Password=…", e);
        }

        if (string.IsNullOrEmpty(text.Host))
            throw new InvalidOperationException("ConnectionStrings:Postgres names no host. Write it as Host=db.example.com;Database=tokonomics;Username=tokonomics;Password=…");
        var named = text.Keys.ToHashSet(StringComparer.OrdinalIgnoreCase); // ContainsKey says whether there is such a keyword at all
        Default("Timeout", () => text.Timeout = 5);
        Default("Command Timeout", () => text.CommandTimeout = 15);
        Default("Maximum Pool Size", () => text.MaxPoolSize = 20);
        Default("Application Name", () => text.ApplicationName = "tokonomics");
        // A server whose client stopped in the middle of a transaction lets go of its locks after half a minute. JIT: it takes longer than what it compiles here.
        Default("Options", () => text.Options = "-c idle_in_transaction_session_timeout=30s -c jit=off");
        text.Multiplexing = false;
        return text;

        void Default(string keyword, Action set)
        {
            if (!named.Contains(keyword))
                set();
        }
    }

    public void Dispose()
    {
        _source.Dispose();
        _leases.Dispose();
        if (_schedule.IsValueCreated)
            _schedule.Value.Dispose();
        _leaseTurns.Dispose();
    }
}
