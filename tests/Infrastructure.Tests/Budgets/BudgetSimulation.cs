using Microsoft.Extensions.Logging.Abstractions;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.InProcess;

namespace Tokonomics.Tests.Budgets;

internal enum SimulatedDesign
{
    /// <summary>The product's.</summary>
    Leases,

    /// <summary>As the product's, but a node that restarts frees what its sent and unsettled calls held.</summary>
    FreeOrphans,

    /// <summary>Looks at what is spent, forwards, charges afterwards.</summary>
    CheckThenCharge,
}

/// <summary>
/// Three nodes with the product's own gate, one truth, a provider that keeps its own bill and bills the whole cost the moment that a call is sent.
/// Calls are made, sent, extended, settled, abandoned; nodes crash and come back with their journals; the truth is away, answers get lost,
/// limits change, the day and the month end. After every step the bill must be covered.
/// </summary>
internal sealed class BudgetSimulation
{
    private static readonly DateTimeOffset Start = new(2026, 1, 31, 23, 59, 50, TimeSpan.Zero); // ten seconds before both periods end
    private static readonly KeySnapshot Key = new() { Id = "key_1", Tenant = new TenantSnapshot { Id = "ten_a" } };

    private readonly Random _random;
    private readonly SimulatedDesign _design;
    private readonly SimulatedTime _time = new(Start);
    private readonly SeededContext _context;
    private readonly MemoryTruth _truth;
    private readonly List<Action> _network = [];
    private readonly List<TaskCompletionSource> _paused = [];
    private readonly Dictionary<AccountKey, long> _bill = [];
    private readonly Dictionary<AccountKey, NanoUsd> _before = [];
    private readonly Dictionary<string, NanoUsd> _highest = [];
    private readonly Node[] _nodes;
    private readonly List<Task> _calls = [];
    private bool _away;
    private bool _calm;
    private int _sent;

    private sealed class Entry
    {
        public required string Id { get; init; }
        public required DateTimeOffset At { get; init; }
        public required string Customer { get; init; }
        public required IReadOnlyList<BudgetCharge> Charges { get; set; }
        public required NanoUsd UpperBound { get; set; }
        public bool Sent { get; set; }
        public UsageEvent? Event { get; set; }
        public bool Shipped { get; set; }
        public bool Void { get; set; }
    }

    /// <summary>The journal and the names of former runs survive a crash; the gate doesn't.</summary>
    private sealed class Node
    {
        public required int Number { get; init; }
        public List<Entry> Journal { get; } = [];
        public List<string> FormerRuns { get; } = [];
        public int Run { get; set; }

        /// <summary>The revision of the budgets that its gate goes by for certain.</summary>
        public long Seen { get; set; }
        public bool Up { get; set; }
        public BudgetGate? Gate { get; set; }
        public string Name => $"node{Number}.{Run}";
    }

    private BudgetSimulation(int seed, SimulatedDesign design)
    {
        (_random, _design) = (new Random(seed), design);
        _context = new SeededContext(_random);
        _truth = new MemoryTruth(_time);
        _nodes = [.. Enumerable.Range(0, 3).Select(i => new Node { Number = i })];
    }

    public int Steps { get; private set; }

    public int Admitted { get; private set; }

    public int Sent => _sent;

    public int Crashes { get; private set; }

    /// <summary>Two runs of the same seed have the same.</summary>
    public long Trace { get; private set; }

    public static BudgetSimulation Run(int seed, SimulatedDesign design = SimulatedDesign.Leases)
    {
        var simulation = new BudgetSimulation(seed, design);
        var outer = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(simulation._context);
        try
        {
            simulation.Run();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(outer);
        }

        return simulation;
    }

