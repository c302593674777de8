using Microsoft.Data.Sqlite;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.Budgets;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Sqlite;

/// <summary>
/// Appends to the ledger by one connection and prepared statements. While its transaction is open nobody else writes, so that the rows that are new
/// are exactly those with a rowid above the highest before: the rollups are made from them in SQL, and a row that stood there already counts
/// nowhere twice. The budgets that new rows count on are posted in the same transaction.
/// </summary>
/// <param name="prices">For what caching saved; null where that isn't counted.</param>
public sealed class SqliteUsageLedger(SqliteDatabase database, TimeProvider time, IEnumerable<IPostedEvents> watchers, IPriceVersions? prices = null) : IUsageLedger, IDisposable
{
    private const string New = "usage_events.rowid > @after";

    private readonly BudgetPosting _budgets = new(database);
    private readonly SemaphoreSlim _turn = new(1, 1);
    private Prepared? _prepared;

    /// <summary>Every statement that reads the new rows of a batch. None may cost more the longer the ledger is.</summary>
    internal IReadOnlyList<string> OverNewRows
    {
        get
        {
            using var prepared = new Prepared(database);
            return [prepared.Hourly.CommandText, prepared.HourlyTags.CommandText, prepared.Pairs.CommandText, prepared.Late.CommandText];
        }
    }

    /// <summary>The statements by which a batch is posted to budgets. None may go through all accounts or leases.</summary>
    internal IReadOnlyList<string> OfBudgets => _budgets.Statements;

    // SQLite's calls block: not on the thread of whoever asked.
    public Task<int> AppendAsync(IReadOnlyList<UsageEvent> events, CancellationToken cancellationToken) =>
        AppendAsync(events, () => Task.Run(() => Append(events, cancellationToken), cancellationToken), cancellationToken);

    /// <inheritdoc/>
    /// <remarks>Behind calls and not last of all: it holds the lock that a lease needs.</remarks>
    public Task<int> AppendBehindCallsAsync(IReadOnlyList<UsageEvent> events, CancellationToken cancellationToken) =>
        AppendAsync(events, () => LowPriority.RunAsync("ledger", LowPriority.Behind, () => Append(events, cancellationToken), cancellationToken), cancellationToken);

    private async Task<int> AppendAsync(IReadOnlyList<UsageEvent> events, Func<Task<int>> append, CancellationToken cancellationToken)
    {
        if (events.Count == 0)
            return 0;
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var added = await append();
            foreach (var watcher in watchers)
                watcher.Posted(events);
            return added;
        }
        catch
        {
            // Whatever the connection's state is now, the next batch starts with a new one.
            _prepared?.Dispose();
            _prepared = null;
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    private int Append(IReadOnlyList<UsageEvent> events, CancellationToken cancellationToken)
    {
        var prepared = _prepared ??= new Prepared(database);
        var savings = new SavingsRollup(prices, events);
        using var transaction = prepared.Connection.BeginTransaction(deferred: false);
        prepared.Enlist(transaction);
        var after = (long)prepared.LastRow.ExecuteScalar()!;
        var added = new List<UsageEvent>(events.Count);
        foreach (var usage in events)
        {
            cancellationToken.ThrowIfCancellationRequested();
            UsageRow.Write(usage, prepared.Insert);
            if (prepared.Insert.Execute() > 0)
                added.Add(usage);
        }

        if (added.Count > 0)
        {
            prepared.Hourly.Parameters[0].Value = after;
            prepared.Hourly.ExecuteNonQuery();
            prepared.HourlyTags.Parameters[0].Value = after;
            prepared.HourlyTags.ExecuteNonQuery();
            prepared.Pairs.Parameters[0].Value = after;
            prepared.Pairs.ExecuteNonQuery();
            var now = time.GetUtcNow();
            prepared.Late.Parameters[0].Value = after;
            prepared.Late.Parameters[1].Value = UsageRow.Micros(now - Rollups.Late);
            prepared.Late.ExecuteNonQuery();
            savings.Add(transaction, added);
            RoutingRollup.Add(transaction, added);
            RepeatRollup.Add(transaction, added);
            foreach (var (opening, budget) in _budgets.Post(transaction, added, added, now))
                new BudgetRows(database, transaction, now).Open(opening, budget);
        }

        transaction.Commit();
        return added.Count;
    }

    public void Dispose()
    {
        _prepared?.Dispose();
        _prepared = null;
        _turn.Dispose();
    }

    private sealed class Prepared : IDisposable
    {
        public Prepared(SqliteDatabase database)
        {
            Connection = database.OpenFile();
            LastRow = Command("SELECT coalesce(max(rowid), 0) FROM usage_events");
            Insert = new BoundStatement(Connection, $"INSERT INTO usage_events ({UsageRow.ColumnList}) VALUES ({string.Join(", ", UsageRow.Columns.Select(_ => "?"))}) ON CONFLICT (request_id, attempt) DO NOTHING");
            // Without its indexes: to have rows in the order of their groups SQLite would go through one of them from end to end, for each batch again.
            var events = database.RowByRow("usage_events");
            Hourly = Command(Rollups.AddHourly(events, New), "after");
            HourlyTags = Command(Rollups.AddHourlyTags(database, events, New), "after");
            Pairs = Command(Rollups.AddPairs(database, events, New), "after");
            Late = Command(Rollups.NoteLate(events, New), "after", "late");
        }

        public SqliteConnection Connection { get; }

        public SqliteCommand LastRow { get; }

        public BoundStatement Insert { get; }

        public SqliteCommand Hourly { get; }

        public SqliteCommand HourlyTags { get; }

        public SqliteCommand Pairs { get; }

        public SqliteCommand Late { get; }

        public void Enlist(SqliteTransaction transaction) =>
            LastRow.Transaction = Hourly.Transaction = HourlyTags.Transaction = Pairs.Transaction = Late.Transaction = transaction;

        public void Dispose()
        {
            LastRow.Dispose();
            Insert.Dispose();
            Hourly.Dispose();
            HourlyTags.Dispose();
            Pairs.Dispose();
            Late.Dispose();
            Connection.Dispose();
        }

        private SqliteCommand Command(string sql, params string[] parameters)
        {
            var command = Connection.CreateCommand();
            command.CommandText = sql;
            foreach (var name in parameters)
                command.Parameters.Add(new SqliteParameter("@" + name, null));
            command.Prepare();
            return command;
        }
    }
}
