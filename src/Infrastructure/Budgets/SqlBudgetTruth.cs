using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Budgets;

/// <summary>
/// The truth in a relational store: each operation is one transaction, which no other can divide. What it answered is durable. Locks are taken in this
/// order by all: the node's, the openings of the tenant, accounts by their keys.
/// </summary>
public sealed class SqlBudgetTruth(ISqlStore store, TimeProvider time) : IBudgetTruth
{
    public Task<LeaseAnswer> LeaseAsync(LeaseCall request, CancellationToken cancellationToken) => store.WriteAsync(
        transaction =>
        {
            var now = time.GetUtcNow();
            var rows = new BudgetRows(store, transaction, now);
            var (key, owner) = (request.Account.Key, request.Owner.ToString());
            store.Lock(transaction, LeasesOf(request.Owner.Node), exclusive: false);
            var budget = rows.Budget(key.TenantId, key.BudgetId);
            var account = rows.Account(key) ?? (budget is null ? null : rows.Open(request.Account, budget));
            if (account is null)
                return LeaseAnswer.Of(LeaseVerdict.Gone);
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

            rows.Save(key, account);
            var already = line.Granted - request.Granted; // an answer that was lost on its way
            var least = request.Least > already ? request.Least - already : NanoUsd.Zero;
            var size = budget is null ? NanoUsd.Zero : BudgetAccount.LeaseSize(account.Remaining, least, request.Want, request.Nodes);
            if (size > NanoUsd.Zero && rows.Grant(key, size) && account.TryGrant(size))
                line = line with { Granted = line.Granted + size };
            if (request.Close && line.Outstanding == NanoUsd.Zero)
                rows.DropLease(key, owner);
            else if (known is null || line != known.Value.Line)
                rows.SaveLease(key, owner, line, epoch);
            var verdict = budget is null ? LeaseVerdict.Gone : least == NanoUsd.Zero || size >= least ? LeaseVerdict.Granted : LeaseVerdict.Refused;
            return new LeaseAnswer(verdict, line.Granted, epoch, account.Limit, account.Posted, account.Leased, budget?.LimitHoldsFor(now)) { Outstanding = line.Outstanding };
        },
        cancellationToken);

    public async Task<IReadOnlyList<AccountState>> ReadAsync(IReadOnlyList<AccountOpening> accounts, CancellationToken cancellationToken)
    {
        var states = await ReadingAsync(rows => accounts.Select(opening => (rows.Account(opening.Key), rows.Budget(opening.Key.TenantId, opening.Key.BudgetId))).ToList(), cancellationToken);
        var all = new List<AccountState>(accounts.Count);
        for (var i = 0; i < accounts.Count; i++)
        {
            var (account, budget) = states[i];
            // One by one, each in a transaction of its own: nobody waits for more than one tenant's openings at a time.
            if (account is null && budget is not null)
                account = await OpenAsync(accounts[i], budget, cancellationToken);
            if (account is not null)
                all.Add(State(accounts[i].Key, account));
        }

        return all;
    }

    internal Task<BudgetAccount> OpenAsync(AccountOpening opening, Budget budget, CancellationToken cancellationToken) =>
        store.WriteAsync(transaction => new BudgetRows(store, transaction, time.GetUtcNow()).Open(opening, budget), cancellationToken);

    public Task<IReadOnlyList<AccountState>> ListAsync(string tenantId, string budgetId, long periodStart, int limit, CancellationToken cancellationToken) => ReadingAsync<IReadOnlyList<AccountState>>(
        rows => rows.Largest(tenantId, budgetId, periodStart, limit).ConvertAll(key => State(key, rows.Account(key)!)), cancellationToken);

    public Task<NanoUsd> CloseNodeAsync(string node, bool asSpent, CancellationToken cancellationToken) => store.WriteAsync(
        transaction =>
        {
            var rows = new BudgetRows(store, transaction, time.GetUtcNow());
            // No lease that the node doesn't have yet can be granted from here on: who asks for it shares this lock.
            store.Lock(transaction, LeasesOf(node), exclusive: true);
            rows.CloseNode(node);
            var taken = NanoUsd.Zero;
            foreach (var (key, owner) in rows.LeasesOf(node))
            {
                var account = rows.Account(key)!;
                if (rows.Lease(key, owner) is not var (line, _))
                    continue; // it was closed while we waited for the account
                account.Revoke(line.Outstanding, asSpent);
                if (asSpent)
                    rows.Forfeit(key, owner, line.Outstanding);
                rows.DropLease(key, owner);
                rows.Save(key, account);
                taken += line.Outstanding;
            }

            return taken;
        },
        cancellationToken);

    public Task<IReadOnlyList<NodeLeases>> NodesAsync(CancellationToken cancellationToken) => ReadingAsync<IReadOnlyList<NodeLeases>>(rows => rows.Nodes(), cancellationToken);

    public Task<BudgetChanges> ChangesAsync(long since, CancellationToken cancellationToken) => ReadingAsync(rows => rows.Changes(since), cancellationToken);

    private static AccountState State(AccountKey key, BudgetAccount a) => new(key, a.Limit, a.Posted, a.Leased, a.Excess, a.Epoch);

    private static string LeasesOf(string node) => "leases of " + node;

    private Task<T> ReadingAsync<T>(Func<BudgetRows, T> read, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            using var connection = store.Open();
            using var transaction = store.BeginReading(connection);
            return read(new BudgetRows(store, transaction, time.GetUtcNow(), writes: false));
        },
        cancellationToken);
}