    private void Run()
    {
        Put(new Budget { TenantId = "ten_a", Id = "bud_all", Scope = BudgetScope.Tenant, Period = BudgetPeriod.Month, Limit = new NanoUsd(_random.Next(40, 160)), Wait = TimeSpan.FromMilliseconds(_random.Next(3) * 100), CreatedAt = Start });
        Put(new Budget { TenantId = "ten_a", Id = "bud_each", Scope = BudgetScope.Tag("customer", null), Period = BudgetPeriod.Day, Limit = new NanoUsd(_random.Next(20, 90)), Wait = TimeSpan.Zero, Clamp = _random.Next(2) == 0, CreatedAt = Start });
        foreach (var node in _nodes)
            Restart(node);
        var steps = _random.Next(150, 400);
        for (; Steps < steps; Steps++)
        {
            Step();
            _context.Run(_random.Next(1 + (_context.Ready * 2)));
            Check();
        }

        Drain();
    }

    private void Step()
    {
        var node = _nodes[_random.Next(3)];
        var what = _random.Next(1000);
        Trace = (Trace * 31) + what + _context.Ready + (_network.Count * 7);
        if (what < 250 && node.Up)
            _calls.Add(CallAsync(node, node.Run));
        else if (what < 520)
            Deliver();
        else if (what < 750)
            Resume();
        else if (what < 850)
            _time.Advance(TimeSpan.FromMilliseconds(_random.Next(1, 400)));
        else if (what < 900 && node.Up)
            _calls.Add(ShipAsync(node, node.Run));
        else if (what < 940 && node.Up)
            _calls.Add(RefreshAsync(node));
        else if (what < 950)
            Crash(node);
        else if (what < 980 && !node.Up)
            Restart(node);
        else if (what < 988)
            ChangeLimit();
        else if (what < 991 || (_away && what < 997))
            _away = !_away;
        else if (what == 999) // an operator who takes a silent node for dead; it comes back, or was alive all the time
            _truth.CloseNodeAsync(node.Up ? node.Gate!.NodeNames[^1] : node.FormerRuns.Count > 0 ? node.FormerRuns[0] : "nobody", asSpent: true, CancellationToken.None);
    }

    private void Put(Budget budget)
    {
        _truth.Put(budget);
        _highest[budget.Id] = _highest.TryGetValue(budget.Id, out var before) && before > budget.Limit ? before : budget.Limit;
    }

    private Budget BudgetOf(string id) => _truth.ChangesAsync(0, CancellationToken.None).Result.Tenants[0].Budgets.Single(b => b.Id == id);

    private void ChangeLimit()
    {
        var budget = BudgetOf(_random.Next(2) == 0 ? "bud_all" : "bud_each");
        Put(budget with { Limit = new NanoUsd(_random.Next(20, 160)) });
    }

