using System.Globalization;
using Microsoft.Extensions.Logging;
using Npgsql;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Postgres;

/// <summary>
/// The months of <c>usage_events</c>: this one and the next three have a partition each, made ahead at every start and once a day. Where that failed,
/// events go to the default partition, and come to their own when it is made.
/// </summary>
public sealed partial class PostgresPartitions(PostgresDatabase database, TimeProvider time, ILogger<PostgresPartitions> log)
{
    private const int Ahead = 3;
    private const int Attempts = 5;

    /// <summary>For <c>verify</c>: this month and the two after. On the first of a month the fourth may still be to come.</summary>
    internal const string MissingAhead = """
        SELECT 'usage_events_' || to_char(m, 'YYYYMM') AS missing FROM generate_series(0, 2) AS n,
        LATERAL (SELECT date_trunc('month', to_timestamp(@now / 1000000) AT TIME ZONE 'UTC') + n * interval '1 month' AS m) AS months
        WHERE NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhparent = to_regclass('usage_events') AND inhrelid = to_regclass('usage_events_' || to_char(m, 'YYYYMM')))
        """;

    public Task<int> EnsureAsync(CancellationToken cancellationToken) => Task.Run(() => Ensure(), cancellationToken);

    /// <summary>Makes those that are missing. One that can't be made now is told in the log: the default partition takes its events.</summary>
    /// <param name="since">For whoever is about to append old events: their months too.</param>
    /// <returns>How many were made.</returns>
    public int Ensure(DateTimeOffset? since = null)
    {
        var now = time.GetUtcNow().UtcDateTime;
        var first = (since ?? now).UtcDateTime;
        var made = 0;
        for (var month = new DateTime(first.Year, first.Month, 1, 0, 0, 0, DateTimeKind.Utc); month <= now.AddMonths(Ahead); month = month.AddMonths(1))
        {
            try
            {
                if (Make(month))
                    made++;
            }
            catch (NpgsqlException e)
            {
                NotMade(NameOf(month), e.Message);
            }
        }

        return made;
    }

    /// <summary>Those of the running and the coming months that could not be made.</summary>
    public Task<IReadOnlyList<string>> MissingAsync(CancellationToken cancellationToken) => Task.Run<IReadOnlyList<string>>(
        () =>
        {
            var now = time.GetUtcNow().UtcDateTime;
            using var connection = database.OpenConnection();
            return [.. Enumerable.Range(0, Ahead + 1).Select(n => new DateTime(now.Year, now.Month, 1, 0, 0, 0, DateTimeKind.Utc).AddMonths(n)).Where(month => !Exists(connection, month)).Select(NameOf)];
        },
        cancellationToken);

