using Npgsql;
using NpgsqlTypes;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.Budgets;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Postgres;

/// <summary>
/// Appends to the ledger by binary COPY and a handful of statements, in one transaction: what of the batch is not new is taken out of the copy, and
/// rollups and budgets are made from the rest alone. A batch whose commit went through and whose answer was lost may be sent again: nothing of it is new then.
/// </summary>
/// <remarks>
/// Several nodes append at once. All take their locks in one order: openings of the batch's tenants (shared), events by their keys, rollups by theirs,
/// accounts by theirs. Periods that no call opened are opened after the commit, each under the lock of its tenant alone: whoever held that lock shared and
/// then wanted it whole would meet another who does the same. The batch is taken when that is done, and finds them again if it is repeated.
/// </remarks>
public sealed class PostgresUsageLedger : IUsageLedger, IDisposable
{
    // A pooler may give us a session of another version of this program: its tables are others by name.
    private static readonly string Incoming = $"incoming_events_{UsageRow.Columns.Length}";

    // Of the session, empty in the beginning of every transaction: a table made and dropped with each batch would leave the catalogs' own tables full of dead rows.
    private static readonly string Table = $"CREATE TEMP TABLE IF NOT EXISTS {Incoming} (LIKE usage_events) ON COMMIT DELETE ROWS";

    private static readonly string Copy = $"COPY {Incoming} ({UsageRow.ColumnList}) FROM STDIN (FORMAT BINARY)";

    private static readonly string ShareOpenings = $"""
        SELECT pg_advisory_xact_lock_shared(number) FROM (SELECT DISTINCT {PostgresDatabase.Key("tenant")} AS number FROM unnest(@names) AS tenant ORDER BY 1) AS numbers
        """;

    private static readonly string Insert = $"""
        INSERT INTO usage_events ({UsageRow.ColumnList}) SELECT {UsageRow.ColumnList} FROM {Incoming} ORDER BY request_id, attempt ON CONFLICT DO NOTHING RETURNING request_id, attempt
        """;

    private static readonly string KeepAdded = $"DELETE FROM {Incoming} WHERE (request_id, attempt) NOT IN (SELECT * FROM unnest(@requests, @attempts))";

    private static readonly string NoteLate = Rollups.NoteLate(Incoming, "TRUE");

    private readonly PostgresDatabase _database;
    private readonly TimeProvider _time;
    private readonly IEnumerable<IPostedEvents> _watchers;
    private readonly IPriceVersions? _prices;
    private readonly string _addHourly;
    private readonly string _addHourlyTags;
    private readonly string _addPairs;
    private readonly BudgetPosting _budgets;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private NpgsqlConnection? _connection;

    /// <param name="prices">For what caching saved; null where that isn't counted.</param>
    public PostgresUsageLedger(PostgresDatabase database, TimeProvider time, IEnumerable<IPostedEvents> watchers, IPriceVersions? prices = null)
    {
        (_database, _time, _watchers, _prices) = (database, time, watchers, prices);
        _addHourly = Rollups.AddHourly(Incoming, "TRUE");
        _addHourlyTags = Rollups.AddHourlyTags(database, Incoming, "TRUE");
        _addPairs = Rollups.AddPairs(database, Incoming, "TRUE");
        _budgets = new BudgetPosting(database);
    }

    public async Task<int> AppendAsync(IReadOnlyList<UsageEvent> events, CancellationToken cancellationToken)
    {
        if (events.Count == 0)
            return 0;
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var (added, notOpen) = await PostgresDatabase.RetryAsync(() => OnConnection(connection => Append(connection, events)), cancellationToken);
            foreach (var (opening, budget) in notOpen)
                await _database.WriteAsync(transaction => new BudgetRows(_database, transaction, _time.GetUtcNow()).Open(opening, budget), cancellationToken);
            foreach (var watcher in _watchers)
                watcher.Posted(events);
            return added;
        }
        finally
        {
            _turn.Release();
        }
    }

    private (int Added, IReadOnlyList<(AccountOpening, Budget)> NotOpen) Append(NpgsqlConnection connection, IReadOnlyList<UsageEvent> events)
    {
        // Of one attempt that comes twice in a batch, the first.
        var batch = new Dictionary<(string, int), UsageEvent>(events.Count);
        foreach (var usage in events)
            batch.TryAdd((usage.RequestId, usage.Attempt), usage);

        var savings = new SavingsRollup(_prices, events);
        using var transaction = connection.BeginTransaction();
        transaction.Execute($"{PostgresDatabase.EndSoonWhenFrozen}; {Table}");
        using (var writer = connection.BeginBinaryImport(Copy))
        {
            foreach (var usage in batch.Values)
            {
                writer.StartRow();
                UsageRow.Write(usage, new CopiedRow(writer));
            }

            writer.Complete();
        }

        transaction.Execute(ShareOpenings, ("@names", batch.Values.Select(e => e.TenantId).Distinct().Select(BudgetRows.OpeningsOf).ToArray()));
        var added = transaction.Command(Insert).Rows(row => batch[(row.GetString(0), row.GetInt32(1))]);
        if (added.Count < batch.Count)
            transaction.Execute(KeepAdded, ("@requests", added.Select(e => e.RequestId).ToArray()), ("@attempts", added.Select(e => e.Attempt).ToArray()));
        var now = _time.GetUtcNow();
        if (added.Count > 0)
        {
            transaction.Execute(_addHourly);
            transaction.Execute(_addHourlyTags);
            transaction.Execute(_addPairs);
            transaction.Execute(NoteLate, ("@late", UsageRow.Micros(now - Rollups.Late)));
            savings.Add(transaction, added, Storable);
            RoutingRollup.Add(transaction, added, Storable);
            RepeatRollup.Add(transaction, added, Storable);
        }

        var notOpen = _budgets.Post(transaction, batch.Values, added, now);
        transaction.Commit();
        return (added.Count, notOpen);
    }

    private readonly struct CopiedRow(NpgsqlBinaryImporter writer) : IRowWriter
    {
        public void Text(string? value)
        {
            if (value is null)
                writer.WriteNull();
            else
                writer.Write(Storable(value), NpgsqlDbType.Text);
        }

        public void Long(long? value)
        {
            if (value is { } number)
                writer.Write(number, NpgsqlDbType.Bigint);
            else
                writer.WriteNull();
        }

        public void Int(int value) => writer.Write(value, NpgsqlDbType.Integer);

        public void Short(short value) => writer.Write(value, NpgsqlDbType.Smallint);
    }

    /// <summary>
    /// PostgreSQL's texts hold neither NUL nor half a surrogate pair. A model's name from outside may have either: one such call must not hold up a whole
    /// batch for good.
    /// </summary>
    internal static string Storable(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\0' && !char.IsSurrogate(text[i]))
                continue;
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
                i++;
            else
                return Storable(string.Concat(text.AsSpan(0, i), "\uFFFD", text.AsSpan(i + 1)));
        }

        return text;
    }

    private T OnConnection<T>(Func<NpgsqlConnection, T> work)
    {
        try
        {
            return work(_connection ??= _database.OpenConnection());
        }
        catch
        {
            // Whatever the connection's state is now, the next batch starts with a new one.
            _connection?.Dispose();
            _connection = null;
            throw;
        }
    }

    public void Dispose()
    {
        _connection?.Dispose();
        _turn.Dispose();
    }
}