    private async Task CallAsync(Node node, int run)
    {
        bool Dead() => !node.Up || node.Run != run;
        var (at, customer) = (_time.GetUtcNow(), _random.Next(2) == 0 ? "acme" : "globex");
        var bound = new NanoUsd(_random.Next(1, 25));
        var hold = new Hold();
        if (_design == SimulatedDesign.CheckThenCharge)
        {
            if (!await MayAsync(node, customer, at, bound) || Dead())
                return;
        }
        else
        {
            node.Gate!.Resolve(hold, Key, [new Tag("customer", customer)], at);
            var least = _random.Next(2) == 0 ? bound : new NanoUsd((bound.Value + 1) / 2);
            var outcome = await node.Gate.HoldAsync(hold, new HoldRequest(bound, bound, least), CancellationToken.None);
            if (Dead() || outcome.Verdict != HoldVerdict.Held)
                return;
            bound = hold.UpperBound;
        }

        Admitted++;
        if (_design == SimulatedDesign.Leases && node.Seen == _truth.Revision)
            foreach (var charge in hold.Charges())
            {
                var (_, account, _) = _truth.Accounts.Single(a => a.Key == charge.Account);
                (account.Posted + account.Leased).ShouldBeLessThanOrEqualTo(account.Limit, $"{charge.Account}: admitted above a limit that was lowered before, and that this node had read");
            }

        var entry = new Entry { Id = $"req_{node.Number}_{node.Journal.Count}", At = at, Customer = customer, UpperBound = bound, Charges = _design == SimulatedDesign.CheckThenCharge ? Charges(customer, at) : hold.Charges() };
        node.Journal.Add(entry);
        await PauseAsync();
        if (Dead())
            return;
        if (_random.Next(10) == 0)
        {
            entry.Void = true;
            if (hold.State == HoldState.Held)
                node.Gate!.Void(hold);
            return;
        }

        entry.Sent = true;
        _sent++;
        var cost = _random.NextInt64(bound.Value + 1);
        Bill(entry, cost);
        await PauseAsync();
        if (Dead())
            return;
        if (_random.Next(5) == 0 && hold.State == HoldState.Held)
        {
            var more = new NanoUsd(_random.Next(1, 6));
            if (await node.Gate!.ExtendAsync(hold, more, CancellationToken.None) && !Dead())
            {
                (entry.Charges, entry.UpperBound) = (hold.Charges(), hold.UpperBound);
                var extra = _random.NextInt64(more.Value + 1);
                Bill(entry, extra);
                cost += extra;
            }

            await PauseAsync();
            if (Dead())
                return;
        }

        var abandoned = _random.Next(20) == 0;
        if (hold.State == HoldState.Held)
        {
            (abandoned ? node.Gate!.Abandon(hold) : node.Gate!.Settle(hold, new NanoUsd(cost))).ShouldBeTrue();
            node.Gate!.Settle(hold, new NanoUsd(cost)).ShouldBeFalse();
        }

        entry.Event = EventOf(entry, cost, abandoned, _design == SimulatedDesign.CheckThenCharge ? [] : hold.Charges());
    }

    private void Bill(Entry entry, long amount)
    {
        foreach (var charge in entry.Charges)
            _bill[charge.Account] = _bill.GetValueOrDefault(charge.Account) + amount;
    }

    private static UsageEvent EventOf(Entry entry, long cost, bool abandoned, IReadOnlyList<BudgetCharge> charges) => new()
    {
        RequestId = entry.Id,
        TenantId = "ten_a",
        KeyId = "key_1",
        Provider = "p",
        Dialect = "d",
        Operation = "o",
        PriceVersion = "v",
        At = entry.At,
        Tags = [new Tag("customer", entry.Customer)],
        Cost = new NanoUsd(cost),
        UpperBound = entry.UpperBound,
        BudgetCost = abandoned ? entry.UpperBound : null,
        Outcome = abandoned ? CallOutcome.Abandoned : CallOutcome.Completed,
        Charges = charges,
    };

    private async Task ShipAsync(Node node, int run)
    {
        var batch = node.Journal.Where(e => e is { Event: not null, Shipped: false }).Take(20).ToList();
        if (batch.Count == 0)
            return;
        try
        {
            var events = batch.ConvertAll(e => e.Event!);
            await OverNetwork(() => _truth.AppendAsync(events, CancellationToken.None));
            foreach (var entry in batch)
                entry.Shipped = true;
            if (node.Up && node.Run == run)
                node.Gate!.Posted(events);
        }
        catch (TimeoutException)
        {
            // Perhaps it was written, perhaps not: it stays in the journal and is sent again.
        }
    }

    private async Task RefreshAsync(Node node)
    {
        var (gate, revision) = (node.Gate!, _truth.Revision);
        try
        {
            await gate.RefreshAsync(CancellationToken.None);
            if (node.Gate == gate && revision > node.Seen)
                node.Seen = revision;
        }
        catch (TimeoutException)
        {
            // Tried again by the next.
        }

        await gate.TidyAsync(CancellationToken.None);
    }

    private void Crash(Node node)
    {
        if (!node.Up)
            return;
        Crashes++;
        node.Up = false;
        node.FormerRuns.AddRange(node.Gate!.NodeNames);
    }

