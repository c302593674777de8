using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Tests.Budgets;

/// <summary>The truth and its ledger in memory, for the simulation: the same rules as a store's, every operation at once and whole.</summary>
public sealed class MemoryTruth(TimeProvider time) : IBudgetTruth, IUsageLedger
{
    private readonly Dictionary<AccountKey, Book> _books = [];
    private readonly Dictionary<string, Budget> _budgets = [];
    private readonly Dictionary<(string, int), UsageEvent> _events = [];
    private readonly HashSet<(AccountKey, int)> _alerts = [];
    private readonly HashSet<string> _closed = [];
    private long _revision;

    private sealed record Book(AccountKey Key, long End, BudgetAccount Account)
    {
        public Dictionary<string, (LeaseLine Line, long Epoch)> Leases { get; } = [];

        public Dictionary<string, NanoUsd> Forfeits { get; } = [];
    }

    public List<IPostedEvents> Watchers { get; } = [];

    public long Revision => _revision;

    public int AlertCount => _alerts.Count;

    public IEnumerable<UsageEvent> Events => _events.Values;

    public IEnumerable<(AccountKey Key, BudgetAccount Account, NanoUsd Outstanding)> Accounts =>
        _books.Values.Select(b => (b.Key, b.Account, b.Leases.Values.Aggregate(NanoUsd.Zero, (sum, l) => sum + l.Line.Outstanding)));

    public void Put(Budget budget)
    {
        _budgets[budget.Id] = budget;
        _revision++;
    }

    public Task<LeaseAnswer> LeaseAsync(LeaseCall request, CancellationToken cancellationToken)
    {
        if (!_budgets.TryGetValue(request.Account.Key.BudgetId, out var budget))
            return Task.FromResult(LeaseAnswer.Of(LeaseVerdict.Gone));
        var (book, owner) = (Open(request.Account, budget), request.Owner.ToString());
        var has = book.Leases.TryGetValue(owner, out var known);
        if (has ? request.Epoch != 0 && known.Epoch != request.Epoch : request.Epoch != 0 || _closed.Contains(request.Owner.Node))
            return Task.FromResult(LeaseAnswer.Of(LeaseVerdict.Fenced));
        var (line, epoch) = has ? known : (default, book.Account.Epoch);
        if (line.Granted < request.Granted)
            return Task.FromResult(LeaseAnswer.Of(LeaseVerdict.Fenced));
        if (request.Returned > line.Returned)
        {
            book.Account.GiveBack(request.Returned - line.Returned);
            line = line with { Returned = request.Returned };
        }

        var already = line.Granted - request.Granted;
        var least = request.Least > already ? request.Least - already : NanoUsd.Zero;
        var size = BudgetAccount.LeaseSize(book.Account.Remaining, least, request.Want, request.Nodes);
        if (book.Account.TryGrant(size))
            line = line with { Granted = line.Granted + size };
        book.Leases[owner] = (line, epoch);
        if (request.Close && line.Outstanding == NanoUsd.Zero)
            book.Leases.Remove(owner);
        var a = book.Account;
        return Task.FromResult(new LeaseAnswer(
            least == NanoUsd.Zero || size >= least ? LeaseVerdict.Granted : LeaseVerdict.Refused, line.Granted, epoch, a.Limit, a.Posted, a.Leased, budget.LimitHoldsFor(time.GetUtcNow())) { Outstanding = line.Outstanding });
    }

