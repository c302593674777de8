using Microsoft.Data.Sqlite;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Sqlite;

/// <summary>The truth in SQLite: each operation is one IMMEDIATE transaction, which no other writer can divide. What it answered is on the disk.</summary>
public sealed class SqliteBudgetTruth(SqliteDatabase database, TimeProvider time) : IBudgetTruth, IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);
    private SqliteConnection? _connection;

    public Task<LeaseAnswer> LeaseAsync(LeaseCall request, CancellationToken cancellationToken) => InTurnAsync((connection, transaction) =>
    {
        var now = time.GetUtcNow();
        var rows = new BudgetRows(connection, transaction, now);
        var (key, owner) = (request.Account.Key, request.Owner.ToString());
        var budget = rows.Budget(key.TenantId, key.BudgetId);
        if (budget is null && rows.Account(key) is null)
            return LeaseAnswer.Of(LeaseVerdict.Gone);
        var (rowId, account) = rows.Account(key) ?? rows.Open(request.Account, budget!);
        var known = rows.Lease(key, owner);
        if (known is null ? request.Epoch != 0 || rows.IsClosed(request.Owner.Node) : request.Epoch != 0 && request.Epoch != known.Value.Epoch)
            return LeaseAnswer.Of(LeaseVerdict.Fenced);
        var (line, epoch) = known ?? (default, account.Epoch);
        // A store that knows of less than the node was given is older than the grant: it was restored, and what the node has is not set aside in it.
        if (line.Granted < request.Granted)
            return LeaseAnswer.Of(LeaseVerdict.Fenced);

        if (request.Returned > line.Returned)
        {
            account.GiveBack(request.Returned - line.Returned);
            line = line with { Returned = request.Returned };
        }

        rows.Save(rowId, key, account);
        var already = line.Granted - request.Granted; // an answer that was lost on its way
        var least = request.Least > already ? request.Least - already : NanoUsd.Zero;
        var size = budget is null ? NanoUsd.Zero : BudgetAccount.LeaseSize(account.Remaining, least, request.Want, request.Nodes);
        if (size > NanoUsd.Zero && rows.Grant(rowId, size) && account.TryGrant(size))
            line = line with { Granted = line.Granted + size };
        if (request.Close && line.Outstanding == NanoUsd.Zero)
            rows.DropLease(key, owner);
        else if (known is null || line != known.Value.Line)
            rows.SaveLease(key, owner, line, epoch);
        var verdict = budget is null ? LeaseVerdict.Gone : least == NanoUsd.Zero || size >= least ? LeaseVerdict.Granted : LeaseVerdict.Refused;
        return new LeaseAnswer(verdict, line.Granted, epoch, account.Limit, account.Posted, account.Leased, budget?.LimitHoldsFor(now)) { Outstanding = line.Outstanding };
    }, cancellationToken);

    public Task<IReadOnlyList<AccountState>> ReadAsync(IReadOnlyList<AccountOpening> accounts, CancellationToken cancellationToken) => InTurnAsync<IReadOnlyList<AccountState>>((connection, transaction) =>
    {
        var rows = new BudgetRows(connection, transaction, time.GetUtcNow());
        var states = new List<AccountState>(accounts.Count);
        foreach (var opening in accounts)
        {
            var budget = rows.Budget(opening.Key.TenantId, opening.Key.BudgetId);
            var found = rows.Account(opening.Key) ?? (budget is null ? null : rows.Open(opening, budget));
            if (found is var (_, account))
                states.Add(State(opening.Key, account));
        }

        return states;
    }, cancellationToken);

    public Task<IReadOnlyList<AccountState>> ListAsync(string tenantId, string budgetId, long periodStart, int limit, CancellationToken cancellationToken) => InTurnAsync<IReadOnlyList<AccountState>>((connection, transaction) =>
    {
        var rows = new BudgetRows(connection, transaction, time.GetUtcNow());
        var found = new List<long>();
        using (var command = rows.Command(
            "SELECT rowid FROM budget_accounts WHERE tenant_id = $tenant AND budget_id = $budget AND period_start = $start ORDER BY posted_nano DESC, subject LIMIT $limit",
            ("$tenant", tenantId), ("$budget", budgetId), ("$start", periodStart), ("$limit", limit)))
        using (var row = command.ExecuteReader())
            while (row.Read())
                found.Add(row.GetInt64(0));
        return found.ConvertAll(id => rows.Account(id) is var (key, account) ? State(key, account) : null!);
    }, cancellationToken);

    public Task<NanoUsd> CloseNodeAsync(string node, bool asSpent, CancellationToken cancellationToken) => InTurnAsync((connection, transaction) =>
    {
        var rows = new BudgetRows(connection, transaction, time.GetUtcNow());
        var leases = new List<(AccountKey Key, string Owner)>();
        using (var command = rows.Command($"SELECT {BudgetRows.AccountColumns}, owner FROM budget_leases WHERE node = $node", ("$node", node)))
        using (var row = command.ExecuteReader())
            while (row.Read())
                leases.Add((new AccountKey(row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt64(3)), row.GetString(4)));
        rows.CloseNode(node);
        var taken = NanoUsd.Zero;
        foreach (var (key, owner) in leases)
        {
            var outstanding = rows.Lease(key, owner)!.Value.Line.Outstanding;
            var (rowId, account) = rows.Account(key)!.Value;
            account.Revoke(outstanding, asSpent);
            if (asSpent)
                rows.Forfeit(key, owner, outstanding);
            rows.DropLease(key, owner);
            rows.Save(rowId, key, account);
            taken += outstanding;
        }

        return taken;
    }, cancellationToken);

    public Task<IReadOnlyList<NodeLeases>> NodesAsync(CancellationToken cancellationToken) => InTurnAsync<IReadOnlyList<NodeLeases>>((connection, transaction) =>
    {
        var rows = new BudgetRows(connection, transaction, time.GetUtcNow());
        using var command = rows.Command("SELECT node, sum(granted_nano - returned_nano - consumed_nano), count(*) FROM budget_leases GROUP BY node ORDER BY node");
        using var row = command.ExecuteReader();
        var nodes = new List<NodeLeases>();
        while (row.Read())
            nodes.Add(new NodeLeases(row.GetString(0), new NanoUsd(row.GetInt64(1)), row.GetInt32(2)));
        return nodes;
    }, cancellationToken);

    public Task<BudgetChanges> ChangesAsync(long since, CancellationToken cancellationToken) => InTurnAsync((connection, transaction) =>
    {
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "SELECT coalesce(max(revision), 0) FROM budgets";
        var reached = (long)command.ExecuteScalar()!;
        var all = since == 0 || reached < since; // the sequence only goes back when another database was put in place
        if (!all && reached == since)
            return new BudgetChanges(reached, false, []);
        command.CommandText = "SELECT DISTINCT t.id, t.time_zone FROM tenants AS t JOIN budgets AS b ON b.tenant_id = t.id WHERE b.revision > $since";
        command.Parameters.AddWithValue("$since", all ? -1 : since);
        var tenants = new List<(string Id, string Zone)>();
        using (var row = command.ExecuteReader())
            while (row.Read())
                tenants.Add((row.GetString(0), row.GetString(1)));
        return new BudgetChanges(reached, all, tenants.ConvertAll(t => new TenantBudgetList(t.Id, t.Zone, [.. BudgetRows.Budgets(connection, transaction, "tenant_id = $tenant", ("$tenant", t.Id))])));
    }, cancellationToken, writes: false);

    private static AccountState State(AccountKey key, BudgetAccount a) => new(key, a.Limit, a.Posted, a.Leased, a.Excess, a.Epoch);

    private async Task<T> InTurnAsync<T>(Func<SqliteConnection, SqliteTransaction, T> work, CancellationToken cancellationToken, bool writes = true)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            // SQLite's calls block: not on the thread of whoever asked.
            return await Task.Run(() =>
            {
                var connection = _connection ??= database.Open();
                using var transaction = connection.BeginTransaction(deferred: !writes);
                var result = work(connection, transaction);
                transaction.Commit();
                return result;
            }, cancellationToken);
        }
        catch
        {
            // Whatever the connection's state is now, the next operation starts with a new one.
            _connection?.Dispose();
            _connection = null;
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose()
    {
        _connection?.Dispose();
        _turn.Dispose();
    }
}