    private void Restart(Node node)
    {
        node.Run++;
        node.Seen = 0;
        node.Up = true;
        var options = new BudgetGateOptions { Nodes = 3, IdleAfter = TimeSpan.FromSeconds(1), LeaseLifetime = TimeSpan.FromSeconds(3), LeaseAhead = TimeSpan.FromSeconds(2) };
        var run = node.Run;
        node.Gate = new BudgetGate(new Link(this, () => node.Up && node.Run == run), node.Name, options, _time, NullLogger<BudgetGate>.Instance);
        node.Gate.RefreshAsync(CancellationToken.None).ContinueWith(_ => { }, TaskScheduler.Default);
        _calls.Add(RecoverAsync(node, run));
    }

    // What the journal says of former runs: never sent is void; sent and not settled counts with its upper bound.
    private async Task RecoverAsync(Node node, int run)
    {
        foreach (var entry in node.Journal.Where(e => e is { Event: null, Void: false }).ToList())
        {
            entry.Void = !entry.Sent || _design == SimulatedDesign.FreeOrphans;
            if (!entry.Void)
                entry.Event = EventOf(entry, entry.UpperBound.Value / 2, abandoned: true, _design == SimulatedDesign.CheckThenCharge ? [] : entry.Charges);
        }

        bool Alive() => node.Up && node.Run == run;
        foreach (var former in node.FormerRuns.ToList())
        {
            while (Alive() && node.Journal.Any(e => e is { Event: not null, Shipped: false }))
                await ShipAsync(node, run);
            while (Alive() && node.FormerRuns.Contains(former))
                try
                {
                    await OverNetwork(() => _truth.CloseNodeAsync(former, asSpent: false, CancellationToken.None));
                    node.FormerRuns.Remove(former);
                }
                catch (TimeoutException)
                {
                    // Again.
                }
        }
    }

    // One call over the network: it arrives or not, its answer arrives or not, whenever the seed says.
    private Task<T> OverNetwork<T>(Func<Task<T>> call, Func<bool>? alive = null)
    {
        var answer = new TaskCompletionSource<T>();
        _network.Add(() =>
        {
            var luck = _calm ? 0 : _random.Next(20);
            if (_away && !_calm || luck == 1)
            {
                if (alive?.Invoke() != false)
                    answer.SetException(new TimeoutException());
                return;
            }

            var result = call();
            if (alive?.Invoke() == false)
                return; // done, and nobody hears of it
            if (luck == 2)
                answer.SetException(new TimeoutException());
            else if (result.IsFaulted)
                answer.SetException(result.Exception!.InnerException!);
            else
                answer.SetResult(result.Result);
        });
        return answer.Task;
    }

    private void Deliver()
    {
        if (_network.Count == 0)
            return;
        var next = _random.Next(_network.Count);
        var deliver = _network[next];
        _network.RemoveAt(next);
        deliver();
    }

    private Task PauseAsync()
    {
        var pause = new TaskCompletionSource();
        _paused.Add(pause);
        return pause.Task;
    }

    private void Resume()
    {
        if (_paused.Count == 0)
            return;
        var next = _random.Next(_paused.Count);
        var pause = _paused[next];
        _paused.RemoveAt(next);
        pause.SetResult();
    }

    private void Check()
    {
        foreach (var (key, account, outstanding) in _truth.Accounts)
        {
            var (sum, bill) = (account.Posted + account.Leased, _bill.GetValueOrDefault(key));
            bill.ShouldBeLessThanOrEqualTo(_highest[key.BudgetId].Value, $"{key}: the provider's bill is above every limit that there was");
            if (_design == SimulatedDesign.CheckThenCharge)
                continue;
            bill.ShouldBeLessThanOrEqualTo(sum.Value, $"{key}: the provider's bill is above posted {account.Posted.Value} + leased {account.Leased.Value}");
            account.Leased.ShouldBe(outstanding, $"{key}: leased is not the sum of the leases");
            if (sum > account.Limit)
                sum.ShouldBeLessThanOrEqualTo(_before.GetValueOrDefault(key), $"{key}: more was set aside above the limit of {account.Limit.Value}");
            _before[key] = sum;
        }

        foreach (var task in _calls)
            if (task.IsFaulted)
                throw task.Exception!.InnerException!;
        _calls.RemoveAll(t => t.IsCompleted);
    }

