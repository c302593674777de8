using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace Tokonomics.Testing;

/// <summary>
/// Looks at the store all the while a test runs: what the provider has charged is at no moment more than what each budget counts as spent or set
/// aside, and that is never more than its limit. Every call of the provider must lie in the scope of every budget that it looks at.
/// </summary>
public sealed class CapWitness : IAsyncDisposable
{
    private readonly string _database;
    private readonly Func<long> _bill;
    private readonly string _where;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _looking;
    private int _looks;
    private long _most;

    /// <param name="database">The SQLite file, or the data folder that it is in.</param>
    /// <param name="bill">What the provider has charged up to now, nano-dollars.</param>
    /// <param name="budgets">The budgets' ids; all there are where none is named.</param>
    public CapWitness(string database, Func<long> bill, params string[] budgets)
    {
        _database = Directory.Exists(database) ? Path.Combine(database, "tokonomics.db") : database;
        _bill = bill;
        _where = budgets.Length == 0 ? "" : $"WHERE budget_id IN ({string.Join(',', budgets.Select(b => $"'{b}'"))})";
        _looking = Task.Run(LookAsync);
    }

    public ConcurrentQueue<string> Violations { get; } = [];

    public int Looks => Volatile.Read(ref _looks);

    /// <summary>The most by which a bill was ever above what a budget counted, or that above its limit; nano-dollars.</summary>
    public long MostOver => Interlocked.Read(ref _most);

    /// <summary>How every account stands.</summary>
    public IReadOnlyList<(string Budget, string Subject, long Period, long Posted, long Leased, long Limit, long Excess)> Accounts()
    {
        using var connection = new SqliteConnection($"Data Source={_database};Pooling=False;Default Timeout=30");
        connection.Open();
        return Accounts(connection);
    }

    /// <summary>Looks no more; what it found stands.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _looking;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private async Task LookAsync()
    {
        using var connection = new SqliteConnection($"Data Source={_database};Pooling=False;Default Timeout=30");
        connection.Open();
        while (!_stop.IsCancellationRequested)
        {
            // In this order: what was charged before must be counted after.
            var bill = _bill();
            foreach (var budget in Accounts(connection).GroupBy(a => a.Budget))
            {
                Judge(bill - budget.Sum(a => a.Posted + a.Leased), $"the bill is {bill}, budget {budget.Key} counts {budget.Sum(a => a.Posted)} posted and {budget.Sum(a => a.Leased)} leased");
                foreach (var a in budget)
                    Judge(a.Posted + a.Leased - a.Limit, $"budget {a.Budget} '{a.Subject}' has a limit of {a.Limit}, {a.Posted} posted and {a.Leased} leased");
            }

            Interlocked.Increment(ref _looks);
            await Task.Delay(20, CancellationToken.None);
        }
    }

    private void Judge(long over, string what)
    {
        if (over <= 0)
            return;
        Violations.Enqueue(what);
        if (over > MostOver)
            Interlocked.Exchange(ref _most, over);
    }

    private List<(string Budget, string Subject, long Period, long Posted, long Leased, long Limit, long Excess)> Accounts(SqliteConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = $"SELECT budget_id, subject, period_start, posted_nano, leased_nano, limit_nano, excess_nano FROM budget_accounts {_where}";
        using var row = command.ExecuteReader();
        var accounts = new List<(string, string, long, long, long, long, long)>();
        while (row.Read())
            accounts.Add((row.GetString(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.GetInt64(5), row.GetInt64(6)));
        return accounts;
    }
}