    private bool Make(DateTime month)
    {
        for (var attempt = 1; ; attempt++)
        {
            using var connection = database.OpenConnection();
            if (Exists(connection, month))
                return false;
            try
            {
                using var transaction = connection.BeginTransaction();
                // Attaching waits for whoever reads the default partition, and all others then wait behind: rather not now than long.
                transaction.Execute("SET LOCAL lock_timeout = '2s'");
                transaction.Execute($"SELECT pg_advisory_xact_lock({PostgresDatabase.Key("'tokonomics: partitions'")})");
                if (Exists(connection, month))
                    return false;
                Make(transaction, month);
                transaction.Commit();
                return true;
            }
            catch (PostgresException e) when (attempt < Attempts && e.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
            {
                Thread.Sleep(TimeSpan.FromMilliseconds(200 * attempt));
            }
        }
    }

    /// <summary>
    /// Drops the months of which every tenant's line says that nothing of them is kept. What is asked and what is dropped is under the lock of the table: no event
    /// can come in between.
    /// </summary>
    /// <returns>Their names.</returns>
    public Task<IReadOnlyList<string>> DropAsync(CancellationToken cancellationToken) => Task.Run<IReadOnlyList<string>>(Drop, cancellationToken);

    private List<string> Drop()
    {
        var dropped = new List<string>();
        using var connection = database.OpenConnection();
        var names = connection.Command(null, """
            SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
            WHERE i.inhparent = to_regclass('usage_events') AND c.relname ~ '^usage_events_[0-9]{6}$' ORDER BY c.relname
            """).Rows(row => row.GetString(0));
        foreach (var name in names)
        {
            var month = DateTime.ParseExact(name[^6..], "yyyyMM", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);
            // The running month and those to come stay, empty or not.
            if (month.AddMonths(1) > time.GetUtcNow().UtcDateTime)
                break;
            try
            {
                using var transaction = connection.BeginTransaction();
                transaction.Execute("SET LOCAL lock_timeout = '2s'");
                if (Kept(transaction, name, UsageRow.Micros(month.AddMonths(1))))
                    continue;
                transaction.Execute("LOCK TABLE usage_events IN ACCESS EXCLUSIVE MODE");
                if (Kept(transaction, name, UsageRow.Micros(month.AddMonths(1))))
                    continue;
                transaction.Execute($"ALTER TABLE usage_events DETACH PARTITION {name}");
                transaction.Execute($"DROP TABLE {name}");
                transaction.Commit();
                dropped.Add(name);
            }
            catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
            {
                NotDropped(name, e.MessageText); // what is in it is deleted row by row instead
            }
        }

        return dropped;
    }

    // From one tenant to the next by the index. A month without events stays: a journal may still have some of it.
    private static bool Kept(NpgsqlTransaction transaction, string name, long end) => transaction.Command($"""
        WITH RECURSIVE t AS (
            (SELECT tenant_id FROM {name} ORDER BY tenant_id LIMIT 1)
            UNION ALL SELECT (SELECT e.tenant_id FROM {name} AS e WHERE e.tenant_id > t.tenant_id ORDER BY e.tenant_id LIMIT 1) FROM t WHERE t.tenant_id IS NOT NULL)
        SELECT 1 FROM t WHERE tenant_id IS NOT NULL
            AND coalesce((SELECT max(CAST(value AS bigint)) FROM store_facts WHERE name IN ('usage_delete_before', 'usage_delete_before/' || t.tenant_id)), 0) < @end
        UNION ALL SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM {name}) LIMIT 1
        """, ("@end", end)).Rows(_ => true).Count > 0;

    private static bool Exists(NpgsqlConnection connection, DateTime month) =>
        (bool)connection.Scalar("SELECT EXISTS (SELECT 1 FROM pg_inherits WHERE inhparent = to_regclass('usage_events') AND inhrelid = to_regclass(@name))", ("@name", NameOf(month)))!;

    private static void Make(NpgsqlTransaction transaction, DateTime month)
    {
        var (name, from, to) = (NameOf(month), UsageRow.Micros(month), UsageRow.Micros(month.AddMonths(1)));
        // A table that is made apart and then attached: making it in place would lock out everybody who reads or appends.
        transaction.Execute($"CREATE TABLE {name} (LIKE usage_events INCLUDING ALL)");
        var attach = string.Create(CultureInfo.InvariantCulture, $"ALTER TABLE usage_events ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})");
        if (transaction.Command("SELECT 1 FROM usage_events_default WHERE at >= @from AND at < @to LIMIT 1", ("@from", from), ("@to", to)).Rows(_ => true).Count == 0)
        {
            transaction.Execute(attach);
            return;
        }

        // Events of the month came before its partition. Nothing may be deleted from a partition, and needs not: the default one makes room for an
        // empty one, what was in it goes where it belongs, and the empty shell of it is dropped.
        transaction.Execute("ALTER TABLE usage_events DETACH PARTITION usage_events_default");
        transaction.Execute("ALTER TABLE usage_events_default RENAME TO usage_events_waiting");
        transaction.Execute(attach);
        transaction.Execute("CREATE TABLE usage_events_default PARTITION OF usage_events DEFAULT");
        transaction.Execute($"INSERT INTO usage_events ({UsageRow.ColumnList}) SELECT {UsageRow.ColumnList} FROM usage_events_waiting");
        transaction.Execute("DROP TABLE usage_events_waiting");
    }

    internal static string NameOf(DateTime month) => "usage_events_" + month.ToString("yyyyMM", CultureInfo.InvariantCulture);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The partition {Name}, of which nothing is kept, could not be dropped now: {Reason}")]
    private partial void NotDropped(string name, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The partition {Name} could not be made; the default partition takes its events, and it is tried again tomorrow and at the next start: {Reason}")]
    private partial void NotMade(string name, string reason);
}