    // The faults end; everything goes on to its end; nothing may be left over.
    private void Drain()
    {
        (_calm, _away) = (true, false);
        foreach (var node in _nodes.Where(n => !n.Up))
            Restart(node);
        for (var round = 0; round < 400; round++)
        {
            while (_network.Count > 0 || _paused.Count > 0 || _context.Ready > 0)
            {
                Deliver();
                Resume();
                _context.Run(int.MaxValue);
                Check();
            }

            var shipped = _nodes.All(n => n.Journal.All(e => e.Event is null || e.Shipped));
            if (shipped && round > 3 && (_design == SimulatedDesign.CheckThenCharge || _truth.Accounts.All(a => a.Outstanding == NanoUsd.Zero)))
                break;
            _time.Advance(TimeSpan.FromSeconds(1));
            foreach (var node in _nodes)
            {
                _calls.Add(ShipAsync(node, node.Run));
                _calls.Add(RefreshAsync(node));
            }
        }

        if (_design == SimulatedDesign.CheckThenCharge)
            return;
        foreach (var (key, account, _) in _truth.Accounts)
        {
            account.Leased.ShouldBe(NanoUsd.Zero, $"{key}: something is still leased after everything ended");
            account.Posted.ShouldBe(_truth.Recount(key), $"{key}: posted is not the sum of the ledger");
            if (account.Posted <= account.Limit)
                account.Excess.ShouldBe(NanoUsd.Zero);
        }

        foreach (var node in _nodes)
            node.Gate!.Sums().ShouldBe((NanoUsd.Zero, NanoUsd.Zero, NanoUsd.Zero));
        _truth.Events.Count().ShouldBe(_sent, "every call that reached the provider has exactly one row");
    }

    private IReadOnlyList<BudgetCharge> Charges(string customer, DateTimeOffset at) =>
        [.. new[] { ("bud_all", ""), ("bud_each", customer) }.Select(b => new BudgetCharge(new AccountKey("ten_a", b.Item1, b.Item2, BudgetPeriods.Containing(BudgetOf(b.Item1).Period, TimeZoneInfo.Utc, at, Start).StartMicros), "none#1", NanoUsd.Zero))];

    private async Task<bool> MayAsync(Node node, string customer, DateTimeOffset at, NanoUsd bound)
    {
        try
        {
            var states = await OverNetwork(() => _truth.ReadAsync(
                [.. Charges(customer, at).Select(c => new AccountOpening(c.Account, BudgetPeriods.Containing(BudgetOf(c.Account.BudgetId).Period, TimeZoneInfo.Utc, at, Start).EndMicros))], CancellationToken.None));
            return node.Up && states.All(s => s.Posted + bound <= s.Limit);
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <summary>A node's way to the truth. When the node is dead nothing comes back on it.</summary>
    private sealed class Link(BudgetSimulation world, Func<bool> alive) : IBudgetTruth
    {
        public Task<LeaseAnswer> LeaseAsync(LeaseCall request, CancellationToken cancellationToken) => world.OverNetwork(() => world._truth.LeaseAsync(request, cancellationToken), alive);

        public Task<BudgetChanges> ChangesAsync(long since, CancellationToken cancellationToken) => world._truth.ChangesAsync(since, cancellationToken);

        public Task<IReadOnlyList<AccountState>> ReadAsync(IReadOnlyList<AccountOpening> accounts, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<AccountState>> ListAsync(string tenantId, string budgetId, long periodStart, int limit, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<NanoUsd> CloseNodeAsync(string node, bool asSpent, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<NodeLeases>> NodesAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