    public Task<IReadOnlyList<AccountState>> ReadAsync(IReadOnlyList<AccountOpening> accounts, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<AccountState>>([.. accounts.Where(a => _budgets.ContainsKey(a.Key.BudgetId)).Select(a => State(Open(a, _budgets[a.Key.BudgetId])))]);

    public Task<IReadOnlyList<AccountState>> ListAsync(string tenantId, string budgetId, long periodStart, int limit, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<AccountState>>([.. _books.Values.Where(b => b.Key.TenantId == tenantId && b.Key.BudgetId == budgetId && b.Key.PeriodStart == periodStart)
            .OrderByDescending(b => b.Account.Posted).ThenBy(b => b.Key.Subject, StringComparer.Ordinal).Take(limit).Select(State)]);

    public Task<NanoUsd> CloseNodeAsync(string node, bool asSpent, CancellationToken cancellationToken)
    {
        _closed.Add(node);
        var taken = NanoUsd.Zero;
        foreach (var book in _books.Values)
            foreach (var (owner, lease) in book.Leases.Where(l => LeaseOwner.Parse(l.Key).Node == node).ToList())
            {
                book.Account.Revoke(lease.Line.Outstanding, asSpent);
                if (asSpent)
                    book.Forfeits[owner] = lease.Line.Outstanding;
                book.Leases.Remove(owner);
                taken += lease.Line.Outstanding;
                Alert(book);
            }

        return Task.FromResult(taken);
    }

    public Task<IReadOnlyList<NodeLeases>> NodesAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<NodeLeases>>(
        [.. _books.Values.SelectMany(b => b.Leases).GroupBy(l => LeaseOwner.Parse(l.Key).Node).OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => new NodeLeases(g.Key, g.Aggregate(NanoUsd.Zero, (sum, l) => sum + l.Value.Line.Outstanding), g.Count()))]);

    public Task<BudgetChanges> ChangesAsync(long since, CancellationToken cancellationToken) => Task.FromResult(new BudgetChanges(
        _revision, since == 0, since == _revision ? [] : [.. _budgets.Values.GroupBy(b => b.TenantId).Select(t => new TenantBudgetList(t.Key, BudgetCalendar.Utc, [.. t]))]));

    public Task<int> AppendAsync(IReadOnlyList<UsageEvent> events, CancellationToken cancellationToken)
    {
        var added = events.Where(e => _events.TryAdd((e.RequestId, e.Attempt), e)).ToList();
        foreach (var usage in added)
            foreach (var book in _books.Values.Where(b => Counts(_budgets[b.Key.BudgetId], b.Key, b.End, usage)))
            {
                book.Account.ChangeLimit(_budgets[book.Key.BudgetId].LimitAt(time.GetUtcNow()));
                var (cost, covered) = (usage.BudgetCost ?? usage.Cost ?? NanoUsd.Zero, NanoUsd.Zero);
                foreach (var charge in usage.Charges.Where(c => c.Account == book.Key))
                {
                    if (book.Leases.TryGetValue(charge.Owner, out var lease))
                    {
                        covered = charge.Covered < lease.Line.Outstanding ? charge.Covered : lease.Line.Outstanding;
                        book.Leases[charge.Owner] = (lease.Line with { Consumed = lease.Line.Consumed + covered }, lease.Epoch);
                    }
                    else if (book.Forfeits.TryGetValue(charge.Owner, out var forfeit))
                    {
                        var off = charge.Covered < forfeit ? charge.Covered : forfeit;
                        book.Forfeits[charge.Owner] = forfeit - off;
                        cost -= off;
                    }
                }

                book.Account.Post(cost, covered);
                Alert(book);
            }

        foreach (var usage in added.Where(e => (e.BudgetCost ?? e.Cost ?? NanoUsd.Zero) != NanoUsd.Zero))
            foreach (var budget in _budgets.Values)
                foreach (var subject in budget.Scope.IsEachValue ? usage.Tags.Where(t => t.Name == budget.Scope.Name).Select(t => t.Value) : [""])
                {
                    var window = BudgetPeriods.Containing(budget.Period, TimeZoneInfo.Utc, usage.At, budget.CreatedAt);
                    var key = new AccountKey(budget.TenantId, budget.Id, subject, window.StartMicros);
                    if (window.End > budget.CreatedAt && !_books.ContainsKey(key) && Counts(budget, key, window.EndMicros, usage))
                        Open(new AccountOpening(key, window.EndMicros), budget);
                }

        foreach (var watcher in Watchers)
            watcher.Posted(events);
        return Task.FromResult(added.Count);
    }

    /// <summary>What the ledger and the forfeits make of an account, computed from nothing else.</summary>
    public NanoUsd Recount(AccountKey key) => _events.Values.Where(e => Counts(_budgets[key.BudgetId], key, _books[key].End, e)).Aggregate(NanoUsd.Zero, (sum, e) => sum + (e.BudgetCost ?? e.Cost ?? NanoUsd.Zero))
        + _books[key].Forfeits.Values.Aggregate(NanoUsd.Zero, (sum, f) => sum + f);

    private Book Open(AccountOpening opening, Budget budget)
    {
        if (_books.TryGetValue(opening.Key, out var book))
            book.Account.ChangeLimit(budget.LimitAt(time.GetUtcNow()));
        else
        {
            var spent = _events.Values.Where(e => Counts(budget, opening.Key, opening.PeriodEnd, e)).Aggregate(NanoUsd.Zero, (sum, e) => sum + (e.BudgetCost ?? e.Cost ?? NanoUsd.Zero));
            _books[opening.Key] = book = new Book(opening.Key, opening.PeriodEnd, new BudgetAccount(budget.LimitAt(time.GetUtcNow()), spent));
            Alert(book);
        }

        return book;
    }

    private void Alert(Book book)
    {
        foreach (var threshold in book.Account.Reached(_budgets[book.Key.BudgetId].Thresholds))
            _alerts.Add((book.Key, threshold));
    }

    private static AccountState State(Book b) => new(b.Key, b.Account.Limit, b.Account.Posted, b.Account.Leased, b.Account.Excess, b.Account.Epoch);

    private static bool Counts(Budget budget, AccountKey key, long end, UsageEvent e)
    {
        var at = (e.At.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond;
        return e.TenantId == budget.TenantId && e.Environment == budget.Environment && at >= key.PeriodStart && at < end && budget.Scope.Kind switch
        {
            BudgetScopeKind.Tenant => true,
            BudgetScopeKind.Team => e.TeamId == budget.Scope.Value,
            BudgetScopeKind.Project => e.ProjectId == budget.Scope.Value,
            BudgetScopeKind.Key => e.KeyId == budget.Scope.Value,
            _ => e.Tags.Any(t => t.Name == budget.Scope.Name && t.Value == (budget.Scope.Value ?? key.Subject)),
        };
    }
}
